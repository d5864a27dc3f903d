// JSON that passes through: what comes out at the members is what came in, byte for byte. And both formats against values
// by the thousand.

import { Buffer } from 'node:buffer'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Format, Piece } from '../../packages/centrifuge/src/wire/format.ts'
import { jsonFormat } from '../../packages/centrifuge/src/wire/json.ts'
import { depthOf, jsonOf, memberAt, skipValue } from '../../packages/centrifuge/src/wire/json-text.ts'
import { protobufFormat } from '../../packages/centrifuge/src/wire/protobuf.ts'
import { COMMAND, delimited } from './reference.ts'
import { type FormatName, Stage } from './stage.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

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

describe.each(['json', 'protobuf'] as const)('what was missed, in %s', (format) => {
  const heardOf = (text: string): { offset: number; said: unknown[] } => {
    const { subscribe } = JSON.parse(text)
    const publications = (subscribe.publications ?? []) as { data: unknown; offset: number }[]
    return { offset: subscribe.offset ?? 0, said: publications.map(({ data, offset }) => [offset, data]) }
  }

  test('is the same for all who missed the same, and for nobody else', async () => {
    const stage = new Stage()
    const say = async (room: string, from: number, to: number): Promise<void> => {
      for (let i = from; i <= to; i++) await stage.rooms.publish(room, JSON.stringify([room, i, '\u0000é€😀']))
    }
    const comesBack = async (room: string, offset: number, epoch: string, top: number): Promise<void> => {
      const peer = await stage.client('u', format)
      const position = { recover: true, recoverable: true, epoch, offset }
      await peer.say(JSON.stringify({ id: 2, subscribe: { channel: room, ...position } }))
      const said = Array.from({ length: top - offset }, (_, i) => [
        offset + 1 + i,
        [room, offset + 1 + i, '\u0000é€😀'],
      ])
      expect(heardOf(peer.heard[0]!)).toEqual({ offset, said })
    }
    await say('a', 1, 5)
    await say('b', 1, 5)
    const [a, b] = [(await stage.rooms.history('a')).epoch, (await stage.rooms.history('b')).epoch]
    for (const offset of [2, 2, 0, 5, 2]) await comesBack('a', offset, a, 5)
    for (const [room, epoch] of [
      ['a', a],
      ['b', b],
      ['a', a],
    ] as const)
      await comesBack(room, 2, epoch, 5)
    await say('a', 6, 6)
    for (const offset of [2, 6, 2]) await comesBack('a', offset, a, 6)
    // In rooms that come with the connection, several in one reply.
    const peer = stage.open(format)
    const subs = {
      a: { recover: true, recoverable: true, epoch: a, offset: 5 },
      b: { recover: true, recoverable: true, epoch: b, offset: 3 },
    }
    await peer.say(JSON.stringify({ id: 1, connect: { token: 'u', subs } }))
    const results = JSON.parse(peer.heard[0]!).connect.subs
    expect(heardOf(JSON.stringify({ subscribe: results.a })).said).toEqual([[6, ['a', 6, '\u0000é€😀']]])
    expect(heardOf(JSON.stringify({ subscribe: results.b })).said).toHaveLength(2)
  })
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

test.each<[what: string, format: Format, kind: 'subscribe' | 'history']>([
  ['what was missed, in JSON', jsonFormat, 'subscribe'],
  ['what was missed, in Protobuf', protobufFormat, 'subscribe'],
  ['a history, in JSON', jsonFormat, 'history'],
  ['a history, in Protobuf', protobufFormat, 'history'],
])('nothing of %s stays in memory when nobody has it any more', async (_, format, kind) => {
  const answered = (): WeakRef<readonly Piece[]> => {
    const body = { id: 'x', data: '"x"', epoch: 'e', offset: 1, previous: '' }
    const publications = Array.from({ length: 300 }, () => format.codec.body(body))
    format.joinWith([], { id: 1, [kind]: { publications, epoch: 'e', offset: 300 } })
    return new WeakRef(publications)
  }
  const bodies = answered()
  // What a WeakRef has given out lives until the end of the task.
  await new Promise((resolve) => setImmediate(resolve))
  gc()
  expect(bodies.deref()).toBeUndefined()
})
