// A link to one Redis: a connection for commands and, if it subscribes, one for the subscriptions. Each command settles by
// its own reply. What Redis says of itself rather than of a command (that it is loading, that it is no master any more)
// ends the link. Redis ends the connection for commands on a message that is too large for it; that one alone is made
// anew, at the same address, and must be to a master as the first was.

import type { Redis } from 'ioredis'
import type { Link, LinkEvents, PublishReply, RoutedMessage } from '../bus/link.ts'
import { type ConnectionOptions, hangUp, type MakeRedis, OVERRIDES, roleOf } from './connection.ts'
import { runScript } from './run-script.ts'

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

/** What Redis says of itself that only concerns what writes: publishing goes on, a call is refused. */
const OF_WRITES = /^(MISCONF|NOREPLICAS|OOM)\b/

/** Errors of the channel: no part of the message would fare better. */
const OF_CHANNEL = /^NOPERM\b/

export class RedisLink implements Link {
  readonly #make: () => Redis
  #command: Redis
  readonly #subscriber: Redis | undefined
  readonly #sharded: boolean
  readonly #events: LinkEvents
  /** Connections that are not ready yet. */
  #missing: number
  #isUp = false
  /** Of the connections only the one for commands has ended, and there is no other yet. */
  #isCut = false
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
    this.#missing = subscribes ? 2 : 1
    this.#make = () => makeRedis({ ...OVERRIDES, ...where })
    this.#command = this.#connect(() => this.#up())
    this.#subscriber = subscribes ? this.#connect(() => this.#up()) : undefined
    this.#subscriber?.on(sharded ? 'smessageBuffer' : 'messageBuffer', (redisChannel: Buffer, bytes: Buffer) => {
      if (!this.#over) this.#events.message(redisChannel.toString(), bytes)
    })
    // A slot has moved to another node, with the subscriptions to it.
    this.#subscriber?.on('moved', () => this.#end(new Error('the cluster has moved a slot'), true))
  }

  publish(messages: readonly RoutedMessage[], replied: (index: number, reply: PublishReply) => void): void {
    const publish = this.#sharded ? 'spublish' : 'publish'
    this.#command.stream?.cork()
    messages.forEach(({ route, bytes, call }, index) => {
      if (call !== undefined) {
        const answered = (answer: unknown): void => replied(index, { answer })
        runScript(this.#command, call).then(answered, (error: Error) => {
          if (isOfCommand(error) || OF_WRITES.test(error.message)) replied(index, { refused: error, divisible: false })
          else this.#failed(error)
        })
        return
      }
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

  mend(): void {
    if (this.#over) return
    this.#lastError = undefined
    this.#command = this.#connect(() => {
      void this.#checkRole(() => {
        this.#isCut = false
        this.#events.mended()
      })
    })
  }

  close(): void {
    this.#over = true
    clearTimeout(this.#roleTimer)
    hangUp(this.#command)
    if (this.#subscriber !== undefined) hangUp(this.#subscriber)
  }

  #connect(ready: () => void): Redis {
    const connection = this.#make()
    connection.on('error', (error: Error) => {
      this.#lastError = error
    })
    connection.on('ready', () => {
      this.#events.progress()
      ready()
    })
    connection.on('end', () => {
      if (this.#isUp && !this.#isCut && connection === this.#command) this.#cut()
      else this.#end(this.#lastError ?? new Error('Redis closed the connection'))
    })
    // Its failure is told by 'error' and 'end'.
    connection.connect().catch(() => {})
    return connection
  }

  #up(): void {
    if (--this.#missing > 0) return
    void this.#checkRole(() => {
      this.#isUp = true
      this.#events.up()
    })
  }

  #cut(): void {
    if (this.#over) return
    this.#isCut = true
    clearTimeout(this.#roleTimer)
    this.#events.cut()
  }

  async #checkRole(isMaster: () => void): Promise<void> {
    const command = this.#command
    const role = await roleOf(command)
    // What a connection that has ended does not say, the next one is asked.
    if (this.#over || command !== this.#command || command.status !== 'ready') return
    if (role === 'slave' || role === 'replica') return this.#end(new Error('Redis is a replica, not the master'), true)
    isMaster()
    if (role === undefined || this.#over) return
    this.#roleTimer = setTimeout(() => void this.#checkRole(() => {}), ROLE_MS)
  }

  /** A reply of the server about itself. What is no reply is the end of the connection, which tells of itself. */
  #failed(error: Error): void {
    if (OF_SERVER.test(error.message)) this.#end(error, true)
  }

  #unless(done: (error: Error) => void): (error: Error) => void {
    return (error) => (isOfCommand(error) ? done(error) : this.#failed(error))
  }

  #end(error: Error, isExplained = false): void {
    if (this.#over) return
    this.close()
    this.#events.down(error, isExplained)
  }
}

function isOfCommand(error: Error): boolean {
  return error.name === 'ReplyError' && !OF_SERVER.test(error.message)
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes)
}
