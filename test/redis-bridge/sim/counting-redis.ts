// A Redis that counts, for many nodes: what it is told, what it gives to whom and how many bytes that is. It has one
// core, so that what comes at once takes its time. Connections lose nothing while they live.

import type {
  Link,
  LinkEvents,
  PublishReply,
  RoutedMessage,
  Transport,
} from '../../../packages/redis-bridge/src/bus/link.ts'
import { plainRoutes } from '../../../packages/redis-bridge/src/redis/routes.ts'
import type { VirtualClock } from '../../support/virtual-clock.ts'

const LATENCY_MS = 0.2

/** What one core of Redis 7 takes, about: measured with `INFO commandstats` and rounded up for its reads and writes. */
const PUBLISH_MS = 0.006
const DELIVERY_MS = 0.003
const SUBSCRIPTION_MS = 0.003

/** Redis ends a subscriber for whom more waits (client-output-buffer-limit pubsub). */
const MAX_WAITING_BYTES = 32 * 1_048_576

/** What is around a message on the wire. */
const AROUND_BYTES = 40

const KINDS = ['messages', 'marks', 'probes', 'asks'] as const

export interface Counts {
  /** PUBLISH commands, by what they carry. */
  messages: number
  marks: number
  probes: number
  asks: number
  /** Channels subscribed to, and the commands for that. */
  subscriptions: number
  subscribes: number
  deliveries: number
  bytes: number
  /** Subscribers for whom too much waited. */
  overflows: number
}

const NOTHING: Counts = {
  ...{ messages: 0, marks: 0, probes: 0, asks: 0 },
  ...{ subscriptions: 0, subscribes: 0, deliveries: 0, bytes: 0, overflows: 0 },
}

/** A node as Redis sees it: while it is frozen nothing of what it is sent is read. */
export interface Peer {
  readonly frozenUntil: number
}

class CountedLink implements Link {
  readonly #redis: CountingRedis
  readonly #events: LinkEvents
  readonly #peer: Peer
  readonly routes = new Set<string>()
  #isOver = false
  /** What is on its way to the node, in order of time. */
  readonly #waiting: { at: number; bytes: number; run: () => void }[] = []
  #waitingBytes = 0

  constructor(redis: CountingRedis, events: LinkEvents, peer: Peer) {
    this.#redis = redis
    this.#events = events
    this.#peer = peer
    redis.at(LATENCY_MS, () => {
      if (redis.isDown) this.end()
      else this.send(0, () => events.up())
    })
  }

  publish(messages: readonly RoutedMessage[], replied: (index: number, reply: PublishReply) => void): void {
    const sent = messages.map(({ route, bytes }) => ({ route, bytes: Buffer.from(bytes) }))
    this.#reach(() => {
      const receivers = sent.map(({ route, bytes }) => this.#redis.publish(route, bytes))
      this.send(0, () => {
        for (const [i, count] of receivers.entries()) replied(i, { receivers: count })
      })
    })
  }

  subscribe(routes: readonly string[], done: (error?: Error) => void): void {
    this.#reach(() => {
      this.#redis.subscribe(routes, this)
      this.send(0, () => done())
    })
  }

  unsubscribe(routes: readonly string[], done: (error?: Error) => void): void {
    this.#reach(() => {
      for (const route of routes) this.#redis.unsubscribe(route, this)
      this.send(0, () => done())
    })
  }

  message(route: string, bytes: Buffer): void {
    this.send(bytes.length + AROUND_BYTES, () => this.#events.message(route, bytes))
  }

  mend(): void {}

  close(): void {
    this.#isOver = true
    this.#redis.forget(this)
  }

  /** The connection breaks, and the node is told. */
  end(): void {
    if (this.#isOver) return
    this.#redis.forget(this)
    this.#waiting.length = 0
    this.#redis.at(LATENCY_MS, () => {
      if (this.#isOver) return
      this.#isOver = true
      this.#events.down(new Error('ended'))
    })
  }

  /** Runs at the node when all before it has run. */
  send(bytes: number, run: () => void): void {
    if (this.#isOver) return
    this.#waitingBytes += bytes
    if (this.#waitingBytes > MAX_WAITING_BYTES) {
      this.#redis.counts.overflows++
      return this.end()
    }
    this.#waiting.push({ at: this.#redis.doneAt + LATENCY_MS, bytes, run })
    if (this.#waiting.length === 1) this.#pump()
  }

  #pump(): void {
    const head = this.#waiting[0]
    if (head === undefined || this.#isOver) return
    const now = this.#redis.clock.now()
    this.#redis.at(Math.max(head.at, this.#peer.frozenUntil) - now, () => this.#read())
  }

  #read(): void {
    const now = this.#redis.clock.now()
    if (this.#isOver) return
    if (now < this.#peer.frozenUntil) return this.#pump()
    let count = 0
    while (count < this.#waiting.length && this.#waiting[count]!.at <= now) {
      const { bytes, run } = this.#waiting[count++]!
      this.#waitingBytes -= bytes
      run()
      if (this.#isOver) return
    }
    this.#waiting.splice(0, count)
    this.#pump()
  }

  #reach(run: () => void): void {
    this.#redis.at(LATENCY_MS, () => {
      if (!this.#isOver && !this.#redis.isDown) run()
    })
  }
}

export class CountingRedis {
  readonly clock: VirtualClock
  readonly #subscribers = new Map<string, Set<CountedLink>>()
  readonly #links = new Set<CountedLink>()
  counts: Counts = { ...NOTHING }
  isDown = false
  /** When what it was told so far is done. */
  doneAt = 0

  constructor(clock: VirtualClock) {
    this.clock = clock
  }

  transport(peer: Peer): Transport {
    return {
      routes: plainRoutes('p'),
      locate(_partition, found) {
        found('')
        return () => {}
      },
      open: (_place, events) => {
        const link = new CountedLink(this, events, peer)
        this.#links.add(link)
        return link
      },
    }
  }

  /** What was counted since the last time. */
  take(): Counts {
    const taken = this.counts
    this.counts = { ...NOTHING }
    return taken
  }

  at(ms: number, run: () => void): void {
    this.clock.after(ms, run)
  }

  publish(route: string, bytes: Buffer): number {
    this.counts[KINDS[bytes[3]!]!]++
    this.#work(PUBLISH_MS)
    const links = this.#subscribers.get(route)
    for (const link of links ?? []) {
      this.#work(DELIVERY_MS)
      this.counts.deliveries++
      this.counts.bytes += bytes.length + AROUND_BYTES
      link.message(route, bytes)
    }
    return links?.size ?? 0
  }

  subscribe(routes: readonly string[], link: CountedLink): void {
    this.counts.subscribes++
    this.counts.subscriptions += routes.length
    for (const route of routes) {
      this.#work(SUBSCRIPTION_MS)
      link.routes.add(route)
      const links = this.#subscribers.get(route)
      if (links === undefined) this.#subscribers.set(route, new Set([link]))
      else links.add(link)
    }
  }

  unsubscribe(route: string, link: CountedLink): void {
    link.routes.delete(route)
    const links = this.#subscribers.get(route)
    links?.delete(link)
    if (links?.size === 0) this.#subscribers.delete(route)
  }

  forget(link: CountedLink): void {
    for (const route of link.routes) this.unsubscribe(route, link)
    this.#links.delete(link)
  }

  /** Everybody is cut off, and nobody gets in until it is up again. */
  stop(): void {
    this.isDown = true
    for (const link of [...this.#links]) link.end()
  }

  up(): void {
    this.isDown = false
    this.doneAt = this.clock.now()
  }

  #work(ms: number): void {
    this.doneAt = Math.max(this.doneAt, this.clock.now()) + ms
  }
}
