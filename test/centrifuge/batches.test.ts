// Commands come in messages, several in one, cut anywhere between them: what is answered does not depend on it. And a batch
// is answered in one message, however many promises were in between.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type FormatName, Stage } from './stage.ts'

const ROOMS = ['a', 'b', 'plain']
const body = fc.oneof(
  fc.constantFrom(...ROOMS).map((channel) => ({ subscribe: { channel, recover: true, recoverable: true } })),
  // Of a room with history, what one said before one left may come too late for oneself.
  fc.constant({ unsubscribe: { channel: 'plain' } }),
  fc.tuple(fc.constantFrom(...ROOMS), fc.jsonValue()).map(([channel, data]) => ({ publish: { channel, data } })),
  fc.constantFrom(...ROOMS).map((channel) => ({ presence_stats: { channel } })),
  fc.constantFrom('a', 'b').map((channel) => ({ history: { channel, limit: 3 } })),
  fc.jsonValue().map((data) => ({ rpc: { method: 'm', data } })),
)
const script = fc.array(fc.record({ command: body, isLast: fc.boolean() }), { maxLength: 20 })

/** What is heard of each room, and of none, in order: rooms do not wait for each other. */
async function heard(format: FormatName, messages: string[][], isSlow: boolean): Promise<Record<string, string[]>> {
  const later = <T>(answer: T): T | Promise<T> =>
    isSlow ? new Promise((resolve) => setImmediate(resolve, answer)) : answer
  const stage = new Stage({
    policy: {
      subscribe: () => later({ positioned: 'asked', recoverable: 'asked' } as const),
      publish: (_client, _room, data) => later({ data }),
    },
  })
  const peer = stage.open(format)
  await peer.say('{"id":100,"connect":{"token":"u"}}', ...(messages[0] ?? []))
  for (const message of messages.slice(1)) await peer.say(...message)
  const count = messages.flat().length + 1
  while (peer.values.filter(({ id }) => id !== undefined).length < count) await peer.say(`{"send":{"data":1}}`)
  expect(peer.end).toBeUndefined()
  const channelOf = new Map(messages.flat().map((text) => [JSON.parse(text).id, Object.values(JSON.parse(text))[1]]))
  const rooms: Record<string, string[]> = {}
  for (const text of peer.heard) {
    const { id, push } = JSON.parse(text)
    const room = push?.channel ?? (channelOf.get(id) as { channel?: string } | undefined)?.channel ?? ''
    // Epochs are counted in the order in which rooms begin.
    ;(rooms[room] ??= []).push(text.replace(/epoch\d/g, 'epoch'))
  }
  return rooms
}

const isPush = (text: string): boolean => text.startsWith('{"push"')

describe.each(['json', 'protobuf'] as const)('%s', (format) => {
  test('at every split of commands over messages the same is heard', async () => {
    await fc.assert(
      fc.asyncProperty(script, fc.boolean(), async (entries, isSlow) => {
        const commands = entries.map(({ command }, i) => JSON.stringify({ id: i + 1, ...command }))
        const messages: string[][] = [[]]
        for (const [i, text] of commands.entries()) {
          messages.at(-1)!.push(text)
          if (entries[i]!.isLast) messages.push([])
        }
        const split = await heard(
          format,
          messages.filter((message, i) => i === 0 || message.length > 0),
          isSlow,
        )
        const together = await heard(format, [commands], isSlow)
        const apart = await heard(format, [[], ...commands.map((text) => [text])], false)
        for (const room of ['a', 'b', 'plain', '']) {
          // Pushes in their order; replies may come in another one.
          const sorted = (texts: string[] = []): string[][] => [
            texts.filter(isPush),
            texts.filter((text) => !isPush(text)).sort(),
          ]
          expect(sorted(split[room])).toEqual(sorted(apart[room]))
          expect(sorted(together[room])).toEqual(sorted(apart[room]))
        }
      }),
      { numRuns: 60 },
    )
  })

  test('a batch is answered in one message, pushes of rooms before it', async () => {
    const stage = new Stage()
    const peer = await stage.client('u', format)
    await peer.say('{"id":2,"subscribe":{"channel":"r"}}')
    peer.forget()
    await peer.say(...Array.from({ length: 20 }, (_, i) => `{"id":${i + 3},"publish":{"channel":"r","data":${i}}}`))
    expect(peer.messages).toHaveLength(21)
    expect(peer.messages.at(-1)!.map((text) => JSON.parse(text).id)).toEqual(
      Array.from({ length: 20 }, (_, i) => i + 3),
    )
  })

  test('replies are one message up to 64 KiB', async () => {
    const stage = new Stage()
    const peer = await stage.client('u', format)
    const data = `"${'x'.repeat(30_000)}"`
    await peer.say(...Array.from({ length: 9 }, (_, i) => `{"id":${i + 2},"rpc":{"data":${data}}}`))
    expect(peer.messages.map((message) => message.length)).toEqual([3, 3, 3])
  })
})

test('of one room commands are carried out in their order, of several beside each other', async () => {
  const asked: string[] = []
  const answers: (() => void)[] = []
  const stage = new Stage({
    policy: {
      publish: (_client, room, data) => {
        asked.push(`${room} ${data}`)
        return new Promise((resolve) => answers.push(() => resolve({ data })))
      },
    },
  })
  const peer = await stage.client()
  const publish = (id: number, room: string): string => `{"id":${id},"publish":{"channel":"${room}","data":${id}}}`
  await peer.say(publish(2, 'plain1'), publish(3, 'plain2'), publish(4, 'plain1'), publish(5, 'plain3'))
  expect(asked).toEqual(['plain1 2', 'plain2 3'])
  answers[0]!()
  await peer.say('{"id":6,"rpc":{"data":6}}')
  expect(asked).toEqual(['plain1 2', 'plain2 3', 'plain1 4', 'plain3 5'])
  expect(peer.values.map(({ id }) => id)).toEqual([2, 6])
})

test('no more than 64 commands of one connection are under way', async () => {
  let asked = 0
  const stage = new Stage({ policy: { rpc: () => new Promise(() => asked++) } })
  const peer = await stage.client()
  await peer.say(...Array.from({ length: 100 }, (_, i) => `{"id":${i + 2},"rpc":{}}`))
  expect(asked).toBe(64)
})
