// A link to one Redis: a connection for commands and, if it subscribes, one for the subscriptions. Each command settles by
// its own reply. What Redis says of itself rather than of a command (that it is loading, that it is no master any more)
// ends the link.

import type { Redis } from 'ioredis'
import type { Link, LinkEvents, PublishReply, RoutedMessage } from '../bus/link.ts'
import { type ConnectionOptions, hangUp, type MakeRedis, OVERRIDES, roleOf } from './connection.ts'

/** How often a Redis is asked whether it is the master still: one that was demoted keeps its connections, takes messages
 * and gives them to nobody else. */
const ROLE_MS = 4000

/** How a link uses its connections. */
export interface LinkUse {
  /** Has a subscriber connection. */
  subscribes: boolean
  /** Sharded pub/sub: of one shard of a cluster. */
  sharded: boolean
}

/** Errors of the server, not of the command: it cannot be worked with now. */
const OF_SERVER =
  /^(LOADING|BUSY|CLUSTERDOWN|MOVED|ASK|TRYAGAIN|MASTERDOWN|READONLY|NOAUTH|NOREPLICAS|MISCONF|OOM|NOTREADY)\b/

/** Errors of the channel: no part of the message would fare better. */
const OF_CHANNEL = /^NOPERM\b/

export class RedisLink implements Link {
  readonly #command: Redis
  readonly #subscriber: Redis | undefined
  readonly #sharded: boolean
  readonly #events: LinkEvents
  #missing = 0
  #over = false
  #lastError: Error | undefined
  #roleTimer: NodeJS.Timeout | undefined

  constructor(
    makeRedis: MakeRedis,
    { subscribes, sharded }: LinkUse,
    events: LinkEvents,
    where: ConnectionOptions = {},
  ) {
    this.#events = events
    this.#sharded = sharded
    const make = (): Redis => this.#connect(makeRedis({ ...OVERRIDES, ...where }))
    this.#command = make()
    this.#subscriber = subscribes ? make() : undefined
    this.#subscriber?.on(sharded ? 'smessageBuffer' : 'messageBuffer', (redisChannel: Buffer, bytes: Buffer) => {
      if (!this.#over) this.#events.message(redisChannel.toString(), bytes)
    })
    // A slot has moved to another node, with the subscriptions to it.
    this.#subscriber?.on('moved', () => this.#end(new Error('the cluster has moved a slot')))
  }

  publish(messages: readonly RoutedMessage[], replied: (index: number, reply: PublishReply) => void): void {
    const publish = this.#sharded ? 'spublish' : 'publish'
    this.#command.stream?.cork()
    messages.forEach(({ route, bytes }, index) => {
      const reply = (receivers: unknown): void => replied(index, { receivers: Number(receivers) })
      this.#command[publish](route, asBuffer(bytes)).then(reply, (error: Error) => {
        if (isOfCommand(error)) replied(index, { refused: error, divisible: !OF_CHANNEL.test(error.message) })
        else this.#failed(error)
      })
    })
    this.#command.stream?.uncork()
  }

  subscribe(routes: readonly string[], done: (error?: Error) => void): void {
    const operation = this.#sharded ? 'ssubscribe' : 'subscribe'
    this.#subscriber![operation](...routes).then(() => done(), this.#unless(done))
  }

  unsubscribe(routes: readonly string[], done: (error?: Error) => void): void {
    const operation = this.#sharded ? 'sunsubscribe' : 'unsubscribe'
    this.#subscriber![operation](...routes).then(() => done(), this.#unless(done))
  }

  close(): void {
    this.#over = true
    clearTimeout(this.#roleTimer)
    hangUp(this.#command)
    if (this.#subscriber !== undefined) hangUp(this.#subscriber)
  }

  #connect(connection: Redis): Redis {
    this.#missing++
    connection.on('error', (error: Error) => {
      this.#lastError = error
    })
    connection.on('ready', () => {
      this.#events.progress()
      if (--this.#missing === 0) void this.#checkRole(() => this.#events.up())
    })
    connection.on('end', () => this.#end(this.#lastError ?? new Error('Redis closed the connection')))
    // Its failure is told by 'error' and 'end'.
    connection.connect().catch(() => {})
    return connection
  }

  async #checkRole(isMaster: () => void): Promise<void> {
    const role = await roleOf(this.#command)
    if (this.#over) return
    if (role === 'slave' || role === 'replica') return this.#end(new Error('Redis is a replica, not the master'))
    isMaster()
    if (role === undefined || this.#over) return
    this.#roleTimer = setTimeout(() => void this.#checkRole(() => {}), ROLE_MS)
  }

  /** A reply of the server about itself. What is no reply is the end of the connection, which tells of itself. */
  #failed(error: Error): void {
    if (OF_SERVER.test(error.message)) this.#end(error)
  }

  #unless(done: (error: Error) => void): (error: Error) => void {
    return (error) => (isOfCommand(error) ? done(error) : this.#failed(error))
  }

  #end(error: Error): void {
    if (this.#over) return
    this.close()
    this.#events.down(error)
  }
}

function isOfCommand(error: Error): boolean {
  return error.name === 'ReplyError' && !OF_SERVER.test(error.message)
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes)
}
