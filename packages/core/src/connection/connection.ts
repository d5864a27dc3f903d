// Edge: one TCP connection with its Protocol. Its reading half is reader.ts, its writing half send-queue.ts, what users
// hold of it socket.ts; whatever ends it comes to `onStreamClose`, which calls `closed` exactly once.

import type { AsyncResource } from 'node:async_hooks'
import type { Buffer } from 'node:buffer'
import type { Socket as TcpSocket } from 'node:net'
import type { Handler, ReadyState, WriteResult } from '../handler.ts'
import { assertClose, CloseCode } from '../protocol/close.ts'
import { ProtocolError, policyViolation } from '../protocol/errors.ts'
import { Framed, frameBytes, type Opcode, type Payload, pingFrame } from '../protocol/framed.ts'
import type { Deflater } from '../protocol/permessage-deflate.ts'
import type { MessageEvent, ProtocolEvent } from '../protocol/protocol.ts'
import type { Accepted, Member, ServerContext } from '../server/context.ts'
import type { ErrorWhere } from '../server/options.ts'
import { callSafely } from './call-safely.ts'
import { type Cause, Ending, lost } from './ending.ts'
import { PeerClock } from './peer-clock.ts'
import { Reader, type ReadOwner } from './reader.ts'
import { type QueueOwner, SendQueue } from './send-queue.ts'
import { ConnectionSocket, type SocketOwner } from './socket.ts'
import type { Sink } from './wire.ts'

const NONE: readonly { readonly listener: () => void }[] = []
const IDLE_PING = pingFrame('')

export class Connection<S> implements SocketOwner, ReadOwner<S>, QueueOwner, Sink, Member<S> {
  readonly socket: ConnectionSocket<S>
  readonly address: string
  readonly handler: Handler<unknown, S>
  readonly #context: ServerContext<S>
  readonly #stream: TcpSocket
  readonly #reader: Reader<S>
  readonly #queue: SendQueue
  readonly #clock: PeerClock
  readonly #deflater: Deflater | null
  /** The asynchronous context of the upgrade; null: `closed` has been called. */
  #scope: AsyncResource | null
  #readyState: ReadyState = 'open'
  #closingListeners = NONE
  /** A write said 'backpressure', and something has waited since. */
  #crossed = false
  #ending: Ending | null = null

  constructor(context: ServerContext<S>, stream: TcpSocket, accepted: Accepted<S>) {
    this.#context = context
    this.#stream = stream
    this.socket = new ConnectionSocket(this, accepted)
    this.address = accepted.remoteAddress
    this.handler = accepted.handler
    this.#scope = accepted.scope
    this.#deflater = accepted.deflater
    this.#reader = new Reader(context, this, stream, accepted.clientWindowBytes)
    this.#queue = new SendQueue(context, stream, this)
    this.#clock = new PeerClock(context.heartbeat.now)
    context.counters.sockets++
  }

  /** Sends the 101, calls `opened`, and begins to read, first what came with the handshake. */
  open(response: Buffer, received: Buffer): void {
    this.#queue.append(response)
    this.#context.counters.opened(this.socket)
    this.#reader.opened()
    if (received.length > 0) this.onBytes(received)
    this.#reader.readOn()
  }

  get readyState(): ReadyState {
    return this.#readyState
  }

  get bufferedBytes(): number {
    return this.#queue.bufferedBytes
  }

  get heldBytes(): number {
    return this.#reader.heldBytes + this.#queue.heldBytes
  }

  get resting(): boolean {
    return this.#reader.resting
  }

  write(data: Payload | Framed, opcode: Opcode | undefined): WriteResult {
    const framed = data instanceof Framed
    if (!framed && this.#deflater === null && this.#readyState === 'open' && this.#queue.appendSmall(data, opcode)) {
      this.#context.counters.messagesOut++
      return 'ok'
    }
    let bytes = framed ? data.bytes : frameBytes(data, opcode)
    if (this.#readyState !== 'open') return 'closed'
    if (this.#deflater !== null) bytes = framed ? data.deflated(this.#deflater) : this.#deflater.deflate(bytes)
    if (!this.#queue.fits(bytes)) return this.#slowConsumer()
    this.#queue.append(bytes)
    this.#context.counters.messagesOut++
    return this.#accepted(bytes)
  }

  ping(payload: string | ArrayBufferView): WriteResult {
    const bytes = pingFrame(payload)
    if (this.#readyState !== 'open') return 'closed'
    if (!this.#queue.appendPing(bytes)) return 'dropped'
    this.#clock.pinged()
    return this.#accepted(bytes)
  }

  close(code: number, reason = ''): void {
    assertClose(code, reason)
    if (this.#readyState !== 'open') return
    this.#end({ code, reason, by: 'server' }).closeSent = true
    this.#queue.append(this.#reader.close(code, reason))
    this.#leaveOpen()
  }

  terminate(): void {
    this.#destroy({ ...lost(), by: 'server' })
  }

  pause(): void {
    this.#reader.pause()
  }

  resume(): void {
    this.#reader.resume()
  }

  onClosing(listener: () => void): () => void {
    if (typeof listener !== 'function') throw new TypeError('onClosing needs a function')
    const own = { listener }
    if (this.#readyState !== 'open') {
      void this.#callUser(listener, 'onClosing')
      return () => {}
    }
    this.#closingListeners = this.#closingListeners.concat(own)
    return () => {
      this.#closingListeners = this.#closingListeners.filter((one) => one !== own)
    }
  }

  /** Closes with 1013 and lets go of everything held. One that was told before and still holds, is ended. */
  shed(): void {
    if (this.#readyState !== 'open') return this.onStreamError()
    this.#queue.discard()
    this.#reader.fail(new ProtocolError('server is short of memory', CloseCode.TRY_AGAIN_LATER, '', 'maxTotalBytes'))
  }

  tick(now: number, elapsed: number): void {
    const { limits, counters } = this.#context
    this.#reader.tick(elapsed)
    if (this.#ending !== null) {
      const over = this.#ending.over(now, this.#queue, this.#stream, limits)
      if (over === 'late') counters.limitHit('closeTimeoutMs', this.socket)
      if (over === 'gone') this.onStreamClose()
      else if (over !== null) this.onStreamError()
    } else if (this.#reader.overdue(now)) {
      this.#reader.fail(policyViolation('message took too long', 'messageTimeoutMs'))
    } else {
      if (this.#clock.isQuiet(now)) this.#reader.release()
      const due = this.#clock.tick(now, elapsed, this.#reader.holding ? null : this.#queue, limits)
      if (due === null) return
      if (due === 'lost') counters.limitHit('pongTimeoutMs', this.socket)
      // Whoever else destroyed it may have told nobody.
      if (due === 'lost' || this.#stream.destroyed) this.onStreamError(this.#stream.errored)
      else if (this.#queue.appendPing(IDLE_PING)) this.#clock.pinged()
    }
  }

  onBytes(chunk: Buffer): void {
    if (this.#readyState === 'closed') return
    this.#context.counters.bytesIn += chunk.length
    this.#clock.heard(this.#context.heartbeat.now)
    this.#reader.receive(chunk)
    this.#context.outbox.readHandled()
  }

  onStreamEnd(): void {
    this.#reader.receiveEnd()
  }

  /** The peer ended its side: without its Close before, the connection is lost. */
  onReadEnd(): void {
    if (this.#ending === null || this.#ending.awaitsClose) this.onStreamError()
  }

  /** Nothing more comes or goes: what is left of TCP ends. */
  onStreamError(error?: Error | null): void {
    this.#destroy(lost(error))
  }

  /** The one way out: TCP is gone. */
  onStreamClose(error?: Error): void {
    if (this.#readyState === 'closed') return
    const ending = this.#end(lost(error))
    this.#leaveOpen()
    const info = ending.info(this.#queue.bufferedBytes === 0)
    this.#readyState = 'closed'
    this.#queue.abandon()
    this.#reader.discard()
    this.#context.counters.closed(this.socket, info)
    const told = this.#callUser(() => this.handler.closed?.(this.socket, info), 'closed')
    this.#scope = null
    this.#context.forget(this, told)
  }

  onQueueEmpty(): void {
    if (!this.#crossed || this.#readyState !== 'open') return
    this.#crossed = false
    this.#reader.drained()
  }

  isDrained(): boolean {
    this.#context.outbox.flushOne(this.#queue)
    this.#crossed = this.#queue.bufferedBytes > 0
    return !this.#crossed
  }

  onCallbackError(error: unknown, where: ErrorWhere): void {
    this.#context.report(error, where, this.socket)
    this.close(CloseCode.INTERNAL_ERROR)
  }

  onControl(event: Exclude<ProtocolEvent, MessageEvent>): void {
    if (event.type === 'close') {
      const ending = this.#end({ code: event.code, reason: event.reason, by: 'peer' })
      ending.closeReceived = true
      this.#finish(ending, event.owed)
    } else if (event.type === 'failure') {
      const { code, message, limit } = event.error
      if (limit !== undefined) this.#context.counters.limitHit(limit, this.socket)
      this.#finish(this.#end({ code, reason: message, by: 'server' }), event.owed)
    } else if (event.type === 'pong' && this.#clock.answered()) {
      return
    } else if (!this.#clock.mayControl(this.#context.heartbeat, this.#context.limits)) {
      this.#reader.fail(policyViolation('too many control frames', 'maxControlFramesPerSecond'))
    } else if (event.type === 'ping' && this.#readyState === 'open') {
      this.#queue.appendPong(event.owed)
    }
  }

  inContext<T, R>(work: (this: T) => R, self: T): R {
    return (this.#scope ?? this.#context.scope).runInAsyncScope(work, self)
  }

  #accepted({ length }: Buffer): 'ok' | 'backpressure' {
    if (!this.#queue.refusedBefore(length)) return 'ok'
    this.#crossed = true
    this.#reader.notDrained()
    return 'backpressure'
  }

  #slowConsumer(): WriteResult {
    if (this.#readyState !== 'open') return 'closed'
    const { counters, limits } = this.#context
    counters.limitHit('maxBufferedBytes', this.socket)
    if (limits.slowConsumer === 'drop') {
      counters.dropped++
      return 'dropped'
    }
    // What the kernel has is a prefix without holes; the rest is discarded, the Close frame follows.
    this.#queue.discard()
    this.close(CloseCode.SLOW_CONSUMER, 'slow consumer')
    return 'closed'
  }

  #end(cause: Cause): Ending {
    return (this.#ending ??= new Ending(cause, this.#context.heartbeat.now))
  }

  /** What is owed goes out, then our side of TCP ends. RFC 6455 §7.1.1. */
  #finish(ending: Ending, owed: Buffer | null): void {
    ending.closeSent = true
    ending.finish(this.#context.heartbeat.now)
    this.#queue.end(owed)
    this.#leaveOpen()
  }

  #destroy(cause: Cause): void {
    const ending = this.#end(cause)
    if (this.#readyState === 'closed' || ending.destroyedAt > 0) return
    ending.destroyedAt = this.#context.heartbeat.now
    this.#leaveOpen()
    this.#stream.destroy(cause.cause)
  }

  /** Leaves the open state, once: registries forget the socket at this moment. */
  #leaveOpen(): void {
    if (this.#readyState !== 'open') return
    this.#readyState = 'closing'
    this.#context.counters.sockets--
    for (const one of this.#closingListeners) {
      if (this.#closingListeners.includes(one)) void this.#callUser(one.listener, 'onClosing')
    }
    this.#closingListeners = NONE
    // The peer's Close may already be here, behind a message that was held.
    this.#reader.pump()
  }

  #callUser(work: () => unknown, where: ErrorWhere): Promise<void> | undefined {
    return this.inContext(() => callSafely(work, (error) => this.#context.report(error, where, this.socket)), undefined)
  }
}
