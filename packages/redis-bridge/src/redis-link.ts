// A link over ioredis, to one Redis or the master that Sentinels name: a connection for commands and one for the
// subscriptions. Nothing of ioredis's own recovery is used: it would send commands twice, hide outages, and come back
// to a node that is no master any more.

import type { Redis, RedisOptions } from 'ioredis'
import type { Link, LinkEvents, OpenLink, Outgoing } from './link.ts'

/** What a connection can be told. Replies are read in one shape only. */
export type ConnectionOptions = Omit<RedisOptions, 'replyMapping'>

/** What must not be as the user's client has it. */
export const OVERRIDES: ConnectionOptions = {
  lazyConnect: true,
  retryStrategy: null,
  reconnectOnError: null,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  enableOfflineQueue: false,
  enableAutoPipelining: false,
  maxRetriesPerRequest: null,
  // INFO need not be allowed; a Redis that is loading refuses PUBLISH, and is tried again.
  enableReadyCheck: false,
  disableClientInfo: true,
  // What is published on a replica stays there.
  role: 'master',
  keyPrefix: '',
  monitor: false,
  noDelay: true,
}

/** How a connection is made; the bridge's overrides are in the options given. */
export type MakeRedis = (overrides: ConnectionOptions) => Redis

/** How a link uses its connections. */
export interface LinkUse {
  /** Has a subscriber connection. */
  subscribes: boolean
  /** Sharded pub/sub: of one shard of a cluster. */
  sharded: boolean
}

/** Opens links to one Redis. */
export function redisLinks(
  makeRedis: MakeRedis,
  subscribes: boolean,
  overrides: ConnectionOptions = OVERRIDES,
): OpenLink {
  return (events) => new RedisLink(() => makeRedis(overrides), { subscribes, sharded: false }, events)
}

/** A command connection and, if it subscribes, a subscriber connection. */
export class RedisLink implements Link {
  readonly #command: Redis
  readonly #subscriber: Redis | undefined
  readonly #sharded: boolean
  readonly #events: LinkEvents
  #missing = 0
  #over = false
  #lastError: Error | undefined

  constructor(makeRedis: () => Redis, { subscribes, sharded }: LinkUse, events: LinkEvents) {
    this.#events = events
    this.#sharded = sharded
    this.#command = this.#connect(makeRedis())
    this.#subscriber = subscribes ? this.#connect(makeRedis()) : undefined
    this.#subscriber?.on(sharded ? 'smessageBuffer' : 'messageBuffer', (redisChannel: Buffer, bytes: Buffer) => {
      if (!this.#over) this.#events.message(redisChannel.toString(), bytes)
    })
    // A slot has moved to another node, with the subscriptions to it.
    this.#subscriber?.on('moved', () => {
      this.#lastError = new Error('the cluster has moved a slot')
      this.#end()
    })
  }

  publish(commands: readonly Outgoing[], done: (error?: Error) => void): void {
    const publish = this.#sharded ? 'spublish' : 'publish'
    if (commands.length === 1) {
      const { redisChannel, bytes } = commands[0]!
      this.#command[publish](redisChannel, asBuffer(bytes)).then(() => done(), done)
      return
    }
    const pipeline = this.#command.pipeline()
    for (const { redisChannel, bytes } of commands) pipeline[publish](redisChannel, asBuffer(bytes))
    pipeline.exec().then((results) => {
      const refused = results?.find(([error]) => error !== null)
      done(refused?.[0] ?? undefined)
    }, done)
  }

  subscribe(redisChannels: readonly string[], done: (error?: Error) => void): void {
    this.#subscriber![this.#sharded ? 'ssubscribe' : 'subscribe'](...redisChannels).then(() => done(), done)
  }

  unsubscribe(redisChannels: readonly string[], done: (error?: Error) => void): void {
    this.#subscriber![this.#sharded ? 'sunsubscribe' : 'unsubscribe'](...redisChannels).then(() => done(), done)
  }

  close(): void {
    this.#over = true
    hangUp(this.#command)
    if (this.#subscriber !== undefined) hangUp(this.#subscriber)
  }

  #connect(connection: Redis): Redis {
    this.#missing++
    connection.on('error', (error: Error) => {
      this.#lastError = error
    })
    connection.on('ready', () => {
      if (--this.#missing === 0 && !this.#over) this.#events.up()
    })
    connection.on('end', () => this.#end())
    // Its failure is told by 'error' and 'end'.
    connection.connect().catch(() => {})
    return connection
  }

  #end(): void {
    if (this.#over) return
    this.close()
    this.#events.down(this.#lastError ?? new Error('Redis closed the connection'))
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes)
}

/** Ends a connection now: ioredis alone would wait two seconds for a peer that does not answer. */
function hangUp(connection: Redis): void {
  connection.disconnect()
  connection.stream?.destroy()
}
