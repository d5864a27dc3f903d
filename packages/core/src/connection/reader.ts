// The reading half of one socket: bytes → Protocol → the handler, one callback at a time. While a callback's promise is
// pending, or the user paused, the next message is held, and what comes behind it waits: up to `READ_AHEAD_BYTES` of it
// here (so that a peer that leaves is noticed), the rest in the kernel. Control frames before that message are answered.
//
// One read may hold thousands of messages: a socket has a share of each turn for them (share.ts), then the rest waits for
// the next turn. So does what the kernel has beyond a full read: libuv would read on and on from one socket that sends
// faster than it is read.

import type { Buffer } from 'node:buffer'
import type { Socket as TcpSocket } from 'node:net'
import type { Handler, ReadyState } from '../handler.ts'
import type { ProtocolError } from '../protocol/errors.ts'
import { type MessageEvent, Protocol, type ProtocolEvent } from '../protocol/protocol.ts'
import type { ServerContext } from '../server/context.ts'
import type { ErrorWhere } from '../server/options.ts'
import { queueMicrotask } from '../server/real-time.ts'
import type { TurnTask } from '../server/turn.ts'
import { hasCallback, isThenable } from './call-safely.ts'
import { Share } from './share.ts'
import type { ConnectionSocket } from './socket.ts'
import { readOn } from './wire.ts'

/** The connection that is read. */
export interface ReadOwner<S> {
  readonly readyState: ReadyState
  readonly handler: Handler<unknown, S>
  readonly socket: ConnectionSocket<S>
  /** Calls `work` in the asynchronous context of the connection's upgrade. */
  inContext<T, R>(work: (this: T) => R, self: T): R
  /** A ping, a pong, the peer's Close or a failure: its answer is the connection's to send. */
  onControl(event: Exclude<ProtocolEvent, MessageEvent>): void
  /** Is nothing unsent? Else `drained` is due once more when it is. */
  isDrained(): boolean
  /** Everything is read, and the peer has ended its side of TCP. */
  onReadEnd(): void
  /** A callback threw or rejected. */
  onCallbackError(error: unknown, where: ErrorWhere): void
}

type Held = Extract<ProtocolEvent, { type: 'message' | 'ping' | 'pong' }>
type Callback = 'opened' | 'drained' | Held['type']

/** How much is read behind a message that is held. */
const READ_AHEAD_BYTES = 65_536

/** The largest reads that node makes, plain and over TLS (one record): more is waiting. */
const FULL_READ_BYTES = 65_536
const FULL_RECORD_BYTES = 16_384

export class Reader<S> implements TurnTask {
  readonly #context: ServerContext<S>
  readonly #owner: ReadOwner<S>
  readonly #stream: TcpSocket
  /** null: permessage-deflate was not negotiated. */
  readonly #clientWindowBytes: number | null
  /** null: nothing is under way. */
  #protocol: Protocol | null = null
  /** What waits for a callback, for `resume`, or for the next turn. */
  #held: Held | null = null
  /** A callback's promise is pending. */
  #busy = false
  #paused = false
  #streamPaused = false
  #pumping = false
  /** It has had its share of this turn. */
  #yielding = false
  /** It was read in full, and is not read on in this turn. */
  resting = false
  #peerEnded = false
  #drainedDue = false
  /** Bytes of unfinished input in memory. */
  heldBytes = 0
  /** When the message under way began, in the heartbeat's time; 0: none is. */
  #messageSince = 0
  /** null: nothing was handled for a while. */
  #share: Share | null = null

  /** @param clientWindowBytes null: permessage-deflate was not negotiated. */
  constructor(context: ServerContext<S>, owner: ReadOwner<S>, stream: TcpSocket, clientWindowBytes: number | null) {
    this.#context = context
    this.#owner = owner
    this.#stream = stream
    this.#clientWindowBytes = clientWindowBytes
  }

  /** Does what comes wait here, by our doing, while the peer may still be there? Then its clocks stand still. */
  get holding(): boolean {
    return (this.#busy || this.#held !== null || this.#streamPaused) && !this.#peerEnded
  }

  receive(chunk: Buffer): void {
    this.#begun.receive(chunk)
    const { length } = chunk
    if (length >= FULL_READ_BYTES || (length >= FULL_RECORD_BYTES && 'encrypted' in this.#stream)) this.#rest()
    this.pump()
  }

  /** Nothing more comes: what was read is handled first. */
  receiveEnd(): void {
    this.#peerEnded = true
    this.pump()
  }

  /** Calls `opened`. */
  opened(): void {
    this.#owner.inContext(() => this.#call('opened', null), this)
  }

  /** Begins to read, or reads on. */
  readOn(): void {
    if (!this.#streamPaused) readOn(this.#stream)
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

  /** So much time has passed: it does not count for a message whose rest we do not look at. */
  tick(elapsed: number): void {
    if (this.#messageSince > 0 && this.holding) this.#messageSince += elapsed
  }

  /** Nothing was read for a while: a connection that is idle keeps no parser. */
  release(): void {
    this.#share = null
    if (this.#protocol?.blank) this.#protocol = null
  }

  /** Takes events out of the protocol, as long as nothing holds the next message back. */
  pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    try {
      this.#owner.inContext(this.#handleAll, this)
    } finally {
      this.#pumping = false
    }
    if (!this.#protocol?.midway) this.#messageSince = 0
    else if (this.#messageSince === 0) this.#messageSince = this.#context.heartbeat.now
    this.#account()
    this.#steer()
  }

  onTurnEnd(): void {
    const { resting } = this
    this.resting = false
    if (this.#yielding) {
      this.#yielding = false
      this.pump()
    }
    if (resting) this.readOn()
  }

  get #begun(): Protocol {
    this.#protocol ??= new Protocol({
      maxMessageBytes: this.#context.limits.maxMessageBytes,
      deflate: this.#clientWindowBytes !== null,
      clientWindowBytes: this.#clientWindowBytes ?? 0,
    })
    return this.#protocol
  }

  #handleAll(): void {
    const owner = this.#owner
    for (;;) {
      if (this.#drainedDue && owner.readyState === 'open' && !this.#busy) {
        this.#drainedDue = false
        if (owner.isDrained()) this.#call('drained', null)
        continue
      }
      const held = this.#held
      const event: ProtocolEvent | null = held ?? this.#protocol?.next() ?? null
      if (event === null) break
      const isMessage = event.type === 'message'
      if (!isMessage && event !== held) {
        if (event.type !== 'close' && !this.#protocol?.midMessage) this.#messageSince = 0
        owner.onControl(event)
      }
      if (!isMessage && (event.type === 'close' || event.type === 'failure')) continue
      if (!isMessage && !hasCallback(owner.handler, event.type)) continue
      // After our own Close, messages are read past, in search of the peer's.
      const open = owner.readyState === 'open'
      if (open && (this.#busy || this.#paused || this.#yielding || !this.#hasShare(event))) {
        this.#held = event
        return
      }
      if (held !== null) this.#held = null
      if (isMessage) this.#messageSince = 0
      if (open) this.#call(event.type, event)
    }
    if (this.#peerEnded) owner.onReadEnd()
  }

  /** Has it a share of this turn left? */
  #hasShare(event: Held): boolean {
    const { turn, limits } = this.#context
    if ((this.#share ??= new Share()).allows(event, turn, limits.sliceMs)) return true
    this.#yielding = true
    turn.afterEnd(this)
    return false
  }

  #call(where: Callback, event: Held | null): void {
    const { handler, socket } = this.#owner
    try {
      let result: unknown
      if (event?.type === 'message') {
        this.#context.counters.messagesIn++
        const { data, opcode } = event
        // A handler that wants text as strings has the type that says so.
        const given = opcode === 'text' && this.#context.textAsString ? data.toString() : data
        result = handler.message(socket, given as Buffer, opcode)
      } else if (event === null) result = handler[where as 'opened' | 'drained']?.(socket)
      else result = handler[event.type]?.(socket, event.payload)
      if (isThenable(result)) this.#await(result, where)
    } catch (error) {
      this.#owner.onCallbackError(error, where)
    }
  }

  #await(pending: PromiseLike<unknown>, where: Callback): void {
    this.#busy = true
    const settled = (): void => {
      this.#busy = false
      this.pump()
    }
    Promise.resolve(pending).then(settled, (error: unknown) => {
      this.#owner.onCallbackError(error, where)
      settled()
    })
  }

  #rest(): void {
    if (this.resting) return
    this.resting = true
    if (!this.#yielding) this.#context.turn.afterEnd(this)
  }

  /** Reads, or stops reading, as the state wants it. */
  #steer(): void {
    const full = this.#held !== null && this.heldBytes >= READ_AHEAD_BYTES
    const stop = (this.#paused || full) && this.#owner.readyState === 'open'
    if (stop === this.#streamPaused) return
    this.#streamPaused = stop
    if (stop) this.#stream.pause()
    else if (!this.resting) readOn(this.#stream)
  }

  /** Keeps the server's account of unfinished input. */
  #account(): void {
    const message = this.#held?.type === 'message' ? this.#held.data.length : 0
    const held = (this.#protocol?.heldBytes ?? 0) + message
    if (held === this.heldBytes) return
    this.#context.pressure.input(held - this.heldBytes)
    this.heldBytes = held
  }
}
