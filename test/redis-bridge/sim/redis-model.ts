// Redis as a bridge meets it, and everything that can happen between the two. Connections keep their order and lose
// nothing until they break; what was on its way then is lost, on either side.

import type {
  Link,
  LinkEvents,
  PublishReply,
  RoutedMessage,
  Routes,
  Transport,
} from '../../../packages/redis-bridge/src/bus/link.ts'
import { plainRoutes } from '../../../packages/redis-bridge/src/redis/routes.ts'
import type { VirtualClock } from '../../support/virtual-clock.ts'
import { RedisData } from './redis-data.ts'

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
  readonly node: string
  command: Connection
  readonly subscriber: Connection
  readonly #redis: RedisModel
  readonly #events: LinkEvents
  readonly #written: (route: string, bytes: Buffer) => void
  #over = false
  #overflows = false
  /** Whether there is a way out. */
  #publishes = false
  /** Called when it is over, if it was up. */
  onOver: () => void = () => {}

  constructor(redis: RedisModel, node: string, events: LinkEvents, written: (route: string, bytes: Buffer) => void) {
    this.#redis = redis
    this.node = node
    this.#written = written
    this.#events = events
    this.command = new Connection(redis.clock)
    this.subscriber = new Connection(redis.clock)
    let missing = 2
    for (const connection of [this.command, this.subscriber]) {
      this.#connect(connection, () => {
        if (--missing > 0) return
        this.#publishes = true
        this.#events.up()
      })
    }
    if (redis.frozenUntil > 0) this.stall(redis.frozenUntil)
  }

  #connect(connection: Connection, ready: () => void): void {
    const redis = this.#redis
    connection.toRedis.send(() => {
      if (redis.down || redis.clock.now() < (redis.bannedUntil.get(this.node) ?? 0)) return this.cut()
      connection.toClient.send(ready)
    })
  }

  publish(messages: readonly RoutedMessage[], replied: (index: number, reply: PublishReply) => void): void {
    const { command } = this
    messages.forEach(({ route, bytes, call }, i) => {
      if (call !== undefined) {
        command.toRedis.send(() => {
          const answer = this.#redis.data.run(call)
          const reply = answer instanceof Error ? { refused: answer, divisible: false } : { answer }
          command.toClient.send(() => replied(i, reply))
        })
        return
      }
      // As the bridge may write the age anew, what is on its way must be a copy.
      const sent = Buffer.from(bytes)
      this.#written(route, sent)
      command.toRedis.send(() => {
        const reply = this.#redis.handle(route, sent, this)
        if (reply === undefined) return
        command.toClient.send(() => replied(i, reply))
        // As Redis does with a size it does not take: what is behind it is not read any more.
        if ('refused' in reply && reply.divisible) {
          command.toRedis.break()
          if (this.#redis.clock.random() < this.#redis.answersLost) this.cutCommand()
          else command.toClient.send(() => this.cutCommand())
        }
      })
    })
  }

  subscribe(routes: readonly string[], done: (error?: Error) => void): void {
    const { subscriber } = this
    subscriber.toRedis.send(() => {
      // One that is not allowed, and the command is not carried out.
      if (routes.some((route) => this.#redis.forbids(route, this.node))) {
        return subscriber.toClient.send(() => done(new Error('NOPERM')))
      }
      for (const route of routes) this.#redis.subscribe(route, this)
      subscriber.toClient.send(() => done())
    })
  }

  unsubscribe(routes: readonly string[], done: (error?: Error) => void): void {
    const { subscriber } = this
    subscriber.toRedis.send(() => {
      for (const route of routes) this.#redis.unsubscribe(route, this)
      subscriber.toClient.send(() => done())
    })
  }

  receive(redisChannel: string, bytes: Buffer): void {
    if (this.#overflows) return
    this.subscriber.toClient.send(() => {
      if (!this.#over) this.#events.message(redisChannel, bytes)
    })
  }

  close(): void {
    this.#over = true
    this.onOver()
    this.onOver = () => {}
    this.command.toClient.break()
    this.subscriber.toClient.break()
    // What the kernel had taken may still arrive, in part.
    if (this.#redis.clock.random() < 0.5) this.command.toRedis.break()
    this.subscriber.toRedis.send(() => this.#redis.forget(this))
    if (this.subscriber.toRedis.broken) this.#redis.forget(this)
  }

  /** The connection for commands breaks, and the bridge is told. What the kernel had taken may still arrive, in part. */
  cutCommand(): void {
    const { command } = this
    if (!this.#publishes) return this.cut()
    this.#publishes = false
    command.toClient.break()
    if (this.#redis.clock.random() < 0.5) command.toRedis.break()
    this.#redis.clock.after(this.#redis.clock.random() * 5, () => {
      if (!this.#over && command === this.command) this.#events.cut()
    })
  }

  mend(): void {
    if (this.#over) return
    this.command.toRedis.break()
    this.command = new Connection(this.#redis.clock)
    this.#connect(this.command, () => {
      this.#publishes = true
      this.#events.mended()
    })
    if (this.#redis.frozenUntil > 0) this.stall(this.#redis.frozenUntil)
  }

  /** The process stands still and reads nothing. @param endsAfter when Redis ends the subscriber meanwhile, in ms: what it
   * had sent before is read, and then the end. */
  unread(ms: number, endsAfter: number | undefined): void {
    const { clock } = this.#redis
    const until = clock.now() + ms
    for (const { toClient } of [this.command, this.subscriber]) {
      toClient.stalledUntil = Math.max(until, toClient.stalledUntil)
    }
    if (endsAfter === undefined) return
    clock.after(endsAfter, () => {
      this.#redis.forget(this)
      this.subscriber.toClient.send(() => this.cut())
    })
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

  /** Too much waits for the subscriber: Redis gives it nothing more, and ends the connection a little later. From one
   * that lives it never leaves anything out. */
  overflow(ms: number): void {
    this.#overflows = true
    this.#redis.clock.after(ms, () => this.cut())
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
  /** Who may not connect, and who may not publish, until when. */
  readonly bannedUntil = new Map<string, number>()
  readonly mutedUntil = new Map<string, number>()
  /** How often a node's link came up or was over. */
  readonly turns = new Map<string, number>()
  down = false
  frozenUntil = 0
  /** How often the reset that ends a connection overtakes the answers. */
  answersLost = 0
  /** Hears everything that is published. */
  said: (route: string, bytes: Buffer) => void = () => {}
  /** What it does not take: the answer to that, or the end of the connection. */
  refuses: ((route: string, bytes: Buffer) => PublishReply | 'close' | undefined) | undefined

  /** What a node may not subscribe to. */
  forbids: (route: string, node: string) => boolean = () => false
  /** Hears of every message that arrived, and of the answer. */
  handled: ((route: string, bytes: Buffer, reply: PublishReply) => void) | undefined
  /** What it keeps. */
  readonly data: RedisData
  readonly #routes: Routes

  /** @param routes all of them are carried by one connection. */
  constructor(clock: VirtualClock, routes: Routes = plainRoutes('p')) {
    this.clock = clock
    this.#routes = routes
    this.data = new RedisData(clock, (route, bytes) => this.publish(route, bytes))
  }

  /** How a node opens its links. @param heard hears every message after the node has.
   * @param written hears of every message when it is written. */
  transport(
    node: string,
    heard: (route: string, bytes: Buffer) => void = () => {},
    written: (route: string, bytes: Buffer) => void = () => {},
  ): Transport {
    return {
      routes: this.#routes,
      locate(_partition, found) {
        found('')
        return () => {}
      },
      open: (_place, events) => {
        const message = (route: string, bytes: Buffer): void => {
          events.message(route, bytes)
          heard(route, bytes)
        }
        const turn = (): void => void this.turns.set(node, (this.turns.get(node) ?? 0) + 1)
        const up = (): void => {
          turn()
          link.onOver = turn
          events.up()
        }
        const link = new ModelLink(this, node, { ...events, up, message }, written)
        this.links.set(node, link)
        return link
      },
    }
  }

  /** A PUBLISH arrived: what Redis answers, or undefined when it ends the connection instead. */
  handle(route: string, bytes: Buffer, from: ModelLink): PublishReply | undefined {
    const reply = this.#answer(route, bytes, from)
    if (reply !== undefined) this.handled?.(route, bytes, reply)
    return reply
  }

  #answer(route: string, bytes: Buffer, from: ModelLink): PublishReply | undefined {
    if (this.clock.now() < (this.mutedUntil.get(from.node) ?? 0)) {
      return { refused: new Error('NOPERM'), divisible: false }
    }
    const fate = this.refuses?.(route, bytes)
    if (fate === 'close') {
      // What is behind it is not read.
      from.command.toRedis.break()
      from.cutCommand()
      return undefined
    }
    if (fate !== undefined) return fate
    return { receivers: this.publish(route, bytes) }
  }

  /** Gives it to the subscribers; how many these are. */
  publish(route: string, bytes: Buffer): number {
    this.said(route, bytes)
    const links = this.#subscribers.get(route)
    for (const link of links ?? []) {
      link.receive(route, bytes)
    }
    return links?.size ?? 0
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
