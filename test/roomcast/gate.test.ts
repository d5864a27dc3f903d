// When something may be said in a channel: members that take what they are sent at some speed, speakers that never stop,
// and a clock of the test.

import type { Socket } from '@roomcast/core'
import { type BusRecord, createMemoryDatabase } from '@roomcast/rooms'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Paced, type Perform, paced } from '../../packages/roomcast/src/commands.ts'
import { Gate, type GateOptions } from '../../packages/roomcast/src/gate.ts'
import { gatedStore } from '../../packages/roomcast/src/gated-store.ts'
import { Pace } from '../../packages/roomcast/src/pace.ts'

const CAP = 1_048_576
/** Bytes per ms of a line of 50 Mbit/s. */
const LINE = 6250
const FREE = { perSecond: 1e12, burst: 1e12 }

/** A socket that takes so many bytes per ms. */
class Member {
  bufferedBytes = 0
  most = 0
  received: string[] = []
  perMs: number
  #closing: (() => void)[] = []

  constructor(perMs: number) {
    this.perMs = perMs
  }

  write(text: string, bytes: number): void {
    this.received.push(text)
    this.bufferedBytes += bytes
    this.most = Math.max(this.most, this.bufferedBytes)
  }

  onClosing(listener: () => void): () => void {
    this.#closing.push(listener)
    return () => {
      this.#closing = this.#closing.filter((one) => one !== listener)
    }
  }

  close(): void {
    for (const listener of this.#closing) listener()
  }

  get listeners(): number {
    return this.#closing.length
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

class Room {
  readonly members = new Map<string, Member[]>()
  readonly gate: Gate

  constructor(options: Partial<GateOptions> = {}) {
    const of = (channel: string): Member[] => this.members.get(channel) ?? []
    this.gate = new Gate({
      members: {
        find: (channel, test) => (of(channel) as unknown as Socket[]).find(test),
        has: (channel, socket) => of(channel).includes(socket as unknown as Member),
      },
      maxBufferedBytes: CAP,
      memberPatienceMs: 2000,
      maxWaitingBytes: 2 ** 30,
      rate: FREE,
      ...options,
    })
  }

  join(channel: string, perMs: number): Member {
    const member = new Member(perMs)
    this.members.set(channel, [...(this.members.get(channel) ?? []), member])
    return member
  }

  /** Says it, or waits; resolves with whether it was said. */
  async say(channel: string, bytes: number, speaker?: Member, text = ''): Promise<boolean> {
    const speak = (): void => {
      for (const member of this.members.get(channel) ?? []) member.write(text, bytes)
    }
    const said = await this.gate.say(channel, bytes, speak, speaker as Socket | undefined)
    if (said === 'busy') throw new Error(said)
    return said ?? true
  }

  /** Lets time pass: members take bytes, timers fire, promises go on. */
  async pass(ms: number): Promise<void> {
    for (let i = 0; i < ms; i++) {
      for (const member of [...this.members.values()].flat()) {
        member.bufferedBytes = Math.max(0, member.bufferedBytes - member.perMs)
      }
      await vi.advanceTimersByTimeAsync(1)
    }
  }
}

describe('who talks faster than others read', () => {
  test('waits: nobody has more than half of what is allowed', async () => {
    const room = new Room()
    const members = [1, 2, 3].map(() => room.join('a', LINE))
    const says = Array.from({ length: 100 }, (_, i) => room.say('a', 65_000, undefined, `${i}`))
    expect(members[0]!.received).toHaveLength(8)
    await room.pass(1200)
    expect(await Promise.all(says)).toEqual(Array(100).fill(true))
    for (const { most, received } of members) {
      expect(most).toBeLessThanOrEqual(CAP / 2)
      expect(received).toEqual(Array.from({ length: 100 }, (_, i) => `${i}`))
    }
  })

  test('in another channel of the same member, too', async () => {
    const room = new Room()
    const member = room.join('a', LINE)
    room.members.set('b', [member])
    const says = Array.from({ length: 100 }, (_, i) => room.say(i % 2 === 0 ? 'a' : 'b', 65_000))
    await room.pass(1200)
    expect(await Promise.all(says)).toEqual(Array(100).fill(true))
    expect(member.most).toBeLessThanOrEqual(CAP / 2)
  })

  test('and others in the same channel stand in line behind, in order; those of another channel do not', async () => {
    const room = new Room()
    const member = room.join('a', LINE)
    const other = room.join('b', LINE)
    for (let i = 0; i < 20; i++) void room.say('a', 65_000, undefined, `${i}`)
    void room.say('a', 10, undefined, 'small')
    void room.say('b', 10, undefined, 'elsewhere')
    expect(other.received).toEqual(['elsewhere'])
    await room.pass(300)
    expect(member.received).toEqual([...Array.from({ length: 20 }, (_, i) => `${i}`), 'small'])
  })

  test('a message over half of what is allowed goes to who has taken everything', async () => {
    const room = new Room()
    room.join('a', LINE)
    const says = [1, 2].map(() => room.say('a', CAP))
    await room.pass(200)
    expect(await Promise.all(says)).toEqual([true, true])
  })

  test('in any channel, of lines of one Mbit/s and more, with any speakers: nobody is ever close to the limit', async () => {
    const say = fc.record({ bytes: fc.integer({ min: 1, max: 65_900 }), afterMs: fc.integer({ min: 0, max: 20 }) })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 140, max: 100_000 }), { minLength: 1, maxLength: 4 }),
        fc.array(say, { minLength: 1, maxLength: 60 }),
        async (lines, says) => {
          const room = new Room()
          const members = lines.map((perMs) => room.join('a', perMs))
          const done: Promise<boolean>[] = []
          for (const [i, { bytes, afterMs }] of says.entries()) {
            done.push(room.say('a', bytes, undefined, `${i}`))
            await room.pass(afterMs)
          }
          const total = says.reduce((sum, { bytes }) => sum + bytes, 0)
          await room.pass(Math.ceil(total / Math.min(...lines)) + 5 * says.length)
          expect(await Promise.all(done)).toEqual(says.map(() => true))
          for (const { most, received } of members) {
            expect(most).toBeLessThanOrEqual(CAP / 2)
            expect(received).toEqual(says.map((_, i) => `${i}`))
          }
          room.gate.close()
        },
      ),
      { numRuns: 15 },
    )
  }, 60_000)
})

describe('members that take hardly anything', () => {
  test.each([
    ['nothing', 0],
    ['a tenth of a Mbit/s', 12],
  ])('%s: the channel waits once, for two seconds, and then goes at the speed of the others', async (_, perMs) => {
    const room = new Room()
    const member = room.join('a', LINE)
    const dead = room.join('a', perMs)
    const says = Array.from({ length: 300 }, () => room.say('a', 65_000))
    await room.pass(1900)
    expect(member.received.length).toBeLessThan(10)
    await room.pass(200 + (300 * 65_000) / LINE)
    expect(await Promise.all(says)).toEqual(Array(300).fill(true))
    expect(member.most).toBeLessThanOrEqual(CAP / 2)
    // What becomes of it is for core's limit.
    expect(dead.most).toBeGreaterThan(CAP)
  })

  test('many of them at once cost no more than one', async () => {
    const room = new Room()
    const member = room.join('a', LINE)
    for (let i = 0; i < 50; i++) room.join('a', 0)
    for (let i = 0; i < 20; i++) void room.say('a', 65_000)
    await room.pass(2300)
    expect(member.received).toHaveLength(20)
  })

  test('after half a minute it is waited for again', async () => {
    const room = new Room()
    const late = room.join('a', 0)
    for (let i = 0; i < 9; i++) void room.say('a', 65_000)
    await room.pass(2100)
    expect(late.received).toHaveLength(9)
    late.perMs = LINE
    await room.pass(30_000)
    for (let i = 0; i < 100; i++) void room.say('a', 65_000)
    await room.pass(1200)
    expect([late.received.length, late.most <= 9 * 65_000]).toEqual([109, true])
  })

  test('a stall of our own blames nobody', async () => {
    const room = new Room()
    const member = room.join('a', 0)
    for (let i = 0; i < 9; i++) void room.say('a', 65_000)
    await room.pass(10)
    // The process could neither write nor look.
    const now = performance.now()
    const clock = vi.spyOn(performance, 'now').mockReturnValue(now + 60_000)
    await vi.advanceTimersByTimeAsync(5)
    clock.mockRestore()
    member.perMs = LINE
    expect(member.received).toHaveLength(8)
    await room.pass(100)
    expect(member.received).toHaveLength(9)
  })
})

describe('what other servers said', () => {
  const pass = (room: Room, bytes: number, text: string): void =>
    room.gate.pass('a', bytes, () => {
      for (const member of room.members.get('a') ?? []) member.write(text, bytes)
    })
  const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`)

  test('waits for the members, in order, before what is said here, and at no rate', async () => {
    const room = new Room({ rate: { perSecond: 1_000_000, burst: 500_000 } })
    const member = room.join('a', LINE)
    for (const name of names(20)) pass(room, 65_000, name)
    void room.say('a', 10, undefined, 'here')
    expect(member.received).toEqual(names(8))
    await room.pass(150)
    expect(member.received).toEqual([...names(20), 'here'])
    expect(member.most).toBeLessThanOrEqual(CAP / 2)
  })

  test('does not wait for what is said here and owes', async () => {
    const room = new Room({ rate: { perSecond: 1, burst: 10 } })
    const member = room.join('a', LINE)
    for (const name of names(3)) void room.say('a', 10, undefined, name)
    pass(room, 10, 'there')
    expect(member.received).toEqual(['0', 'there'])
  })

  test('members that take nothing hold it up for two seconds', async () => {
    const room = new Room()
    const member = room.join('a', LINE)
    room.join('a', 0)
    for (const name of names(12)) pass(room, 65_000, name)
    await room.pass(1900)
    expect(member.received).toHaveLength(8)
    await room.pass(200)
    expect(member.received).toEqual(names(12))
  })

  test('is never lost, nor out of order: not when too much waits, and not at the end', async () => {
    const room = new Room({ maxWaitingBytes: 200_000 })
    const member = room.join('a', 0)
    for (const name of names(11)) pass(room, 65_000, name)
    expect(member.received).toEqual(names(8))
    pass(room, 65_000, '11')
    expect(member.received).toEqual(names(12))
    pass(room, 65_000, '12')
    const said = room.say('a', 65_000, undefined, 'here')
    expect(member.received).toHaveLength(12)
    room.gate.close()
    expect([await said, member.received, vi.getTimerCount()]).toEqual([false, names(13), 0])
    pass(room, 1, '13')
    expect(member.received).toEqual(names(14))
  })

  test('what delivering throws is a warning, and the next is delivered', async () => {
    const room = new Room()
    const member = room.join('a', LINE)
    for (const name of names(8)) pass(room, 65_000, name)
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    room.gate.pass('a', 65_000, () => {
      throw new Error('no')
    })
    pass(room, 65_000, '8')
    await room.pass(100)
    expect([warned.mock.calls, member.received]).toEqual([[[new Error('no')]], names(9)])
    warned.mockRestore()
  })

  test('a store whose deliveries pass the gate is otherwise the same', async () => {
    const database = createMemoryDatabase()
    const [here, there] = [database.store(), database.store()]
    const room = new Room()
    const passed = vi.spyOn(room.gate, 'pass')
    const delivered: unknown[] = []
    const heard: unknown[] = []
    const ignored = { deliver() {}, mark() {}, gap() {}, answer: () => ({}) }
    const gated = gatedStore(here, () => room.gate, { hear: (request) => void heard.push(request) })
    gated.start({
      ...ignored,
      deliver: (name, record) => void delivered.push([name, record]),
      answer: () => ({ clients: 7 }),
    })
    there.start(ignored)
    gated.join('a', undefined)
    const publication = { id: '', data: 'hello', epoch: '', offset: 0, previous: '' }
    const record: BusRecord = { kind: 'publication', publication }
    expect([there.carry('a', record), gated.tookLast]).toEqual([true, true])
    vi.useRealTimers()
    await vi.waitFor(() => expect(delivered).toEqual([['a', record]]))
    expect(passed.mock.calls.map(([name, bytes]) => [name, bytes])).toEqual([['a', 64 + 5]])
    const request = { do: 'refresh', user: 'u', expiresAt: undefined } as const
    expect(await gated.ask(request)).toMatchObject({ answers: [{ clients: 7 }, {}] })
    expect(heard).toEqual([request])
    await gated.close()
    expect([gated.carry('a', record), gated.tookLast]).toEqual([false, false])
    await there.close()
  })
})

describe('the rate of a channel', () => {
  test('a burst, then so much per second, whoever speaks', async () => {
    const room = new Room({ rate: { perSecond: 1_000_000, burst: 500_000 } })
    const member = room.join('a', 1e9)
    for (let i = 0; i < 100; i++) void room.say('a', 50_000)
    await room.pass(0)
    expect(member.received).toHaveLength(10)
    await room.pass(1005)
    expect(member.received).toHaveLength(30)
  })

  test('one message larger than the burst is said once the channel owes nothing', async () => {
    const room = new Room({ rate: { perSecond: 1000, burst: 10 } })
    room.join('a', 1e9)
    expect(await room.say('a', 100)).toBe(true)
    const next = room.say('a', 100)
    await room.pass(110)
    expect(await next).toBe(true)
  })
})

describe('an end', () => {
  test('a speaker that closes leaves the line, and nothing of it stays', async () => {
    const room = new Room()
    room.join('a', 0)
    const speaker = room.join('b', LINE)
    for (let i = 0; i < 8; i++) void room.say('a', 65_000)
    const said = [room.say('a', 65_000, speaker), room.say('a', 65_000)]
    expect(speaker.listeners).toBe(1)
    speaker.close()
    expect(await said[0]).toBe(false)
    await room.pass(2100)
    expect([await said[1], speaker.listeners, vi.getTimerCount()]).toEqual([true, 0, 1])
  })

  test('closing the gate ends every wait; no timer is left', async () => {
    const room = new Room()
    room.join('a', 0)
    const says = Array.from({ length: 10 }, () => room.say('a', 65_000))
    room.gate.close()
    expect(await Promise.all(says)).toEqual([...Array(8).fill(true), false, false])
    expect([await room.say('a', 1), vi.getTimerCount()]).toEqual([false, 0])
  })

  test('more than may wait is refused', async () => {
    const room = new Room({ maxWaitingBytes: 130_000 })
    room.join('a', 0)
    for (let i = 0; i < 8; i++) void room.say('a', 65_000)
    const waiting = [1, 2].map(() => room.say('a', 65_000))
    await expect(room.say('a', 1)).rejects.toThrow('busy')
    await expect(room.say('b', 1)).resolves.toBe(true)
    room.gate.close()
    expect(await Promise.all(waiting)).toEqual([false, false])
  })

  test('channels that are still cost nothing', async () => {
    const room = new Room({ rate: { perSecond: 1000, burst: 1000 } })
    for (let i = 0; i < 1000; i++) void room.say(`channel ${i}`, 100)
    expect(vi.getTimerCount()).toBe(1)
    await room.pass(2100)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('what speaking throws is thrown, or rejected with', async () => {
    const room = new Room()
    room.join('a', LINE)
    const speak = (): never => {
      throw new Error('no')
    }
    expect(() => room.gate.say('a', 1, speak)).toThrow('no')
    for (let i = 0; i < 8; i++) void room.say('a', 65_000)
    const later = expect(room.gate.say('a', 65_000, speak)).rejects.toThrow('no')
    const last = room.say('a', 65_000)
    await room.pass(100)
    await later
    expect(await last).toBe(true)
  })
})

describe('a pace', () => {
  const RATE = { perSecond: 200, burst: 1000 }

  test('a burst at once, then one in five ms', () => {
    const pace = new Pace()
    const waits = Array.from({ length: 1003 }, () => {
      const wait = pace.waitMs(RATE, 1, 0)
      pace.take(RATE, 1, 0)
      return wait
    })
    expect(waits.slice(0, 1000).every((wait) => wait === 0)).toBe(true)
    expect(waits.slice(1000)).toEqual([5, 10, 15])
    expect([pace.isPaid(5014), pace.isPaid(5015)]).toEqual([false, true])
  })

  test('in any run of commands, no span of time has more than its share', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 300 }), (gaps) => {
        const rate = { perSecond: 100, burst: 10 }
        const pace = new Pace()
        const times: number[] = []
        let now = 0
        for (const gap of gaps) {
          now += gap
          now += pace.waitMs(rate, 1, now)
          pace.take(rate, 1, now)
          times.push(now)
        }
        for (const [i, from] of times.entries()) {
          for (let j = i; j < times.length; j++) {
            expect(j - i + 1).toBeLessThanOrEqual(10 + (times[j]! - from) / 10 + 1e-6)
          }
        }
      }),
      { numRuns: 50 },
    )
  })
})

describe('commands at a pace', () => {
  const RATE = { perSecond: 10, burst: 2 }
  const socket = (): Member & { state: Paced } =>
    Object.assign(new Member(1), { state: { pace: new Pace(), wasThrottled: false } })

  /** Sends as core does: the next message when the promise of the one before is over. */
  const sender = (perform: Perform<Paced>, rate = RATE) => {
    let throttled = 0
    const command = paced(rate, perform, () => void throttled++)
    const one = socket()
    return {
      socket: one,
      throttled: () => throttled,
      send: async (sizes: number[]): Promise<void> => {
        for (const size of sizes) await command(one as unknown as Socket<Paced>, Buffer.alloc(size), 'text')
      },
    }
  }

  test('at once within the burst, then one by one; each socket for itself', async () => {
    let done = 0
    const perform: Perform<Paced> = () => void done++
    const [one, other] = [sender(perform), sender(perform)]
    void one.send([1, 1, 1, 1])
    await vi.advanceTimersByTimeAsync(0)
    expect(done).toBe(2)
    // Told once, however long it waits.
    expect([one.throttled(), other.throttled()]).toEqual([1, 0])
    void other.send([1])
    await vi.advanceTimersByTimeAsync(99)
    expect(done).toBe(3)
    await vi.advanceTimersByTimeAsync(1)
    expect(done).toBe(4)
    await vi.advanceTimersByTimeAsync(100)
    expect(done).toBe(5)
  })

  test('a large message counts for one more for each 4 KiB', async () => {
    const times: number[] = []
    const began = performance.now()
    const one = sender(() => void times.push(Math.round(performance.now() - began)), { perSecond: 10, burst: 10 })
    void one.send([4095, 32_768, 4096, 2 ** 20, 1])
    await vi.advanceTimersByTimeAsync(60_000)
    // 1 and 9 are the burst; 2 more are owed for, then 257.
    expect(times).toEqual([0, 0, 100, 300, 26_000])
  })

  test('what a command waits for holds the next back as well', async () => {
    let done = 0
    const one = sender(() => {
      done++
      return new Promise((resolve) => setTimeout(resolve, 1000))
    })
    void one.send([1, 1, 1])
    await vi.advanceTimersByTimeAsync(1999)
    expect(done).toBe(2)
    await vi.advanceTimersByTimeAsync(1)
    expect(done).toBe(3)
  })

  test('a socket that closes while it has to wait: nothing of it stays', async () => {
    const one = sender(() => undefined)
    const sent = one.send([1, 1])
    await vi.advanceTimersByTimeAsync(0)
    expect([vi.getTimerCount(), one.socket.listeners]).toEqual([1, 1])
    one.socket.close()
    await sent
    expect([vi.getTimerCount(), one.socket.listeners]).toEqual([0, 0])
  })
})
