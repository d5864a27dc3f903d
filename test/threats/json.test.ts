// C3, C4, C7: the JSON protocol of the program: keys of objects, shapes of messages, metadata.

import { expect } from 'vitest'
import type { RawClient } from '../support/raw-client.ts'
import type { Setup } from './support/processes.ts'
import { random } from './support/random.ts'
import { type Attack, each, rows, type Threat, tally, until } from './support/threat.ts'

/** The program's own server beside, whose JSON protocol is attacked. */
const withRoomcast: Setup<object> = async ({ roomcast, notes }) => {
  const app = (await roomcast()).createRoomcast({ port: 0, host: '127.0.0.1' })
  notes.app = app
  notes.port = (await app.listen()).port
  return {}
}

async function roomcastClient(t: Attack): Promise<RawClient> {
  const client = await t.tcp(await t.victim.run(({ notes }) => notes.port as number))
  const { status } = await client.upgrade()
  expect(status).toBe(101)
  return client
}

function closeRoomcast(t: Attack): Promise<void> {
  t.hangUp()
  return t.victim.run(({ notes }) => (notes.app as { close(): Promise<void> }).close())
}

const c3: Threat = {
  id: 'C3',
  light: true,
  sent: '`__proto__`, `constructor`, `prototype` as channel, key of metadata, header, query and value',
  setup: async ({ roomcast, notes }) => {
    const app = (await roomcast()).createRoomcast({ port: 0, host: '127.0.0.1' })
    notes.app = app
    notes.port = (await app.listen()).port
    const shape = (): string =>
      JSON.stringify(
        [Object.prototype, Array.prototype, Function.prototype].map((one) => Reflect.ownKeys(one).map(String)),
      )
    notes.shape = shape
    notes.before = shape()
    Object.freeze(Object.prototype)
    notes.seen = []
    return {
      handler: {
        handshake({ headers, query }) {
          ;(notes.seen as unknown[]).push([
            Object.keys(headers).includes('__proto__'),
            query.get('__proto__'),
            headers.polluted,
          ])
          return {}
        },
      },
    }
  },
  async attack(t) {
    const client = await roomcastClient(t)
    const keys = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'polluted']
    const texts = keys.flatMap((key) => {
      const name = JSON.stringify(key)
      const value = `{${name}:{"polluted":1},"constructor":{"prototype":{"polluted":1}}}`
      return [
        `{"join":${name},"meta":${value},"ref":${name}}`,
        `{"say":${value},"to":${name},"ref":${name}}`,
        `{"leave":${name},"ref":${name}}`,
        `{${name}:${value}}`,
        `{"__proto__":{"join":${name}}}`,
      ]
    })
    client.say(...texts)
    client.say('{"leave":"fence"}')
    await client.frames.find(({ payload }) => `${payload}`.includes('fence'))
    const answers = client.frames.all.map(({ payload }) => JSON.parse(`${payload}`))
    expect(answers.filter((answer) => Object.hasOwn(answer, 'joined'))).toHaveLength(keys.length)
    expect(answers.filter((answer) => Object.hasOwn(answer, 'ok'))).toHaveLength(keys.length)
    expect(answers.filter((answer) => Object.hasOwn(answer, 'said'))).toHaveLength(keys.length)
    expect(answers.filter(({ error }) => error === 'bad_request')).toHaveLength(2 * keys.length)

    await t.connect({ url: '/?__proto__=1&constructor=2', extra: ['__proto__: polluted', 'constructor: polluted'] })
    const { same, polluted, seen } = await t.victim.run(({ notes }) => ({
      same: (notes.shape as () => string)() === notes.before,
      polluted: ['polluted', 'said', 'join', 'meta'].filter((key) => key in {}),
      seen: notes.seen as unknown[],
    }))
    expect([same, polluted]).toEqual([true, []])
    expect(seen).toEqual([[true, '1', null]])
    await closeRoomcast(t)
    return `${tally(answers.map((answer) => Object.keys(answer)[0]!))}; Object.prototype, frozen, is as it was`
  },
}

/** Messages that are nearly right. */
function mutants(count: number): string[] {
  const { int, pick } = random(22)
  const values = [
    '1',
    '-0',
    '1e999',
    'null',
    'true',
    '""',
    '"error"',
    '[]',
    '{}',
    '["lobby"]',
    '{"toString":1}',
    '"\\ud800"',
    '"lobby"',
  ]
  const keys = ['join', 'leave', 'say', 'to', 'ref', 'meta', 'error', 'said', 'joined', '__proto__', 'length']
  const deep = (depth: number, open: string, close: string): string => open.repeat(depth) + close.repeat(depth)
  const nested = [
    deep(31, '[', ']'),
    deep(33, '[', ']'),
    deep(20_000, '[', ']'),
    `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`,
  ]
  const value = (): string => (int(12) === 0 ? pick(nested) : pick(values))
  return Array.from({ length: count }, () => {
    const fields = Array.from({ length: int(5) }, () => `"${pick(keys)}":${value()}`)
    const text = int(8) === 0 ? value() : `{${fields.join()}}`
    // Sometimes no JSON any more.
    return int(6) === 0 ? text.slice(0, int(text.length)) + pick(['', '}', ',', '\0', '\u{1f600}']) : text
  })
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

const c4: Threat = {
  id: 'C4',
  sent: 'mutated messages to the JSON protocol: wrong types, deep nesting, events called `error`, no JSON',
  setup: withRoomcast,
  async attack(t) {
    const all = mutants(t.count(3000, 100_000))
    const answers: string[] = []
    const json = all.filter(isJson)
    const batches = Array.from({ length: Math.ceil(json.length / 100) }, (_, i) => json.slice(i * 100, (i + 1) * 100))
    await each(batches, 4, async (batch) => {
      const client = await roomcastClient(t)
      client.say(...batch, '{"leave":"fence","ref":"the last"}')
      const isFence = ({ payload }: { payload: Buffer }): boolean =>
        `${payload}` === '{"left":"fence","ref":"the last"}'
      await until(() => client.frames.all.some(isFence), 'the last answer', 20_000)
      const kinds = client.frames.all.map(({ payload }) => {
        const answer = JSON.parse(`${payload}`)
        return 'error' in answer ? `${answer.error}` : Object.keys(answer)[0]!
      })
      // What was said to a room is no answer; each message has exactly one.
      expect(kinds.filter((kind) => kind !== 'said')).toHaveLength(batch.length + 1)
      answers.push(...kinds)
      client.reset()
    })
    const others = all.filter((text) => !isJson(text)).slice(0, t.count(150, 5000))
    const codes = await each(others, 4, async (text) => {
      const client = await roomcastClient(t)
      client.say(text)
      const { code } = await client.close()
      client.reset()
      return code
    })
    expect(new Set(codes)).toEqual(new Set([3000]))
    await closeRoomcast(t)
    return `${tally(answers)}; no JSON: ${codes.length} × 3000`
  },
}

const c7: Threat = {
  id: 'C7',
  light: true,
  sent: 'metadata of 2,048 and 2,049 bytes, names of 200 and 201, a room of a thousand',
  setup: withRoomcast,
  async attack(t) {
    const client = await roomcastClient(t)
    const meta = (bytes: number): string => `{"a":"${'x'.repeat(bytes - 8)}"}`
    const wide = `{"a":"${'é'.repeat((2048 - 8) / 2)}"}`
    const cases: [string, string][] = [
      [`{"join":"a","meta":${meta(2048)}}`, '{"joined":"a"}'],
      [`{"join":"b","meta":${meta(2049)}}`, '{"error":"bad_request"}'],
      [`{"join":"c","meta":${meta(100_000)}}`, '{"error":"bad_request"}'],
      [`{"join":"d","meta":${wide}}`, '{"joined":"d"}'],
      [`{"join":"e","meta":${wide.replace('é', 'éé')}}`, '{"error":"bad_request"}'],
      [`{"join":"f","meta":[]}`, '{"error":"bad_request"}'],
      [`{"join":"${'n'.repeat(201)}"}`, '{"error":"bad_name"}'],
      [`{"join":"${'n'.repeat(200)}"}`, `{"joined":"${'n'.repeat(200)}"}`],
      ...Array.from({ length: 126 }, (_, i): [string, string] =>
        i < 125 ? [`{"join":"${i}"}`, `{"joined":"${i}"}`] : [`{"join":"${i}"}`, '{"error":"full"}'],
      ),
    ]
    client.say(...cases.map(([sent]) => sent))
    await client.frames.count(cases.length)
    expect(client.frames.all.map(({ payload }) => `${payload}`)).toEqual(cases.map(([, answer]) => answer))

    const members = t.count(100, 1000)
    await each(Array.from({ length: members }), 20, async (_, i = 0) => {
      const member = await roomcastClient(t)
      member.say(`{"join":"crowd","meta":${meta(2048)},"ref":${i}}`)
      await member.frame()
    })
    const count = await t.victim.run(({ notes }) => {
      const { rooms } = notes.app as import('roomcast').Roomcast
      return rooms.memberCount('crowd')
    })
    expect(count).toBe(members)
    await closeRoomcast(t)
    return `meta of 2,048 bytes taken, 2,049 bad_request; 200 joined, 201 bad_name; the 129th full; ${members} members with such a meta`
  },
}

rows('threats to the JSON protocol', [c3, c4, c7])
