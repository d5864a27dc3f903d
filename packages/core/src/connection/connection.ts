// Edge: one TCP connection with its Protocol, and the `Socket` that handlers and registries hold. Its reading half is
// reader.ts, its writing half send-queue.ts; here are its state, its clocks and its end: whatever ends it comes to
// `onStreamClose`, which calls `closed` exactly once.

import type { Buffer } from 'node:buffer'
import type { Socket as TcpSocket } from 'node:net'
import type { CloseInfo, ReadyState, Socket, WriteResult } from '../handler.ts'
import type { Limits } from '../limits.ts'
import { assertClose, CloseCode } from '../protocol/close.ts'
import { ProtocolError } from '../protocol/errors.ts'
import { Framed, frameBytes, type Opcode, type Payload, pingFrame } from '../protocol/framed.ts'
import type { Deflater } from '../protocol/permessage-deflate.ts'
import type { MessageEvent, ProtocolEvent } from '../protocol/protocol.ts'
import type { Accepted, ServerContext } from '../server/context.ts'
import { type Beating, LINGER_MS } from '../server/heartbeat.ts'
import type { ErrorWhere } from '../server/options.ts'
import type { Holder } from '../server/pressure.ts'
import { TokenBucket } from './rate.ts'
import { isThenable, Reader, type ReadOwner } from './reader.ts'
import { type QueueOwner, SendQueue } from './send-queue.ts'
import { readOn } from './wire.ts'

/** In an object of its own, as one function may be given twice. */
type ClosingListener = { readonly listener: () => void }

const NONE: readonly ClosingListener[] = []
const IDLE_PING = pingFrame('')
const LOST: CloseInfo = { code: CloseCode.ABNORMAL, reason: '', by: 'network' }
const TERMINATED: CloseInfo = { ...LOST, by: 'server' }

export class Connection<S> implements Socket<S>, ReadOwner<S>, QueueOwner, Beating, Holder {
  state: S
  readonly path: string
  readonly remoteAddress: string
  readonly subprotocol: string
  readonly #context: ServerContext<S>
  readonly #stream: TcpSocket
  readonly #reader: Reader<S>
  readonly #queue: SendQueue
  readonly #deflater: Deflater | null
  #readyState: ReadyState = 'open'
  #closingListeners: readonly ClosingListener[] = NONE
  /** A write said 'backpressure', and the queue has not been empty since. */
  #crossed = false
  #controlRate: TokenBucket | null = null

  #lastByteAt: number // like the two below in the heartbeat's time; 0: not running
  #pingedAt = 0
  #deadline = 0

  // What `closed` will be told, and whether our Close still waits for the peer's.
  #info: CloseInfo | null = null
  #awaitingClose = false

  constructor(context: ServerContext<S>, stream: TcpSocket, accepted: Accepted<S>) {
    this.#context = context
    this.#stream = stream
    this.state = accepted.state
    this.path = accepted.path
    this.remoteAddress = accepted.remoteAddress
    this.subprotocol = accepted.subprotocol
    this.#deflater = accepted.deflater
    this.#reader = new Reader(context, this, stream, accepted.clientWindowBytes)
    this.#queue = new SendQueue(context, stream, this)
    this.#lastByteAt = context.heartbeat.now
    context.counters.sockets++
  }

  /** Sends the 101, calls `opened`, and begins to read, first what came with the handshake. */
  open(response: Buffer, received: Buffer): void {
    this.#queue.push(response)
    this.#context.counters.opened(this)
    this.#reader.opened()
    if (received.length > 0) this.onBytes(received)
    if (this.#reader.reading) readOn(this.#stream)
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

  write(data: Payload | Framed, opcode?: Opcode): WriteResult {
    const framed = data instanceof Framed
    if (!framed && this.#deflater === null && this.#readyState === 'open' && this.#queue.offerSmall(data, opcode)) {
      this.#context.counters.messagesOut++
      return 'ok'
    }
    let bytes = framed ? data.bytes : frameBytes(data, opcode)
    if (this.#readyState !== 'open') return 'closed'
    if (this.#deflater !== null) bytes = framed ? data.deflated(this.#deflater) : this.#deflater.deflate(bytes)
    const result = this.#queue.offer(bytes)
    if (result === 'over') return this.#slowConsumer()
    if (result === 'backpressure') {
      this.#crossed = true
      this.#reader.notDrained()
    }
    this.#context.counters.messagesOut++
    return result
  }

  ping(payload: string | Uint8Array = ''): WriteResult {
    const bytes = pingFrame(payload)
    if (this.#readyState !== 'open') return 'closed'
    if (!this.#queue.offerPing(bytes)) return 'dropped'
    return this.#queue.refused ? 'backpressure' : 'ok'
  }

  close(code: number = CloseCode.NORMAL, reason = ''): void {
    assertClose(code, reason)
    if (this.#readyState !== 'open') return
    this.#awaitingClose = true
    this.#deadline = this.#context.heartbeat.now + this.#context.limits.closeTimeoutMs
    this.#queue.push(this.#reader.close(code, reason))
    this.#leaveOpen({ code, reason, by: 'server' })
  }

  terminate(): void {
    if (this.#readyState === 'closed') return
    if (this.#awaitingClose) this.#info = TERMINATED
    this.#awaitingClose = false
    if (this.#readyState === 'open') this.#leaveOpen(TERMINATED)
    this.#stream.destroy()
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
      this.#callClosing(own)
      return () => {}
    }
    this.#closingListeners = this.#closingListeners.concat(own)
    return () => {
      this.#closingListeners = this.#closingListeners.filter((one) => one !== own)
    }
  }

  /** Closes with 1013 and lets go of everything held: the server is short of memory. One that was told before and still
   * holds, as its peer takes nothing, is ended. */
  shed(): void {
    if (this.#readyState !== 'open') return void this.#stream.destroy()
    this.#queue.discard()
    this.#reader.fail(new ProtocolError('server is short of memory', CloseCode.TRY_AGAIN_LATER, '', 'maxTotalBytes'))
  }

  tick(now: number, elapsed: number): void {
    if (this.#readyState !== 'open') {
      if (now < this.#deadline) return
      if (this.#awaitingClose) this.#context.counters.limitHit('closeTimeoutMs', this)
      this.#stream.destroy()
    } else if (!this.#reader.reading) {
      this.#lastByteAt += elapsed
      if (this.#pingedAt > 0) this.#pingedAt += elapsed
      this.#reader.shiftClock(elapsed)
      this.#controlRate ??= new TokenBucket(this.#context.limits.maxControlFramesPerSecond)
      this.#controlRate.credit(elapsed)
    } else if (this.#reader.overdue(now)) {
      this.#reader.fail(policy('message took too long', 'messageTimeoutMs'))
    } else if (this.#pingedAt > 0) {
      if (now - this.#pingedAt < this.#context.limits.pongTimeoutMs) return
      this.#context.counters.limitHit('pongTimeoutMs', this)
      this.#stream.destroy()
    } else if (now - this.#lastByteAt >= this.#context.limits.idleTimeoutMs) {
      this.#pingedAt = now
      this.#queue.offerPing(IDLE_PING)
    }
  }

  get resting(): boolean {
    return this.#reader.resting
  }

  onBytes(chunk: Buffer): void {
    this.#context.counters.bytesIn += chunk.length
    this.#lastByteAt = this.#context.heartbeat.now
    this.#pingedAt = 0
    this.#reader.receive(chunk)
    this.#context.outbox.readHandled()
  }

  /** The peer ended its side of TCP: without its Close before, the connection is lost. */
  onStreamEnd(): void {
    if (this.#readyState === 'open' || this.#awaitingClose) this.#stream.destroy()
  }

  /** The one way out: TCP is gone. */
  onStreamClose(): void {
    if (this.#readyState === 'closed') return
    if (this.#readyState === 'open') this.#leaveOpen(LOST)
    const info = this.#awaitingClose ? LOST : this.#info!
    this.#readyState = 'closed'
    this.#queue.abandon()
    this.#reader.discard()
    this.#context.counters.closed(this, info)
    try {
      const result = this.#context.handler.closed?.(this, { ...info })
      if (isThenable(result)) {
        Promise.resolve(result).catch((error: unknown) => this.#context.report(error, 'closed', this))
      }
    } catch (error) {
      this.#context.report(error, 'closed', this)
    }
    this.#context.forget(this)
  }

  onQueueEmpty(): void {
    if (!this.#crossed || this.#readyState !== 'open') return
    this.#crossed = false
    this.#reader.drained()
  }

  onCallbackError(error: unknown, where: ErrorWhere): void {
    this.#context.report(error, where, this)
    this.close(CloseCode.INTERNAL_ERROR)
  }

  onControl(event: Exclude<ProtocolEvent, MessageEvent>): void {
    if (event.type === 'close') {
      return this.#finish({ code: event.code, reason: event.reason, by: 'peer' }, event.owed)
    }
    if (event.type === 'failure') {
      const { code, message, limit } = event.error
      if (limit !== undefined) this.#context.counters.limitHit(limit, this)
      // A peer that breaks the protocol after our Close has not answered it.
      const unanswered = this.#awaitingClose
      this.#finish({ code, reason: message, by: 'server' }, event.owed)
      this.#awaitingClose = unanswered
      return
    }
    this.#controlRate ??= new TokenBucket(this.#context.limits.maxControlFramesPerSecond)
    if (!this.#controlRate.take()) {
      this.#reader.fail(policy('too many control frames', 'maxControlFramesPerSecond'))
    } else if (event.type === 'ping' && this.#readyState === 'open') {
      this.#queue.offerPong(event.owed)
    }
  }

  /** Nothing more comes from the peer: what is owed goes out, then our side of TCP ends. RFC 6455 §7.1.1. */
  #finish(info: CloseInfo, owed: Buffer | null): void {
    this.#awaitingClose = false
    const { limits, heartbeat } = this.#context
    this.#deadline = heartbeat.now + (this.#queue.refused ? Math.max(limits.closeTimeoutMs, LINGER_MS) : LINGER_MS)
    this.#queue.end(owed)
    if (this.#readyState === 'open') this.#leaveOpen(info)
  }

  #slowConsumer(): WriteResult {
    const { counters, limits } = this.#context
    counters.limitHit('maxBufferedBytes', this)
    if (limits.slowConsumer === 'drop') {
      counters.dropped++
      return 'dropped'
    }
    // What the kernel has is a prefix without holes; the rest is discarded, the Close frame follows.
    this.#queue.discard()
    this.close(CloseCode.SLOW_CONSUMER, 'slow consumer')
    return 'closed'
  }

  /** Leaves the open state, once: registries forget the socket at this moment. */
  #leaveOpen(info: CloseInfo): void {
    this.#readyState = 'closing'
    this.#info = info
    this.#context.counters.sockets--
    // One of them may take another back.
    for (const one of this.#closingListeners) if (this.#closingListeners.includes(one)) this.#callClosing(one)
    this.#closingListeners = NONE
    // The peer's Close may already be here, behind a message that was held.
    this.#reader.pump()
  }

  #callClosing({ listener }: ClosingListener): void {
    try {
      listener()
    } catch (error) {
      this.#context.report(error, 'onClosing', this)
    }
  }
}

function policy(message: string, limit: keyof Limits): ProtocolError {
  return new ProtocolError(message, CloseCode.POLICY_VIOLATION, '', limit)
}
