// The contract of the Broker port as one suite, for any broker: nothing here assumes when a delivery comes, every wait
// has a deadline. What must not arrive is shown by a fence: a later message that does, after which the other is overdue.

import type { Broker, GapInfo } from '@roomcast/channels'
import { createChannels } from '@roomcast/channels'
import { bin, txt } from '@roomcast/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FakeSocket, messageOf } from './fake-socket.ts'

/** Two brokers on one bus of their own, not started. */
export interface BrokerPair {
  a: Broker
  b: Broker
  /** Ends what the brokers themselves do not. */
  dispose?(): Promise<void>
}

const DEADLINE_MS = 10_000

/** Names that are legal and hostile: to object keys, to patterns of a bus, to its separators, by length. */
export const HOSTILE_NAMES: readonly string[] = [
  '__proto__',
  'constructor',
  'hasOwnProperty',
  ' ',
  '*',
  '?',
  'a*',
  '[a-z]',
  'a',
  'a:b',
  ':',
  '{a}',
  '{}b',
  '}{',
  '\\',
  '\\*',
  '"quoted"',
  '\u2028',
  '\u00a0',
  'e\u0301',
  '\u00e9',
  '\ufeff',
  '🦀'.repeat(50),
  'x'.repeat(200),
]

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${DEADLINE_MS} ms: ${what}`)), DEADLINE_MS)
  })
  try {
    return await Promise.race([promise, deadline])
  } finally {
    clearTimeout(timer)
  }
}

/** A sink that records, and can be awaited. */
class Recorder {
  readonly delivered: { channel: string; message: string | Buffer; bytes: Buffer }[] = []
  readonly gaps: { channel: string; info: GapInfo }[] = []
  #wake: (() => void)[] = []

  deliver(channel: string, frame: Parameters<typeof messageOf>[0]): void {
    this.delivered.push({ channel, message: messageOf(frame), bytes: Buffer.from(frame.bytes) })
    for (const wake of this.#wake.splice(0)) wake()
  }

  gap(channel: string, info: GapInfo): void {
    this.gaps.push({ channel, info })
  }

  messages(channel: string): (string | Buffer)[] {
    return this.delivered.filter((one) => one.channel === channel).map(({ message }) => message)
  }

  async until(what: string, done: () => boolean): Promise<void> {
    while (!done()) await within(new Promise<void>((resolve) => this.#wake.push(resolve)), what)
  }

  arrival(channel: string, message: string): Promise<void> {
    return this.until(`${message} in ${channel}`, () => this.messages(channel).includes(message))
  }
}

/** Resolves when a broker has its bus. The port has no event for that, so this looks every few milliseconds. */
async function connected(broker: Broker): Promise<void> {
  const end = performance.now() + DEADLINE_MS
  while (broker.status !== 'ready') {
    if (performance.now() > end) throw new Error(`still ${broker.status} after ${DEADLINE_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Runs the contract against a broker. @param makePair makes a fresh pair for each test. */
export function describeBroker(name: string, makePair: () => Promise<BrokerPair>): void {
  describe(`broker contract: ${name}`, () => {
    let pair: BrokerPair
    let a: Broker
    let b: Broker

    beforeEach(async () => {
      pair = await makePair()
      a = pair.a
      b = pair.b
    })

    afterEach(async () => {
      await Promise.all([a.close(), b.close()])
      await pair.dispose?.()
    })

    describe('between two sinks', () => {
      let atA: Recorder
      let atB: Recorder

      async function join(broker: Broker, ...channels: string[]): Promise<void> {
        for (const channel of channels) broker.join(channel)
        await within(Promise.all(channels.map((channel) => broker.ready(channel))), `ready: ${channels.length}`)
      }

      beforeEach(async () => {
        atA = new Recorder()
        atB = new Recorder()
        a.start(atA)
        b.start(atB)
        await Promise.all([connected(a), connected(b)])
      })

      afterEach(() => {
        // Nothing was lost, so a gap would be a false alarm.
        expect(atA.gaps).toEqual([])
        expect(atB.gaps).toEqual([])
      })

      test('a second start throws', () => {
        expect(() => a.start(new Recorder())).toThrow(Error)
      })

      test('a message arrives where its channel was joined, and nowhere else', async () => {
        await join(b, 'in')
        a.publish('out', txt('not for b'))
        a.publish('in', txt('for b'))
        await atB.arrival('in', 'for b')
        expect(atB.delivered).toHaveLength(1)
      })

      test('publishing needs no membership', async () => {
        await join(b, 'room')
        expect(a.publish('room', txt('from outside'))).toBe(true)
        await atB.arrival('room', 'from outside')
      })

      test('a publisher never hears itself', async () => {
        await Promise.all([join(a, 'room'), join(b, 'room')])
        a.publish('room', txt('said by a'))
        await atB.arrival('room', 'said by a')
        b.publish('room', txt('fence'))
        await atA.arrival('room', 'fence')
        expect(atA.messages('room')).toEqual(['fence'])
      })

      test('nothing is delivered before publish, join and leave have returned', async () => {
        await Promise.all([join(a, 'room'), join(b, 'room')])
        a.publish('room', txt('one'))
        b.join('other')
        a.publish('other', txt('two'))
        b.leave('other')
        expect([...atA.delivered, ...atB.delivered]).toEqual([])
        await atB.arrival('room', 'one')
      })

      test("each publisher's order is kept, in both directions at once", async () => {
        await Promise.all([join(a, 'room'), join(b, 'room')])
        const expectedAtA: string[] = []
        const expectedAtB: string[] = []
        for (let i = 0; i < 500; i++) {
          a.publish('room', txt(`a${i}`))
          expectedAtB.push(`a${i}`)
          b.publish('room', txt(`b${i}`))
          expectedAtA.push(`b${i}`)
          if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
        }
        await Promise.all([atA.arrival('room', 'b499'), atB.arrival('room', 'a499')])
        expect(atA.messages('room')).toEqual(expectedAtA)
        expect(atB.messages('room')).toEqual(expectedAtB)
      })

      test('frames arrive byte for byte', async () => {
        await join(b, 'room')
        const everyByte = Uint8Array.from({ length: 256 }, (_, i) => i)
        const frames = [
          ...[0, 1, 125, 126, 127, 256, 65_535, 65_536, 300_000].map((length) => {
            return bin(Uint8Array.from({ length }, (_, i) => (i * 31) & 0xff))
          }),
          bin(everyByte),
          txt(''),
          txt('plain'),
          txt('\u0000 é € 🦀 \u2028'),
          txt('end'),
        ]
        for (const framed of frames) a.publish('room', framed)
        await atB.arrival('room', 'end')
        expect(atB.delivered).toHaveLength(frames.length)
        frames.forEach((framed, i) => {
          expect(atB.delivered[i]!.bytes.equals(framed.bytes)).toBe(true)
        })
      })

      test('after ready nothing is missed', async () => {
        for (let i = 0; i < 30; i++) {
          await join(b, `room ${i}`)
          a.publish(`room ${i}`, txt('first'))
        }
        for (let i = 0; i < 30; i++) await atB.arrival(`room ${i}`, 'first')
        expect(atB.delivered).toHaveLength(30)
      })

      test('ready resolves for a channel that is not joined, or is left meanwhile', async () => {
        await within(b.ready('never joined'), 'ready of a channel never joined')
        b.join('room')
        const ready = b.ready('room')
        b.leave('room')
        await within(ready, 'ready of a channel that was left')
      })

      test('after leave nothing is delivered', async () => {
        await join(b, 'left', 'kept')
        a.publish('left', txt('before'))
        await atB.arrival('left', 'before')
        b.leave('left')
        a.publish('left', txt('after'))
        a.publish('kept', txt('fence'))
        await atB.arrival('kept', 'fence')
        expect(atB.messages('left')).toEqual(['before'])
      })

      test('join, leave, join: in, and each message once', async () => {
        for (let i = 0; i < 30; i++) {
          b.join('room')
          if (i % 3 === 0) await within(b.ready('room'), 'ready between')
          b.leave('room')
        }
        await join(b, 'room')
        a.publish('room', txt('once'))
        a.publish('room', txt('fence'))
        await atB.arrival('room', 'fence')
        expect(atB.messages('room')).toEqual(['once', 'fence'])
      })

      test('hostile channel names stay apart', async () => {
        await join(b, ...HOSTILE_NAMES)
        for (const channel of HOSTILE_NAMES) a.publish(channel, txt(`for ${channel}`))
        for (const channel of HOSTILE_NAMES) await atB.arrival(channel, `for ${channel}`)
        for (const channel of HOSTILE_NAMES) expect(atB.messages(channel)).toEqual([`for ${channel}`])
        expect(atB.delivered).toHaveLength(HOSTILE_NAMES.length)
      })

      test('a name of a pattern matches itself only', async () => {
        await join(b, '*', 'lobb?', '[l]obby')
        a.publish('lobby', txt('for nobody'))
        a.publish('*', txt('fence'))
        await atB.arrival('*', 'fence')
        expect(atB.delivered).toHaveLength(1)
      })

      test('close: status, silence, and the same again', async () => {
        await Promise.all([join(a, 'room'), join(b, 'room')])
        await within(Promise.all([b.close(), b.close()]), 'close, twice')
        await within(b.close(), 'close, a third time')
        expect(b.status).toBe('closed')
        expect(a.status).toBe('ready')
        a.publish('room', txt('to nobody'))
        // A round trip of the bus, before anything else could take b out of the channel.
        await join(a, 'fence')
        expect(atB.delivered).toEqual([])
        for (const channel of ['room', 'other', '']) {
          expect(b.publish(channel, txt('from nobody'))).toBe(false)
          b.join(channel)
          b.leave(channel)
          await within(b.ready(channel), 'ready after close')
        }
        expect(b.status).toBe('closed')
        expect([...atA.delivered, ...atB.delivered]).toEqual([])
      })

      test('ready does not outlive close', async () => {
        b.join('room')
        const ready = b.ready('room')
        await within(b.close(), 'close')
        await within(ready, 'ready that was waiting')
      })
    })

    describe('under channels', () => {
      test('before it has its bus, and when it is closed, local rooms work', async () => {
        const channels = createChannels({ broker: a })
        const [one, two] = [new FakeSocket(), new FakeSocket()]
        channels.join('room', one)
        channels.join('room', two)
        expect(channels.broadcast('room', 'hello')).toBe(2)
        await within(a.close(), 'close')
        expect(channels.broadcast('room', 'still here')).toBe(2)
        expect(one.messages).toEqual(['hello', 'still here'])
        expect(channels.leaveAll(one)).toBe(1)
      })

      test('a broadcast reaches the members of both nodes, each once', async () => {
        const [atA, atB] = [createChannels({ broker: a }), createChannels({ broker: b })]
        const [one, two] = [new FakeSocket(), new FakeSocket()]
        atA.join('room', one)
        atB.join('room', two)
        await within(Promise.all([atA.ready('room'), atB.ready('room'), connected(a), connected(b)]), 'ready')
        atA.broadcast('room', 'from a')
        await arrived(two, 'from a')
        atB.broadcast('room', 'from b')
        await arrived(one, 'from b')
        expect(one.messages).toEqual(['from a', 'from b'])
        expect(two.messages).toEqual(['from a', 'from b'])
      })

      test('what is local never leaves the node', async () => {
        const [atA, atB] = [createChannels({ broker: a }), createChannels({ broker: b })]
        const [one, two] = [new FakeSocket(), new FakeSocket()]
        atA.join('room', one)
        atB.join('room', two)
        await within(Promise.all([atA.ready('room'), atB.ready('room'), connected(a), connected(b)]), 'ready')
        atA.broadcast('room', 'local', { scope: 'local' })
        atA.broadcast('room', 'everywhere')
        await arrived(two, 'everywhere')
        expect(one.messages).toEqual(['local', 'everywhere'])
        expect(two.messages).toEqual(['everywhere'])
      })

      test('a channel is wanted from its first member to its last', async () => {
        const [atA, atB] = [createChannels({ broker: a }), createChannels({ broker: b })]
        const [one, two] = [new FakeSocket(), new FakeSocket()]
        atB.join('room', one)
        atB.join('room', two)
        await within(Promise.all([atB.ready('room'), connected(a), connected(b)]), 'ready')
        atB.leave('room', one)
        atA.broadcast('room', 'one is left')
        await arrived(two, 'one is left')
        two.close()
        atB.join('room', one)
        await within(atB.ready('room'), 'ready again')
        atA.broadcast('room', 'back')
        await arrived(one, 'back')
        expect(one.messages).toEqual(['back'])
        expect(two.messages).toEqual(['one is left'])
      })
    })
  })
}

/** Waits until a fake socket was given a message. It has no event for that, so this looks every few milliseconds. */
async function arrived(socket: FakeSocket, message: string): Promise<void> {
  const end = performance.now() + DEADLINE_MS
  while (!socket.messages.includes(message)) {
    if (performance.now() > end) throw new Error(`not within ${DEADLINE_MS} ms: ${message}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
