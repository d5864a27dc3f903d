// What becomes of each message of a node or a publisher: it arrives, or it alone is lost, counted and told.

import { txt } from '@roomcast/core'
import { beforeEach, describe, expect, test } from 'vitest'
import { BusNode } from '../../packages/redis-bridge/src/bus/bus-node.ts'
import { decode, Kind } from '../../packages/redis-bridge/src/bus/envelope.ts'
import { Sender } from '../../packages/redis-bridge/src/bus/sender.ts'
import { messageOf } from '../support/fake-socket.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { RedisModel } from './sim/redis-model.ts'

const idOf = (number: number): Uint8Array => Buffer.from([0, 0, 0, 0, 0, 0, 0, number])

let clock: VirtualClock
let redis: RedisModel
/** What was written, in order. */
let written: { kind: number; channel: string; number: number; frames: number }[]

beforeEach(() => {
  clock = new VirtualClock(1)
  redis = new RedisModel(clock)
  written = []
})

function write(route: string, bytes: Buffer): void {
  const { kind, number, frames } = decode(bytes)!
  written.push({ kind, channel: route.slice(2), number, frames: frames.length })
}

/** The numbers of the messages that were written to a channel. */
const messagesTo = (channel: string): number[] =>
  written.filter((one) => one.kind === Kind.MESSAGES && one.channel === channel).map(({ number }) => number)

/** A node with members in some channels, and what they got. */
function listen(...channels: string[]) {
  const got: string[] = []
  const gaps: unknown[] = []
  const node = new BusNode({
    ...{ clock, lingerMs: 5000, newId: () => idOf(9), onLost: () => {} },
    transport: redis.transport('listener'),
  })
  node.start({
    deliver: (channel, frame) => got.push(`${channel} ${messageOf(frame)}`.slice(0, 20)),
    gap: (channel, info) => gaps.push({ channel, ...info }),
  })
  for (const channel of channels) node.join(channel)
  clock.advance(1000)
  expect(node.status).toBe('ready')
  return { got, gaps, node }
}

/** Who publishes: a node, or a publisher. Both have the same queue. */
interface Speaker {
  /** Resolves to `'there'` or the reason, where who publishes hears it. */
  say(channel: string, text: string): Promise<string>
  readonly dropped: number
  status(): string
}

function speaker(kind: 'node' | 'publisher', options: { maxQueuedBytes?: number } = {}, heard?: string[]): Speaker {
  const transport = redis.transport('speaker', undefined, write)
  const common = { clock, newId: () => idOf(1), onLost: () => {}, transport, ...options }
  if (kind === 'node') {
    const node = new BusNode({ ...common, lingerMs: 5000 })
    node.start({
      deliver: (_channel, frame) => heard?.push(String(messageOf(frame))),
      gap: () => heard?.push('a gap'),
    })
    if (heard !== undefined) node.join('talk')
    return {
      say: async (channel, text) => (node.publish(channel, txt(text)) ? 'taken' : 'dropped'),
      get dropped() {
        return node.stats.dropped
      },
      status: () => node.status,
    }
  }
  const sender = new Sender(common)
  sender.open()
  return {
    say: (channel, text) =>
      new Promise((resolve) => {
        const taken = sender.publish(channel, txt(text).bytes, (error) => resolve(error?.message ?? 'there'))
        if (!taken) resolve('dropped')
      }),
    get dropped() {
      return sender.dropped
    },
    status: () => (sender.isEstablished ? 'ready' : 'degraded'),
  }
}

const POISON = 'x'.repeat(500)

describe.each(['node', 'publisher'] as const)('a %s', (kind) => {
  test('a channel that may not be published to costs its own messages, and nothing else', async () => {
    const { got, gaps } = listen('a', 'c')
    redis.refuses = (route) => (route === 'p:b' ? { refused: new Error('NOPERM no'), divisible: false } : undefined)
    const one = speaker(kind)
    clock.advance(1000)
    const fates = ['a 1', 'b no', 'a 2', 'b no', 'c 3'].map((said) => one.say(said[0]!, said.slice(2)))
    clock.advance(10_000)
    expect(got.sort()).toEqual(['a 1', 'a 2', 'c 3'])
    expect(gaps).toEqual([])
    if (kind === 'publisher') {
      // Two of one turn are one command.
      expect(await Promise.all(fates)).toEqual(['there', 'NOPERM no', 'there', 'NOPERM no', 'there'])
    }
    expect(messagesTo('a')).toEqual([1])
    expect(messagesTo('b')).toEqual([1])
    expect(one.dropped).toBe(2)
  })

  test.each(['answers', 'ends the connection'])(
    'a message that is too large for Redis, which %s, is lost alone',
    (how) => {
      const { got, gaps } = listen('a', 'b')
      redis.refuses = (_route, bytes) => {
        if (!bytes.includes(POISON)) return undefined
        return how === 'answers' ? { refused: new Error('ERR invalid bulk length'), divisible: true } : 'close'
      }
      const one = speaker(kind)
      clock.advance(1000)
      void one.say('a', '1')
      clock.advance(1000)
      // In the midst of a turn, and of an envelope.
      for (const text of ['2', POISON, '4']) void one.say('a', text)
      for (let i = 1; i <= 20; i++) void one.say('b', String(i))
      clock.advance(20_000)
      expect(got.filter((text) => text.startsWith('a'))).toEqual(['a 1', 'a 2', 'a 4'])
      expect(got.filter((text) => text.startsWith('b'))).toHaveLength(20)
      expect(gaps).toEqual([{ channel: 'a', node: '0000000000000001', missed: 1 }])
      expect(one.dropped).toBe(1)
      expect(one.status()).toBe('ready')
      // What was behind it is written once more, if at all, not as often as the connection ended.
      expect(messagesTo('b').length).toBeLessThanOrEqual(2)
    },
  )

  test.each(['alone', 'in an envelope of several', 'twice in a row'])(
    'what it costs the connection to publish on, %s, takes nothing else along',
    (how) => {
      const { got, gaps, node: other } = listen('a', 'b')
      redis.refuses = (_route, bytes) => (bytes.includes(POISON) ? 'close' : undefined)
      const heard: string[] = []
      const one = speaker(kind, {}, heard)
      clock.advance(1000)
      void one.say('a', '0')
      clock.advance(10_000)
      const link = redis.links.get('speaker')
      const texts = {
        alone: [POISON],
        'in an envelope of several': ['1', POISON, '3'],
        'twice in a row': [POISON, POISON],
      }
      let said = 0
      for (let i = 0; i < 400; i++) {
        if (i === 100) for (const text of texts[how as keyof typeof texts]) void one.say('a', text)
        other.publish('talk', txt(String(i)))
        void one.say('b', String(said++))
        clock.advance(2)
      }
      clock.advance(20_000)
      const poisons = how === 'twice in a row' ? 2 : 1
      expect(got.filter((text) => text.startsWith('b'))).toHaveLength(said)
      expect(gaps).toEqual([{ channel: 'a', node: '0000000000000001', missed: poisons }])
      expect(one.dropped).toBe(poisons)
      if (kind === 'node') expect(heard).toEqual(Array.from({ length: 400 }, (_, i) => String(i)))
      // It was subscribed all the time.
      if (kind === 'node') expect(redis.links.get('speaker') === link).toBe(true)
      expect(one.status()).toBe('ready')
    },
  )

  test('asks and marks that went with a connection to publish on are sent again', () => {
    const { got, gaps } = listen('a')
    const one = speaker(kind)
    clock.advance(1000)
    void one.say('a', '1')
    clock.advance(900)
    // The last message is lost on its way to the listener, so all depends on the mark.
    redis.links.get('listener')!.receive = () => {}
    void one.say('a', '2')
    clock.advance(500)
    delete (redis.links.get('listener') as { receive?: unknown }).receive
    let ends = 0
    redis.refuses = (_route, bytes) => (bytes[3] === Kind.TAIL_MARK && ends++ < 2 ? 'close' : undefined)
    clock.advance(2000)
    expect(ends).toBeGreaterThan(2)
    expect(got).toEqual(['a 1'])
    expect(gaps).toEqual([{ channel: 'a', node: '0000000000000001', missed: 1 }])
  })

  test('nothing that waited for over a minute is written: it is lost, counted and told', async () => {
    const { got, gaps } = listen('a')
    const one = speaker(kind)
    clock.advance(1000)
    void one.say('a', '1')
    clock.advance(1000)
    redis.bannedUntil.set('speaker', Number.POSITIVE_INFINITY)
    redis.links.get('speaker')!.cut()
    clock.advance(100)
    const late = one.say('a', 'lunch?')
    clock.advance(30_000)
    void one.say('a', 'tea?')
    clock.advance(31_000)
    if (kind === 'publisher') expect(await late).toBe('the message waited too long')
    expect(one.dropped).toBe(1)
    redis.bannedUntil.clear()
    clock.advance(20_000)
    expect(got).toEqual(['a 1', 'a tea?'])
    expect(gaps).toEqual([{ channel: 'a', node: '0000000000000001', missed: 1 }])
    // All of it too old, and nothing after it: that is told too, whenever the bus is back.
    redis.bannedUntil.set('speaker', Number.POSITIVE_INFINITY)
    redis.links.get('speaker')!.cut()
    clock.advance(100)
    void one.say('a', 'never mind')
    clock.advance(5 * 3_600_000)
    redis.bannedUntil.clear()
    clock.advance(20_000)
    expect(messagesTo('a')).toEqual([1, 3])
    expect(gaps).toHaveLength(2)
    expect(one.dropped).toBe(2)
  })

  test('a loop over 30,000 rooms drops nothing, and what the queue cannot take is said', async () => {
    const one = speaker(kind)
    clock.advance(1000)
    const fates = Array.from({ length: 30_000 }, (_, i) => one.say(`room ${i}`, 'maintenance in 5 minutes'))
    clock.advance(5000)
    expect(one.dropped).toBe(0)
    expect(new Set(await Promise.all(fates))).toEqual(new Set([kind === 'node' ? 'taken' : 'there']))
  })

  test('what waits is bounded in bytes', async () => {
    const one = speaker(kind, { maxQueuedBytes: 100_000 })
    const fates = Array.from({ length: 20 }, () => one.say('a', 'x'.repeat(10_000)))
    expect(one.dropped).toBeGreaterThan(10)
    expect(await fates.at(-1)).toBe('dropped')
    // Small ones cost what they take, too.
    const many = Array.from({ length: 1000 }, (_, i) => one.say(`room ${i}`, ''))
    expect(await many.at(-1)).toBe('dropped')
  })

  test('64 MiB wait by default', () => {
    const one = speaker(kind)
    for (let i = 0; i < 80; i++) void one.say('a', 'x'.repeat(1 << 20))
    expect(one.dropped).toBe(17)
  })

  test('what is on its way is bounded: a flood is paced', () => {
    const one = speaker(kind)
    clock.advance(1000)
    for (let i = 0; i < 30; i++) void one.say('a', 'x'.repeat(1 << 20))
    clock.advance(50)
    expect(messagesTo('a').length).toBeLessThan(10)
    clock.advance(3000)
    expect(messagesTo('a')).toHaveLength(30)
  })

  test('a message that waits is written before the mark that tells of it', () => {
    const { got, gaps } = listen('a')
    const one = speaker(kind)
    clock.advance(1000)
    void one.say('a', '1')
    clock.advance(800)
    // Nothing is answered for a while, and as much is on its way as may be, when the mark is due.
    redis.links.get('speaker')!.stall(clock.now() + 1500)
    for (let i = 0; i < 10; i++) void one.say('b', 'x'.repeat(1 << 20))
    clock.advance(1000)
    void one.say('a', '2')
    clock.advance(10_000)
    expect(got).toEqual(['a 1', 'a 2'])
    expect(gaps).toEqual([])
    const told = written.filter(({ channel }) => channel === 'a').map(({ kind: what, number }) => [what, number])
    expect(told.slice(0, 3)).toEqual([
      [Kind.MESSAGES, 1],
      [Kind.MESSAGES, 2],
      [Kind.TAIL_MARK, 2],
    ])
  })

  test('marks: at most two for a burst, one where it reached the same subscribers', () => {
    listen('a')
    const one = speaker(kind)
    clock.advance(1000)
    for (const channel of ['a', 'nobody']) void one.say(channel, 'hello')
    clock.advance(200_000)
    const marks = (channel: string): number =>
      written.filter((entry) => entry.kind === Kind.TAIL_MARK && entry.channel === channel).length
    // A publisher hears nobody ask: its second mark comes when nobody can be deaf any more without having said so.
    expect([marks('a'), marks('nobody')]).toEqual(kind === 'node' ? [1, 1] : [2, 2])
  })
})
