// When something may be said in a channel. A member that takes more slowly than others talk would have ever more bytes
// waiting for it, and at a megabyte core closes it (4008): so one member could end another's connection by talking fast.
// Here the speaker waits instead, until the members of the channel have taken what was said before.
//
// In a channel everybody waits in one line, in order. A member is behind when what waits for it and the next message come
// to more than half of what core allows; the other half is left for what is written to it by other ways. Members that
// take hardly anything, as their line is cut or they do not read, must not silence a channel: while the line moves more
// slowly than MIN_BYTES_PER_SECOND for `memberPatienceMs`, those who are behind are not waited for any more, for a while,
// and fare as core's limit says.
//
// What other servers said passes here, too. Its speakers are held to a rate by their own server and cannot be made to
// wait: it goes before what is said here, which gives way.

import type { Socket } from '@roomcast/core'
import { Pace, type Rate } from './pace.ts'
import { warn } from './warn.ts'

/** What a channel with members that are behind must reach: a line of one Mbit/s. */
const MIN_BYTES_PER_SECOND = 128 * 1024

/** For how long nobody waits for a member that was waited for in vain: about as long as core takes to end one that is
 * gone. */
const LEFT_BEHIND_MS = 30_000

/** How often the lines are looked at while somebody waits: no event tells that a socket has taken some. */
const LOOK_MS = 5

/** How often channels that owe nothing are forgotten. */
const SWEEP_MS = 1000

/** Who is in which room. */
interface Members {
  /** The first member that passes a test. */
  find(room: string, test: (socket: Socket) => boolean): Socket | undefined
  has(room: string, socket: Socket): boolean
}

export interface GateOptions {
  /** Who is in the rooms, on this server. */
  members: Members
  /** What core allows to wait for one socket, in bytes. */
  maxBufferedBytes: number
  /** How long a channel that hardly moves waits for those who are behind. */
  memberPatienceMs: number
  /** What may be said in one channel, in bytes. */
  rate: Rate
  /** How much may wait in all channels together, in bytes. */
  maxWaitingBytes: number
  /** The clock, in ms. Default `performance.now`. */
  now?: () => number
}

/** Who speaks. It leaves the line when it closes. */
export type Speaker = Pick<Socket, 'onClosing'>

interface Entry {
  bytes: number
  /** Speaks, or is told that it will not be its turn. */
  settle(isTurn: boolean): void
}

interface Line {
  /** What other servers said, in order. */
  readonly arrived: Set<Entry>
  /** What is to be said here, in order. */
  readonly entries: Set<Entry>
  readonly pace: Pace
  /** What those will say next whose turn it is. */
  grantedBytes: number
  /** Somebody was behind at the last look, and the last one who was. */
  isBehind: boolean
  last: Socket | undefined
  /** For how long somebody has been behind, and what was said meanwhile. */
  behindMs: number
  saidBytes: number
}

/** The gate of one server. */
export class Gate {
  readonly #options: GateOptions
  readonly #now: () => number
  readonly #lines = new Map<string, Line>()
  /** Until when nobody waits for a socket. */
  readonly #left = new WeakMap<Socket, number>()
  #waiting = 0
  #waitingBytes = 0
  #timer: NodeJS.Timeout | undefined
  /** The timer is that of somebody who waits. */
  #isWatching = false
  #lookedAt = 0
  #isClosed = false

  constructor(options: GateOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  /** Calls `speak` when it is its turn: at once, and `undefined` is returned, or later. Then the promise resolves: with
   * true when it spoke, with false when the speaker or the gate closed first. What `speak` throws, it rejects with.
   * `'busy'`: too much waits already.
   * @param bytes what each member will be sent. */
  say(channel: string, bytes: number, speak: () => void, speaker?: Speaker): Promise<boolean> | undefined | 'busy' {
    if (this.#isClosed) return Promise.resolve(false)
    const line = this.#lineOf(channel)
    if (isEmpty(line) && this.#isTurn(channel, line, bytes)) {
      speak()
      return undefined
    }
    if (this.#waitingBytes + bytes > this.#options.maxWaitingBytes) return 'busy'
    return new Promise((resolve, reject) => {
      let forget = (): void => {}
      const entry = this.#enter(line, line.entries, bytes, (isTurn) => {
        forget()
        try {
          if (isTurn) speak()
          resolve(isTurn)
        } catch (error) {
          reject(error)
        }
      })
      forget = speaker?.onClosing(() => entry.settle(false)) ?? forget
    })
  }

  /** The same for a speaker that speaks a little later, when the promise goes on: what it may say counts until the event
   * loop's turn is over. */
  turn(channel: string, bytes: number, speaker?: Speaker): Promise<boolean> | undefined | 'busy' {
    const grant = (): void => {
      const line = this.#lines.get(channel)
      if (line === undefined) return
      line.grantedBytes += bytes
      setImmediate(() => {
        line.grantedBytes -= bytes
      })
    }
    return this.say(channel, bytes, grant, speaker)
  }

  /** Calls `deliver`, for what another server said: at once, or when the members of the channel have room; or when too
   * much waits, as nothing may be lost here. Of one channel in the order of the calls. */
  pass(channel: string, bytes: number, deliver: () => void): void {
    const line = this.#lines.get(channel)
    const waits = line !== undefined && line.arrived.size > 0
    if (this.#isClosed || (!waits && this.#findBehind(channel, line?.last, bytes, this.#now()) === undefined)) {
      return deliver()
    }
    if (this.#waitingBytes + bytes > this.#options.maxWaitingBytes) {
      if (waits) for (const entry of [...line.arrived]) entry.settle(true)
      return deliver()
    }
    const own = this.#lineOf(channel)
    this.#enter(own, own.arrived, bytes, () => {
      try {
        deliver()
      } catch (error) {
        warn(error)
      }
    })
  }

  #enter(line: Line, queue: Set<Entry>, bytes: number, end: (isTurn: boolean) => void): Entry {
    const entry: Entry = {
      bytes,
      settle: (isTurn) => {
        queue.delete(entry)
        this.#waiting--
        this.#waitingBytes -= bytes
        end(isTurn)
      },
    }
    if (isEmpty(line)) resetWindow(line)
    queue.add(entry)
    this.#waiting++
    this.#waitingBytes += bytes
    this.#arm()
    return entry
  }

  /** Nobody here speaks any more; what others said is delivered. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    for (const { arrived, entries } of this.#lines.values()) {
      for (const entry of [...arrived, ...entries]) entry.settle(arrived.has(entry))
    }
    this.#lines.clear()
  }

  #lineOf(channel: string): Line {
    let line = this.#lines.get(channel)
    if (line === undefined) {
      line = {
        arrived: new Set(),
        entries: new Set(),
        pace: new Pace(),
        grantedBytes: 0,
        isBehind: false,
        last: undefined,
        behindMs: 0,
        saidBytes: 0,
      }
      this.#lines.set(channel, line)
      this.#arm()
    }
    return line
  }

  /** Whether `bytes` may be said now; then they count as said. */
  #isTurn(channel: string, line: Line, bytes: number): boolean {
    const { rate } = this.#options
    const now = this.#now()
    if (line.pace.waitMs(rate, bytes, now) > 0 || !this.#isFree(channel, line, bytes, now)) return false
    line.pace.take(rate, bytes, now)
    return true
  }

  /** Whether the members have room for so much; then they will have it. */
  #isFree(channel: string, line: Line, bytes: number, now: number): boolean {
    line.last = this.#findBehind(channel, line.last, line.grantedBytes + bytes, now)
    line.isBehind = line.last !== undefined
    if (!line.isBehind) line.saidBytes += bytes
    return !line.isBehind
  }

  #findBehind(channel: string, last: Socket | undefined, bytes: number, now: number): Socket | undefined {
    const { members } = this.#options
    // Most likely it is the same as before.
    if (last && this.#isBehind(last, bytes, now) && members.has(channel, last)) return last
    return members.find(channel, (socket) => this.#isBehind(socket, bytes, now))
  }

  #isBehind(socket: Socket, bytes: number, now: number): boolean {
    const { bufferedBytes } = socket
    // Who has taken everything is not behind, however large the next message is.
    if (bufferedBytes === 0 || bufferedBytes + bytes <= this.#options.maxBufferedBytes / 2) return false
    return (this.#left.get(socket) ?? 0) <= now
  }

  /** Looks again in some milliseconds while somebody waits, and seldom while a channel owes something. */
  #arm(): void {
    const isWaiting = this.#waiting > 0
    if (this.#timer !== undefined && (this.#isWatching || !isWaiting)) return
    clearTimeout(this.#timer)
    this.#isWatching = isWaiting
    this.#lookedAt = this.#now()
    this.#timer = setTimeout(this.#look, isWaiting ? LOOK_MS : SWEEP_MS).unref()
  }

  readonly #look = (): void => {
    this.#timer = undefined
    const now = this.#now()
    // After a stall of our own nobody is blamed for all of it: nothing was handed to the sockets meanwhile.
    const elapsedMs = Math.min(now - this.#lookedAt, 4 * LOOK_MS)
    for (const [channel, line] of this.#lines) {
      if (!isEmpty(line)) this.#move(channel, line, elapsedMs)
      else if (line.pace.isPaid(now)) this.#lines.delete(channel)
    }
    if (this.#lines.size > 0) this.#arm()
  }

  #move(channel: string, line: Line, elapsedMs: number): void {
    line.isBehind = false
    for (const entry of line.arrived) {
      if (!this.#isFree(channel, line, entry.bytes, this.#now())) break
      entry.settle(true)
    }
    if (line.arrived.size === 0) {
      for (const entry of line.entries) {
        if (!this.#isTurn(channel, line, entry.bytes)) break
        entry.settle(true)
      }
    }
    const [next] = line.arrived.size > 0 ? line.arrived : line.entries
    if (next === undefined || !line.isBehind) return resetWindow(line)
    line.behindMs += elapsedMs
    const { members, memberPatienceMs } = this.#options
    if (line.behindMs < memberPatienceMs) return
    if (line.saidBytes < (MIN_BYTES_PER_SECOND * memberPatienceMs) / 1000) {
      const now = this.#now()
      members.find(channel, (socket) => {
        if (this.#isBehind(socket, next.bytes, now)) this.#left.set(socket, now + LEFT_BEHIND_MS)
        return false
      })
    }
    resetWindow(line)
  }
}

function isEmpty({ arrived, entries }: Line): boolean {
  return arrived.size === 0 && entries.size === 0
}

function resetWindow(line: Line): void {
  line.behindMs = 0
  line.saidBytes = 0
}
