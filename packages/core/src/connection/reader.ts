// The reading half of one socket: bytes → Protocol → the handler, one callback at a time. While a callback's promise is
// pending, or the user paused, the next message is held and reading stops, so that a flood waits in the kernel and not
// here. Control frames before that message are still answered.
//
// One read may hold thousands of messages, or a few that inflate to megabytes: after `sliceMs` of them the rest waits for
// the next turn, so that other sockets get theirs. So does what the kernel has beyond a full read: libuv would read on and
// on from one socket that sends faster than it is read.

import type { Buffer } from 'node:buffer'
import type { Socket as TcpSocket } from 'node:net'
import type { Socket } from '../handler.ts'
import type { ProtocolError } from '../protocol/errors.ts'
import type { MessageEvent, Protocol, ProtocolEvent, ProtocolPool } from '../protocol/protocol.ts'
import type { ServerContext } from '../server/context.ts'
import type { ErrorWhere } from '../server/options.ts'
import { readOn } from './wire.ts'

/** The connection that is read. */
export interface ReadOwner<S> extends Socket<S> {
  /** A ping, a pong, the peer's Close or a failure: its answer is the connection's to send. */
  onControl(event: Exclude<ProtocolEvent, MessageEvent>): void
  /** A callback threw or rejected. */
  onCallbackError(error: unknown, where: ErrorWhere): void
}

/** How many bytes are delivered between two looks at the clock; each message counts for some, an inflated one for all:
 * looking is nothing beside what zlib does, and a few bytes can cost a millisecond. */
const BYTES_PER_LOOK = 65_536
const BYTES_PER_MESSAGE = 1024

/** The largest reads that node makes, plain and over TLS (one record): more is waiting. */
const FULL_READ_BYTES = 65_536
const FULL_RECORD_BYTES = 16_384

export class Reader<S> {
  readonly #context: ServerContext<S>
  readonly #owner: ReadOwner<S>
  readonly #stream: TcpSocket
  readonly #protocols: ProtocolPool
  readonly #clientWindowBytes: number
  /** null: nothing is under way. */
  #protocol: Protocol | null = null
  /** The message that waits for a callback, or for `resume`. */
  #held: MessageEvent | null = null
  /** A callback's promise is pending. */
  #busy = false
  #paused = false
  #streamPaused = false
  #pumping = false
  /** It has had its share of this turn. */
  #yielding = false
  /** It was read in full, and is not read on in this turn. */
  resting = false
  #drainedDue = false
  #heldBytes = 0
  /** When the message under way began, in the heartbeat's time; 0: none is. */
  #messageSince = 0

  /** @param clientWindowBytes null: permessage-deflate was not negotiated. */
  constructor(context: ServerContext<S>, owner: ReadOwner<S>, stream: TcpSocket, clientWindowBytes: number | null) {
    this.#context = context
    this.#owner = owner
    this.#stream = stream
    this.#protocols = clientWindowBytes === null ? context.protocols.plain : context.protocols.deflate
    this.#clientWindowBytes = clientWindowBytes ?? 0
  }

  get #begun(): Protocol {
    this.#protocol ??= this.#protocols.take(this.#clientWindowBytes)
    return this.#protocol
  }

  /** Are bytes being read? When not, that is our doing, and the peer's clocks stand still. */
  get reading(): boolean {
    return !this.#streamPaused
  }

  /** Bytes of unfinished input in memory. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Takes what was read. */
  receive(chunk: Buffer): void {
    this.#begun.receive(chunk)
    const { length } = chunk
    if (length >= FULL_READ_BYTES || (length >= FULL_RECORD_BYTES && 'encrypted' in this.#stream)) this.#rest()
    this.pump()
  }

  /** Calls `opened`. */
  opened(): void {
    this.#run('opened', null)
  }

  /** Calls `drained` when its turn comes. */
  drained(): void {
    this.#drainedDue = true
    this.pump()
  }

  /** Something waits again: a `drained` that is due is not true any more. */
  notDrained(): void {
    this.#drainedDue = false
  }

  pause(): void {
    this.#paused = true
    this.#steer()
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    // A held message is delivered from here on, but never within the call of `resume`.
    queueMicrotask(() => this.pump())
  }

  /** The frame that begins our side of the closing handshake. */
  close(code: number, reason: string): Buffer {
    return this.#begun.close(code, reason)
  }

  /** Fails the connection for a reason that is not in its bytes. */
  fail(error: ProtocolError): void {
    this.#owner.onControl(this.#begun.fail(error))
    this.#account()
  }

  /** Nothing is read any more. */
  discard(): void {
    this.#held = null
    this.#protocol?.discard()
    this.#account()
  }

  /** Has the message under way taken longer than `messageTimeoutMs`? */
  overdue(now: number): boolean {
    return this.#messageSince > 0 && now - this.#messageSince >= this.#context.limits.messageTimeoutMs
  }

  /** The message clock stood still for so long. */
  shiftClock(elapsed: number): void {
    if (this.#messageSince > 0) this.#messageSince += elapsed
  }

  /** Takes events out of the protocol, as long as nothing holds the next message back. */
  pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    let unlooked = 0
    let sliceEnd = Number.POSITIVE_INFINITY
    for (;;) {
      const open = this.#owner.readyState === 'open'
      if (unlooked >= BYTES_PER_LOOK) {
        unlooked = 0
        const now = performance.now()
        if (now >= sliceEnd) this.#yield()
        else if (sliceEnd === Number.POSITIVE_INFINITY) sliceEnd = now + this.#context.limits.sliceMs
      }
      const blocked = this.#busy || this.#paused || this.#yielding
      if (open && !this.#busy && this.#drainedDue) {
        this.#drainedDue = false
        this.#run('drained', null)
        continue
      }
      const event: ProtocolEvent | null = this.#held ?? this.#protocol?.next() ?? null
      if (event === null) break
      if (event.type !== 'message') {
        if ((event.type === 'ping' || event.type === 'pong') && !this.#protocol?.midMessage) this.#messageSince = 0
        this.#owner.onControl(event)
      } else if (open && blocked) {
        this.#held = event
        break
      } else {
        this.#held = null
        this.#messageSince = 0
        unlooked += event.inflated ? BYTES_PER_LOOK : event.data.length + BYTES_PER_MESSAGE
        // After our own Close, messages are read past, in search of the peer's.
        if (open) this.#run('message', event)
      }
    }
    this.#pumping = false
    if (this.#protocol?.blank) {
      this.#protocols.give(this.#protocol)
      this.#protocol = null
    }
    if (!this.#protocol?.midway) this.#messageSince = 0
    else if (this.#messageSince === 0) this.#messageSince = this.#context.heartbeat.now
    this.#account()
    this.#steer()
  }

  #rest(): void {
    if (this.resting) return
    this.resting = true
    setImmediate(() => {
      this.resting = false
      if (!this.#streamPaused) readOn(this.#stream)
    })
  }

  #yield(): void {
    this.#yielding = true
    setImmediate(() => {
      this.#yielding = false
      this.pump()
    })
  }

  #run(where: 'opened' | 'message' | 'drained', message: MessageEvent | null): void {
    const { handler, counters } = this.#context
    try {
      let result: unknown
      if (message !== null) {
        counters.messagesIn++
        result = handler.message(this.#owner, message.data, message.opcode)
      } else {
        result = where === 'opened' ? handler.opened?.(this.#owner) : handler.drained?.(this.#owner)
      }
      if (isThenable(result)) this.#await(result, where)
    } catch (error) {
      this.#owner.onCallbackError(error, where)
    }
  }

  #await(pending: PromiseLike<unknown>, where: ErrorWhere): void {
    this.#busy = true
    Promise.resolve(pending)
      .catch((error: unknown) => this.#owner.onCallbackError(error, where))
      .finally(() => {
        this.#busy = false
        this.pump()
      })
  }

  /** Reads, or stops reading, as the state wants it. */
  #steer(): void {
    const stop = (this.#paused || this.#held !== null) && this.#owner.readyState === 'open'
    if (stop === this.#streamPaused) return
    this.#streamPaused = stop
    if (stop) this.#stream.pause()
    else if (!this.resting) readOn(this.#stream)
  }

  /** Keeps the server's account of unfinished input. */
  #account(): void {
    const held = (this.#protocol?.heldBytes ?? 0) + (this.#held?.data.length ?? 0)
    if (held === this.#heldBytes) return
    this.#context.pressure.input(held - this.#heldBytes)
    this.#heldBytes = held
  }
}

/** Is it a promise, or something like one? */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
