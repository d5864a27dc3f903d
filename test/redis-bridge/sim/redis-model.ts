// Redis as a bridge meets it, and everything that can happen between the two. Connections keep their order and lose
// nothing until they break; what was on its way then is lost, on either side.

import type { Link, LinkEvents, OpenLink, Outgoing } from '../../../packages/redis-bridge/src/link.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** One direction of a connection. */
class Pipe {
  readonly #clock: VirtualClock
  readonly #queue: { at: number; run: () => void }[] = []
  #pumping = false
  stalledUntil = 0
  broken = false

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  /** Runs `run` at the other end, unless the pipe breaks before. */
  send(run: () => void): void {
    if (this.broken) return
    const { now, random } = { now: this.#clock.now(), random: this.#clock.random() }
    this.#queue.push({ at: now + 0.1 + random * random * 3, run })
    if (!this.#pumping) this.#pump()
  }

  break(): void {
    this.broken = true
    this.#queue.length = 0
  }

  #pump(): void {
    const head = this.#queue[0]
    this.#pumping = head !== undefined
    if (head === undefined) return
    this.#clock.after(Math.max(head.at, this.stalledUntil) - this.#clock.now(), () => {
      if (this.broken) return
      if (this.#clock.now() >= this.stalledUntil) this.#queue.shift()!.run()
      this.#pump()
    })
  }
}

/** A connection: pipes to Redis and back. */
class Connection {
  readonly toRedis: Pipe
  readonly toClient: Pipe
  readonly channels = new Set<string>()
  /** Since when nothing gets through without anybody being told. */
  deadSince: number | undefined

  constructor(clock: VirtualClock) {
    this.toRedis = new Pipe(clock)
    this.toClient = new Pipe(clock)
  }

  get alive(): boolean {
    return !this.toRedis.broken && !this.toClient.broken
  }
}

/** A link of a bridge to the model. */
class ModelLink implements Link {
  readonly command: Connection
  readonly subscriber: Connection
  readonly #redis: RedisModel
  readonly #events: LinkEvents
  #over = false

  constructor(redis: RedisModel, events: LinkEvents) {
    this.#redis = redis
    this.#events = events
    this.command = new Connection(redis.clock)
    this.subscriber = new Connection(redis.clock)
    let missing = 2
    for (const connection of [this.command, this.subscriber]) {
      connection.toRedis.send(() => {
        if (redis.down) return this.cut()
        connection.toClient.send(() => {
          if (--missing === 0) this.#events.up()
        })
      })
    }
    if (redis.frozenUntil > 0) this.stall(redis.frozenUntil)
  }

  publish(commands: readonly Outgoing[], done: (error?: Error) => void): void {
    commands.forEach(({ redisChannel, bytes }, i) => {
      // As the bridge may write the age anew, what is on its way must be a copy.
      const sent = Buffer.from(bytes)
      this.command.toRedis.send(() => {
        this.#redis.publish(redisChannel, sent)
        if (i === commands.length - 1) this.command.toClient.send(() => done())
      })
    })
  }

  subscribe(redisChannels: readonly string[], done: (error?: Error) => void): void {
    const { subscriber } = this
    subscriber.toRedis.send(() => {
      for (const redisChannel of redisChannels) this.#redis.subscribe(redisChannel, this)
      subscriber.toClient.send(() => done())
    })
  }

  unsubscribe(redisChannels: readonly string[], done: (error?: Error) => void): void {
    const { subscriber } = this
    subscriber.toRedis.send(() => {
      for (const redisChannel of redisChannels) this.#redis.unsubscribe(redisChannel, this)
      subscriber.toClient.send(() => done())
    })
  }

  receive(redisChannel: string, bytes: Buffer): void {
    this.subscriber.toClient.send(() => {
      if (!this.#over) this.#events.message(redisChannel, bytes)
    })
  }

  close(): void {
    this.#over = true
    this.command.toClient.break()
    this.subscriber.toClient.break()
    // What the kernel had taken may still arrive, in part.
    if (this.#redis.clock.random() < 0.5) this.command.toRedis.break()
    this.subscriber.toRedis.send(() => this.#redis.forget(this))
    if (this.subscriber.toRedis.broken) this.#redis.forget(this)
  }

  /** The connections break, and the bridge is told. */
  cut(): void {
    for (const { toRedis, toClient } of [this.command, this.subscriber]) {
      toRedis.break()
      toClient.break()
    }
    this.#redis.forget(this)
    this.#redis.clock.after(this.#redis.clock.random() * 5, () => {
      if (this.#over) return
      this.#over = true
      this.#events.down(new Error('cut'))
    })
  }

  stall(until: number): void {
    for (const { toRedis, toClient } of [this.command, this.subscriber]) {
      toRedis.stalledUntil = Math.max(until, toRedis.stalledUntil)
      toClient.stalledUntil = Math.max(until, toClient.stalledUntil)
    }
  }

  /** One of its connections swallows everything from now on, without a word. */
  blackHole(which: 'command' | 'subscriber'): void {
    const connection = this[which]
    connection.deadSince ??= this.#redis.clock.now()
    connection.toClient.break()
    connection.toRedis.break()
    if (which === 'subscriber') this.#redis.forget(this)
  }

  /** Nothing is in its way. */
  get flows(): boolean {
    const now = this.#redis.clock.now()
    return [this.command, this.subscriber].every(({ alive, toRedis }) => alive && toRedis.stalledUntil <= now)
  }

  /** Since when it cannot hear itself. */
  get deafSince(): number | undefined {
    return this.command.deadSince ?? this.subscriber.deadSince
  }
}

/** One Redis. */
export class RedisModel {
  readonly clock: VirtualClock
  readonly #subscribers = new Map<string, Set<ModelLink>>()
  readonly links = new Map<string, ModelLink>()
  down = false
  frozenUntil = 0
  /** The part of deliveries that get lost for no reason. */
  dropRate = 0
  bytesTo = new Map<string, number>()

  constructor(clock: VirtualClock) {
    this.clock = clock
  }

  /** How a node opens its links. */
  opener(node: string): OpenLink {
    return (events) => {
      const link = new ModelLink(this, events)
      this.links.set(node, link)
      return link
    }
  }

  publish(redisChannel: string, bytes: Buffer): void {
    for (const link of this.#subscribers.get(redisChannel) ?? []) {
      if (this.dropRate === 0 || this.clock.random() >= this.dropRate) link.receive(redisChannel, bytes)
    }
  }

  subscribe(redisChannel: string, link: ModelLink): void {
    if (!link.subscriber.alive) return
    let set = this.#subscribers.get(redisChannel)
    if (set === undefined) {
      set = new Set()
      this.#subscribers.set(redisChannel, set)
    }
    set.add(link)
  }

  unsubscribe(redisChannel: string, link: ModelLink): void {
    const set = this.#subscribers.get(redisChannel)
    set?.delete(link)
    if (set?.size === 0) this.#subscribers.delete(redisChannel)
  }

  forget(link: ModelLink): void {
    for (const redisChannel of [...this.#subscribers.keys()]) this.unsubscribe(redisChannel, link)
  }

  /** The Redis channels a node is subscribed to. */
  subscriptions(node: string): string[] {
    const link = this.links.get(node)
    return [...this.#subscribers].filter(([, links]) => links.has(link!)).map(([redisChannel]) => redisChannel)
  }

  /** Everybody is cut off, and nobody gets in until `up`. */
  stop(): void {
    this.down = true
    for (const link of this.links.values()) link.cut()
  }

  up(): void {
    this.down = false
  }

  /** Does nothing for a while. */
  freeze(ms: number): void {
    this.frozenUntil = this.clock.now() + ms
    for (const link of this.links.values()) link.stall(this.frozenUntil)
  }
}
