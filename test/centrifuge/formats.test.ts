// JSON that passes through: what comes out at the members is what came in, byte for byte. And both formats against values
// by the thousand.

import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { depthOf, jsonOf, memberAt, skipValue } from '../../packages/centrifuge/src/wire/json-text.ts'
import { COMMAND, delimited } from './reference.ts'
import { type FormatName, Stage } from './stage.ts'

const SUBSCRIBE = '{"id":2,"subscribe":{"channel":"plain"}}'

test.each([
  '1e400',
  '-0',
  '12345678901234567890',
  '1.0',
  '"\\u0061\\ud800"',
  '"\\/"',
  '[ 1,\t2 ]',
  'true',
  '""',
  '{"a":1,"a":2}',
])('JSON passes through as it is: %s', async (data) => {
  const stage = new Stage()
  const [json, protobuf] = [await stage.client('a'), await stage.client('b', 'protobuf')]
  for (const peer of [json, protobuf]) await peer.say(SUBSCRIBE)
  await json.say(`{"id":3,"publish":{"channel":"plain","data":${data}}}`, `{"id":4,"rpc":{"data":${data}}}`)
  expect(json.heard[1]).toContain(`"pub":{"data":${data},"info"`)
  expect(json.heard).toContain(`{"id":4,"rpc":{"data":${data}}}`)
  const bytes = protobuf.socket.messages.at(-1) as Buffer
  expect(bytes.includes(Buffer.from(data))).toBe(true)
  const back = delimited(COMMAND, { id: 5, publish: { channel: 'plain', data: Buffer.from(data) } })
  await protobuf.sayBytes(back, 'binary')
  expect(json.heard.at(-1)).toContain(`"pub":{"data":${data},"info"`)
})

test('line breaks within data are taken out, for they end commands', async () => {
  const stage = new Stage()
  const [json, protobuf] = [await stage.client('a'), await stage.client('b', 'protobuf')]
  await json.say(SUBSCRIBE)
  const data = Buffer.from('{\n "a":\r\n "\\n"\n}')
  await protobuf.sayBytes(delimited(COMMAND, { id: 3, publish: { channel: 'plain', data } }), 'binary')
  expect(json.heard[1]).toContain('"pub":{"data":{ "a":\r "\\n"},"info"')
})

test('a program may publish anything: who speaks JSON gets it as a string', async () => {
  const stage = new Stage()
  const [json, protobuf] = [await stage.client('a'), await stage.client('b', 'protobuf')]
  for (const peer of [json, protobuf]) await peer.say(SUBSCRIBE)
  await stage.rooms.publish('plain', 'no "JSON"')
  await stage.rooms.publish('plain', Buffer.of(0xff, 0))
  await stage.rooms.publish('plain', Buffer.from('{"a":1}'))
  expect(json.values.slice(1).map(({ push }) => (push as unknown as { pub: { data: unknown } }).pub.data)).toEqual([
    'no "JSON"',
    '/wA=',
    { a: 1 },
  ])
  expect((protobuf.socket.messages.at(-2) as Buffer).includes(Buffer.of(0xff, 0))).toBe(true)
})

test('a namespace may take data that is no JSON', async () => {
  const stage = new Stage({ policy: { publish: (_client, _room, data) => ({ data, isAnyData: true }) } })
  const peer = await stage.client('u', 'protobuf')
  await peer.sayBytes(delimited(COMMAND, { id: 3, publish: { channel: 'plain', data: Buffer.of(0xff) } }), 'binary')
  expect(peer.values).toEqual([{ id: 3, publish: {} }])
})

describe('one body and one frame for all of a format', () => {
  test.each(['json', 'protobuf'] as const)('%s', async (format) => {
    const stage = new Stage()
    const peers = await Promise.all(Array.from({ length: 10 }, (_, i) => stage.client(`u${i}`, format)))
    for (const peer of peers) await peer.say(SUBSCRIBE)
    await stage.rooms.publish('plain', '1')
    const frames = new Set(peers.map(({ socket }) => socket.frames.at(-1)))
    expect(frames.size).toBe(1)
  })
})

test('members of both formats hear the same in the same order', async () => {
  const stage = new Stage()
  const peers = await Promise.all((['json', 'protobuf'] as FormatName[]).map((format) => stage.client(format, format)))
  for (const peer of peers) await peer.say('{"id":2,"subscribe":{"channel":"r"}}')
  for (let i = 0; i < 20; i++) void peers[i % 2]!.say(`{"id":${i + 3},"publish":{"channel":"r","data":${i}}}`)
  await stage.clock.pass(1)
  const [one, two] = peers.map(({ values }) =>
    values.flatMap(({ push }) => (push as unknown as { pub: unknown })?.pub ?? []),
  )
  expect(one).toHaveLength(20)
  expect(two).toEqual(one)
})

describe('looking into JSON without reading it', () => {
  const json = fc.tuple(fc.json({ maxDepth: 4 }), fc.constantFrom('', ' ', '\n', '\t\r\n'))

  test('the text of a member is found, the last of its name', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), json), { minLength: 1 }), fc.boolean(), (members, isEscaped) => {
        const key = (name: string): string =>
          isEscaped
            ? `"${[...Array(name.length).keys()].map((i) => `\\u${name.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')}"`
            : JSON.stringify(name)
        const text = `{${members.map(([name, [value, space]]) => `${space}${key(name)}${space}:${space}${value}${space}`).join(',')}}`
        for (const [name] of members) {
          const at = memberAt(text, 0, name)!
          const [, [value]] = members.findLast(([other]) => other === name)!
          expect(text.slice(at, skipValue(text, at))).toBe(value)
        }
        expect(memberAt(text, 0, 'no such name')).toBeUndefined()
      }),
    )
  })

  test('its depth is told', () => {
    const depth = (value: unknown): number =>
      typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depth)) : 0
    fc.assert(fc.property(fc.json({ maxDepth: 6 }), (text) => void expect(depthOf(text)).toBe(depth(JSON.parse(text)))))
  })

  test('what it is made of is one line of JSON, always', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json(), fc.uint8Array()), (data) => {
        const text = jsonOf(data)
        expect(text).not.toContain('\n')
        JSON.parse(text)
      }),
    )
  })
})
