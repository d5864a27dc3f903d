// When something may be said in a channel. A member that takes more slowly than others talk would have ever more bytes
// waiting for it, and at a megabyte core closes it (4008): so one member could end another's connection by talking fast.
// Here the speaker waits instead, until the members of the channel have taken what was said before.
//
// In a channel everybody waits in one line, in order. A member is behind when what waits for it and the next message come
// to more than half of what core allows; the other half is left for what is written to it by other ways. Members that
// take hardly anything, as their line is cut or they do not read, must not silence a channel: while the line moves more
// slowly than MIN_BYTES_PER_SECOND for `memberPatienceMs`, those who are behind are not waited for any more, for a while,
// and fare as core's limit says.

import type { Channels } from '@roomcast/channels'
import type { Socket } from '@roomcast/core'
import { Pace, type Rate } from './pace.ts'

/** What a channel with members that are behind must reach: a line of one Mbit/s. */
const MIN_BYTES_PER_SECOND = 128 * 1024

/** For how long nobody waits for a member that was waited for in vain: about as long as core takes to end one that is
 * gone. */
const LEFT_BEHIND_MS = 30_000

/** How often the lines are looked at while somebody waits: no event tells that a socket has taken some. */
const LOOK_MS = 5

/** How often channels that owe nothing are forgotten. */
const SWEEP_MS = 1000

export interface GateOptions {
  /** Who is in the channels. */
  channels: Pick<Channels, 'members' | 'isMember'>
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
  readonly entries: Set<Entry>
  readonly pace: Pace
  /** One who was behind at the last look. */
  behind: Socket | undefined
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
    if (line.entries.size === 0 && this.#isTurn(channel, line, bytes)) {
      speak()
      return undefined
    }
    if (this.#waitingBytes + bytes > this.#options.maxWaitingBytes) return 'busy'
    return new Promise((resolve, reject) => {
      const entry: Entry = {
        bytes,
        settle: (isTurn) => {
          line.entries.delete(entry)
          this.#waiting--
          this.#waitingBytes -= bytes
          forget()
          try {
            if (isTurn) speak()
            resolve(isTurn)
          } catch (error) {
            reject(error)
          }
        },
      }
      if (line.entries.size === 0) resetWindow(line)
      line.entries.add(entry)
      this.#waiting++
      this.#waitingBytes += bytes
      let forget = (): void => {}
      forget = speaker?.onClosing(() => entry.settle(false)) ?? forget
      this.#arm()
    })
  }

  /** Nobody speaks any more. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    for (const { entries } of this.#lines.values()) for (const entry of [...entries]) entry.settle(false)
    this.#lines.clear()
  }

  #lineOf(channel: string): Line {
    let line = this.#lines.get(channel)
    if (line === undefined) {
      line = { entries: new Set(), pace: new Pace(), behind: undefined, behindMs: 0, saidBytes: 0 }
      this.#lines.set(channel, line)
      this.#arm()
    }
    return line
  }

  /** Whether `bytes` may be said now; then they count as said. */
  #isTurn(channel: string, line: Line, bytes: number): boolean {
    const { rate } = this.#options
    const now = this.#now()
    const last = line.behind
    line.behind = undefined
    if (line.pace.waitMs(rate, bytes, now) > 0) return false
    line.behind = this.#findBehind(channel, last, bytes, now)
    if (line.behind !== undefined) return false
    line.pace.take(rate, bytes, now)
    line.saidBytes += bytes
    return true
  }

  #findBehind(channel: string, last: Socket | undefined, bytes: number, now: number): Socket | undefined {
    const { channels } = this.#options
    // Most likely it is the same as before.
    if (last && this.#isBehind(last, bytes, now) && channels.isMember(channel, last)) return last
    for (const [socket] of channels.members(channel)) if (this.#isBehind(socket, bytes, now)) return socket
    return undefined
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
      if (line.entries.size > 0) this.#move(channel, line, elapsedMs)
      else if (line.pace.isPaid(now)) this.#lines.delete(channel)
    }
    if (this.#lines.size > 0) this.#arm()
  }

  #move(channel: string, line: Line, elapsedMs: number): void {
    for (const entry of line.entries) {
      if (!this.#isTurn(channel, line, entry.bytes)) break
      entry.settle(true)
    }
    const [next] = line.entries
    if (next === undefined || line.behind === undefined) return resetWindow(line)
    line.behindMs += elapsedMs
    const { channels, memberPatienceMs } = this.#options
    if (line.behindMs < memberPatienceMs) return
    if (line.saidBytes < (MIN_BYTES_PER_SECOND * memberPatienceMs) / 1000) {
      const now = this.#now()
      for (const [socket] of channels.members(channel)) {
        if (this.#isBehind(socket, next.bytes, now)) this.#left.set(socket, now + LEFT_BEHIND_MS)
      }
    }
    resetWindow(line)
  }
}

function resetWindow(line: Line): void {
  line.behindMs = 0
  line.saidBytes = 0
}
