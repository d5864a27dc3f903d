// A node in the test's own process: real channels over the real bridge, members that can be waited for.

import { createChannels, type GapEvent } from '@roomcast/channels'
import type { Framed, Opcode, Payload, WriteResult } from '@roomcast/core'
import { type BridgeOptions, createRedisBridge } from '@roomcast/redis-bridge'
import { FakeSocket } from '../../support/fake-socket.ts'
import { until } from '../../support/redis.ts'

/** A member that wakes who waits for its messages. */
class Member extends FakeSocket {
  readonly #waiting = new Set<() => void>()

  override write(data: Payload | Framed, opcode?: Opcode): WriteResult {
    const result = super.write(data, opcode)
    for (const wake of this.#waiting) wake()
    return result
  }

  /** Resolves when the message is there. */
  async got(message: string, deadlineMs = 10_000): Promise<void> {
    const there = (): boolean => this.messages.some((one) => one.toString() === message)
    if (there()) return
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(wake)
        reject(new Error(`${message} did not come in ${deadlineMs} ms; there are ${this.frames.length} messages`))
      }, deadlineMs)
      const wake = (): void => {
        if (!there()) return
        this.#waiting.delete(wake)
        clearTimeout(timer)
        resolve()
      }
      this.#waiting.add(wake)
    })
  }
}

export class Rig {
  readonly bridge: ReturnType<typeof createRedisBridge>
  readonly channels: ReturnType<typeof createChannels>
  readonly gaps: GapEvent[] = []
  /** What the bridge said through `onError`. */
  readonly errors: Error[] = []
  /** Every status there was, in order. */
  readonly statuses: { at: number; status: string }[] = []
  readonly #watch: NodeJS.Timeout

  constructor(options: Omit<BridgeOptions, 'prefix'> & { prefix?: string }) {
    this.bridge = createRedisBridge({ prefix: 'app', onError: (error) => this.errors.push(error), ...options })
    this.channels = createChannels({ broker: this.bridge })
    this.channels.on('gap', (gap) => this.gaps.push(gap))
    const look = (): void => {
      const { status } = this.bridge
      if (this.statuses.at(-1)?.status !== status) this.statuses.push({ at: performance.now(), status })
    }
    look()
    this.#watch = setInterval(look, 2)
  }

  /** A new member of a channel. */
  member(channel: string): Member {
    const member = new Member()
    this.channels.join(channel, member)
    return member
  }

  /** A new member of a channel that Redis knows of. */
  async readyMember(channel: string): Promise<Member> {
    const member = this.member(channel)
    await this.ready()
    await this.channels.ready(channel)
    return member
  }

  async ready(deadlineMs = 15_000): Promise<this> {
    await this.toBe('ready', deadlineMs)
    return this
  }

  async toBe(status: string, deadlineMs = 15_000): Promise<void> {
    await until(`the bridge to be ${status}`, () => this.bridge.status === status, deadlineMs)
  }

  /** Resolves when it is, or was since `before` reconnects, without Redis: it may be back between two looks. */
  async lost(before: number, deadlineMs = 15_000): Promise<void> {
    const { bridge } = this
    const holds = (): boolean => bridge.status === 'degraded' || bridge.stats().reconnects > before
    await until('the bridge to be degraded', holds, deadlineMs)
  }

  async close(): Promise<void> {
    clearInterval(this.#watch)
    await this.channels.close()
  }
}

/** What a test started, ended in the opposite order. */
export class Cleanup {
  readonly #todo: (() => unknown)[] = []

  /** Gives `thing` back, to be closed or stopped. */
  add<T extends { close(): unknown } | { stop(): unknown }>(thing: T): T {
    this.#todo.push(() => ('close' in thing ? thing.close() : thing.stop()))
    return thing
  }

  async run(): Promise<void> {
    for (const end of this.#todo.splice(0).reverse()) await end()
  }
}
