// The sending half of one socket: its own list of accepted frames, in acceptance order, and what the kernel refused.
//
// Back-pressure is what the kernel refused, not what is in the list: a healthy peer that is sent 2 MiB in one turn is not
// slow. While bytes are refused nothing more is handed to the stream, so what waits can still be discarded, and at most
// one write is in flight.

import { Buffer } from 'node:buffer'
import { Socket as TcpSocket } from 'node:net'
import { type Opcode, type Payload, smallFrameLength, writeSmallFrame } from '../protocol/framed.ts'
import type { ServerContext } from '../server/context.ts'
import { JOIN_BYTES, type Queue } from './outbox.ts'

/** Control frames that may wait behind refused bytes, beside the one newest pong: pings are dropped beyond it. */
const MAX_WAITING_PINGS = 16

/** So many frames that wait behind refused bytes are joined to one. */
const FRAMES_PER_PACK = 512

/** Over TLS nothing is known of the kernel until the next turn; until then this many times the cap may gather. */
const UNKNOWN_CAPS = 4

const NONE: Buffer[] = []

/** What a stream's `_write` is told of bytes; node's types know only those of text. */
const AS_BYTES = 'buffer' as BufferEncoding

/** Whose queue it is. */
export interface QueueOwner {
  /** The kernel has taken everything after it had refused bytes. Never called within an `offer`. */
  onQueueEmpty(): void
}

type SendContext = Pick<ServerContext<unknown>, 'limits' | 'outbox' | 'pressure' | 'counters'>

/** The frames accepted for one socket and not taken by the kernel. */
export class SendQueue implements Queue {
  readonly #context: SendContext
  readonly #stream: TcpSocket
  readonly #plain: boolean
  readonly #owner: QueueOwner
  /** Accepted and not handed to the stream: the list, then a piece of the slab. */
  list: Buffer[] = NONE
  listBytes = 0
  #slab: Buffer | null = null
  #from = 0
  #to = 0
  dirty = false
  /** Handed to the stream and not taken by the kernel. */
  #inFlight = 0
  #giving = false
  /** Counts those of the stream's own `write`: it may tell of an earlier one when a later one is in flight. */
  #writes = 0
  #handedTurn = 0
  /** The first frame of the list is the rest of one that was begun. */
  #cut = false
  #pongAt = -1
  #pings = 0
  /** How many at the beginning of the list are joined already. */
  #packed = 0
  #accounted = 0
  #ending = false
  #ended = false

  constructor(context: SendContext, stream: TcpSocket, owner: QueueOwner) {
    this.#context = context
    this.#stream = stream
    this.#plain = stream instanceof TcpSocket && !('encrypted' in stream)
    this.#owner = owner
  }

  get ready(): boolean {
    return this.#inFlight === 0 && this.list.length > 0 && !this.#ended
  }

  /** Bytes accepted that the kernel has not taken. */
  get bufferedBytes(): number {
    return this.#inFlight + this.listBytes
  }

  /** Has the kernel refused bytes? Over TLS a write is always in flight until the turn after it, so it counts from then. */
  get refused(): boolean {
    return this.#inFlight > 0 && (!('encrypted' in this.#stream) || this.#handedTurn !== this.#context.outbox.turn)
  }

  /** Bytes held for a peer that does not take them. */
  get heldBytes(): number {
    return this.#accounted
  }

  /** Accepts a data frame, or says `'over'`: it would go past `maxBufferedBytes`. */
  offer(frame: Buffer): 'ok' | 'backpressure' | 'over' {
    if (this.#inFlight === 0) {
      if (this.listBytes === 0 || this.listBytes + frame.length <= JOIN_BYTES) {
        this.push(frame)
        return 'ok'
      }
      this.#context.outbox.flushOne(this)
    }
    if (this.#inFlight > 0) {
      const { maxBufferedBytes } = this.#context.limits
      const over = this.refused
        ? this.bufferedBytes + frame.length > maxBufferedBytes
        : this.listBytes > maxBufferedBytes * UNKNOWN_CAPS
      if (over) return 'over'
    }
    this.push(frame)
    return this.refused ? 'backpressure' : 'ok'
  }

  /** Accepts a small data message, framed into the slab; false: it is for `offer`. */
  offerSmall(data: Payload, opcode: Opcode | undefined): boolean {
    if (this.#inFlight > 0 || (opcode !== undefined && opcode !== 'text' && opcode !== 'binary')) return false
    const size = smallFrameLength(data)
    if (size === 0 || this.listBytes + size > JOIN_BYTES) return false
    const { slab } = this.#context.outbox
    const at = slab.take(size)
    const text = opcode === undefined ? typeof data === 'string' : opcode === 'text'
    writeSmallFrame(slab.bytes, at, data as string | Uint8Array, text, size)
    if (this.#to !== at || this.#slab !== slab.bytes) {
      this.seal()
      this.#slab = slab.bytes
      this.#from = at
    }
    this.#to = at + size
    this.listBytes += size
    this.#wantFlush()
    return true
  }

  seal(): void {
    if (this.#slab === null) return
    const piece = this.#slab.subarray(this.#from, this.#to)
    this.#slab = null
    if (this.list === NONE) this.list = [piece]
    else this.list.push(piece)
  }

  /** Accepts a ping; false: too many wait already. Control frames do not count against the cap. */
  offerPing(frame: Buffer): boolean {
    if (this.refused && ++this.#pings > MAX_WAITING_PINGS) return false
    this.push(frame)
    return true
  }

  /** Accepts a pong. While bytes are refused only the newest is kept (RFC 6455 §5.5.3). */
  offerPong(frame: Buffer): void {
    if (this.refused && this.#pongAt >= 0) {
      this.listBytes += frame.length - this.list[this.#pongAt]!.length
      this.list[this.#pongAt] = frame
      return
    }
    if (this.#inFlight === 0 && this.listBytes + frame.length > JOIN_BYTES) this.#context.outbox.flushOne(this)
    this.push(frame)
    this.#pongAt = this.list.length - 1
  }

  /** Accepts the last bytes of the connection; when they are out, our side of TCP ends. */
  end(frame: Buffer | null): void {
    if (frame !== null) this.push(frame)
    this.#ending = true
    this.#endWhenOut()
  }

  /** Forgets what was accepted and not begun to be handed to the stream. */
  discard(): void {
    // Half a frame must be followed by its other half.
    this.list = this.#cut ? this.list.slice(0, 1) : NONE
    this.listBytes = this.#cut ? this.list[0]!.length : 0
    this.#slab = null
    this.#pongAt = -1
    this.#packed = 0
    this.#account()
  }

  /** The stream is gone. */
  abandon(): void {
    this.#ended = true
    this.#cut = false
    this.#inFlight = 0
    this.discard()
  }

  hand(bytes: Buffer, count: number): void {
    if (count === this.list.length) this.list = NONE
    else this.list = this.list.slice(count)
    this.#cut = false
    this.#give(bytes)
  }

  handFirst(): void {
    const first = this.list[0]!
    if (first.length <= JOIN_BYTES) return this.hand(first, 1)
    this.list[0] = first.subarray(JOIN_BYTES)
    this.#cut = true
    this.#give(first.subarray(0, JOIN_BYTES))
  }

  #give(bytes: Buffer): void {
    this.listBytes -= bytes.length
    this.#pongAt = -1
    this.#packed = 0
    this.#pings = 0
    this.#context.counters.bytesOut += bytes.length
    if (this.#stream.destroyed) return
    // A plain TCP stream is written past its own queue, which would hold nothing, and which schedules a tick for each
    // write; but behind what others wrote to it, and never beside it. Over TLS two writes at once end the process.
    if (this.#plain && this.#stream.writableLength === 0) {
      this.#inFlight = bytes.length
      this.#giving = true
      this.#stream._write(bytes, AS_BYTES, this.#onTaken)
      this.#giving = false
    } else {
      const write = ++this.#writes
      this.#stream.write(bytes, (error) => {
        if (write === this.#writes) this.#onTaken(error)
      })
      this.#inFlight = this.#stream.writableLength > 0 ? bytes.length : 0
    }
    if (this.#inFlight > 0) {
      this.#handedTurn = this.#context.outbox.turn
      this.#account()
    } else if (this.#ending) {
      this.#endWhenOut()
    }
  }

  // Within the write when the kernel took it all, and else when it has.
  #taken(error?: Error | null): void {
    if (error) return void this.#stream.destroy(error)
    if (this.#inFlight === 0 || this.#stream.destroyed) return
    this.#inFlight = 0
    if (this.#giving) return
    this.#account()
    this.#context.outbox.flushOne(this)
    if (this.#inFlight > 0) return
    this.#endWhenOut()
    this.#owner.onQueueEmpty()
  }

  /** Bound: a closure would hold a context besides. */
  readonly #onTaken: (error?: Error | null) => void = this.#taken.bind(this)

  /** Accepts bytes whatever waits: the 101, a Close, and what the offers have let pass. */
  push(frame: Buffer): void {
    if (this.#ended) return
    this.seal()
    if (this.list === NONE) this.list = [frame]
    else this.list.push(frame)
    this.listBytes += frame.length
    if (this.#inFlight > 0) {
      if (this.list.length - this.#packed >= FRAMES_PER_PACK) this.#pack()
      this.#account()
    }
    this.#wantFlush()
  }

  #wantFlush(): void {
    if (this.dirty || this.refused) return
    this.dirty = true
    this.#context.outbox.add(this)
  }

  /** Joins what waits: a frame costs far more memory as an object of its own than its bytes, and those are what is capped. */
  #pack(): void {
    const loose = this.list.slice(this.#packed)
    const bytes = loose.reduce((sum, frame) => sum + frame.length, 0)
    // A larger one would be cut when it is handed on, and its rest could not be discarded any more.
    if (bytes <= JOIN_BYTES) {
      this.list.length = this.#packed
      this.list.push(Buffer.concat(loose, bytes))
      this.#pongAt = -1
    }
    this.#packed = this.list.length
  }

  #endWhenOut(): void {
    if (this.#ended || !this.#ending || this.#inFlight > 0 || this.listBytes > 0) return
    this.#ended = true
    this.#stream.end()
  }

  /** Keeps the server's account of bytes that peers do not take. */
  #account(): void {
    const held = this.#inFlight > 0 ? this.bufferedBytes : 0
    if (held === this.#accounted) return
    this.#context.pressure.output(held - this.#accounted)
    this.#accounted = held
  }
}
