// A transcript of each command and each error: what is said, what is heard. In JSON byte for byte; in Protobuf the same
// commands are said, and what is heard means the same.

import { describe, expect, test } from 'vitest'
import { type FormatName, type Peer, Stage } from './stage.ts'
import { ASKING } from './transcripts/asking.ts'
import { CONNECTING } from './transcripts/connecting.ts'
import { SAYING } from './transcripts/saying.ts'
import { SUBSCRIBING } from './transcripts/subscribing.ts'
import { CONNECT, type Transcript } from './transcripts/transcript.ts'

async function run(
  format: FormatName,
  { say, with: options, other = false }: Transcript,
  isConnected: boolean,
): Promise<{ peer: Peer; messages: string[][] }> {
  const stage = new Stage(options)
  const peer = stage.open(format)
  if (isConnected) await peer.say(CONNECT)
  const before = peer.messages.length
  if (other) await (await stage.client('other')).say('{"id":2,"subscribe":{"channel":"r"}}')
  for (const message of say) await peer.say(...[message].flat())
  expect(stage.errors).toEqual([])
  return { peer, messages: peer.messages.slice(before) }
}

describe.each(['json', 'protobuf'] as const)('%s', (format) => {
  test.each([...SUBSCRIBING, ...SAYING, ...ASKING])('connected: $about', async (transcript) => {
    const { peer, messages } = await run(format, transcript, true)
    check(format, messages, transcript.hear)
    expect(peer.end).toBe(transcript.end)
  })

  test.each(CONNECTING)('first: $about', async (transcript) => {
    const { peer, messages } = await run(format, transcript, false)
    check(format, messages, transcript.hear)
    expect(peer.end).toBe(transcript.end)
  })
})

function check(format: FormatName, messages: string[][], hear: string[]): void {
  if (format === 'json') expect(messages.flat()).toEqual(hear)
  else expect(messages.flat().map((text) => JSON.parse(text))).toEqual(hear.map((text) => zeroless(JSON.parse(text))))
}

/** As Protobuf leaves out what is zero or empty, and says bytes as they are. */
function zeroless(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return Array.isArray(value) ? value.map(zeroless) : value
  }
  const dropped = ['offset', 'num_clients', 'num_users']
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, inner]) => !(dropped.includes(key) && inner === 0))
      .filter(
        ([key, inner]) => !(['presence', 'publications'].includes(key) && Object.keys(inner as object).length === 0),
      )
      .map(([key, inner]) => [key, key === 'data' ? inner : zeroless(inner)]),
  )
}
