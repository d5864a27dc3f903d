// The sending half of one socket: its own list of accepted frames, in acceptance order, and what the kernel refused. A
// frame's way has three steps: it is appended to the list, written to the stream, and taken by the kernel.
// Back-pressure is what the kernel refused, not what is in the list: a healthy peer that is sent 2 MiB in one turn is not
// slow. While bytes are refused nothing more is written, so what waits can be discarded; one write at most is in flight.

import type { Buffer } from 'node:buffer'
import { Socket as TcpSocket } from 'node:net'
import { type Opcode, type Payload, smallFrameSize } from '../protocol/framed.ts'
import type { ServerContext } from '../server/context.ts'
import type { TurnTask } from '../server/turn.ts'
import { JOIN_BYTES, packFrom, type Queue } from './outbox.ts'

/** Control frames that may wait behind refused bytes, beside the one newest pong: pings are dropped beyond it. */
const MAX_WAITING_PINGS = 16

/** So many frames that wait are joined to one. */
const FRAMES_PER_PACK = 512

/** About what the kernel takes of a TCP socket's in a turn, however its peer reads. Other streams tell later what was taken,
 * and the kernel takes less of a unix socket's: there so many bytes beyond `maxBufferedBytes` may wait at first. */
const KERNEL_BYTES = 4_194_304

/** After so many turns without an answer a stream has refused: a healthy one tells before the next ends. */
const TURNS_TO_TELL = 2

const NONE: Buffer[] = []
const AS_BYTES = 'buffer' as BufferEncoding

/** Whose queue it is. */
export interface QueueOwner {
  /** The kernel has taken everything that was accepted. Never called within an `append`. */
  onQueueEmpty(): void
  onStreamError(error: Error): void
}

type SendContext = Pick<ServerContext<unknown>, 'limits' | 'outbox' | 'turn' | 'heartbeat' | 'pressure' | 'counters'>

/** The frames accepted for one socket and not taken by the kernel. */
export class SendQueue implements Queue, TurnTask {
  readonly #context: SendContext
  readonly #stream: TcpSocket
  readonly #plain: boolean
  readonly #pipe: boolean
  readonly #owner: QueueOwner
  /** Accepted and not written to the stream: the list, then a piece of the slab. */
  list: Buffer[] = NONE
  listBytes = 0
  #slab: Buffer | null = null
  #from = 0
  #to = 0
  dirty = false
  /** The kernel has refused bytes. */
  refused = false
  #stalled = false // for so long that the peer is slow
  /** When the kernel last took bytes that it had refused, in the heartbeat's time; 0: never. */
  takenAt = 0
  /** Bytes written and not taken by the kernel. */
  #inFlight = 0
  #writing = false
  /** Counts those of the stream's own `write`: it may tell of an earlier one when a later one is in flight. */
  #writes = 0
  #writtenTurn = 0
  /** It waits for a turn's end to judge whether a silent stream has refused. */
  #asking = false
  /** The first frame of the list is the rest of one. */
  #cut = false
  #pongAt = -1
  #pings = 0
  #packed = 0
  /** Bytes held for a peer that does not take them. */
  heldBytes = 0
  #ending = false
  #ended = false

  constructor(context: SendContext, stream: TcpSocket, owner: QueueOwner) {
    this.#context = context
    this.#stream = stream
    this.#plain = stream instanceof TcpSocket && !('encrypted' in stream)
    this.#pipe = this.#plain && stream.remoteAddress === undefined
    this.#owner = owner
  }

  get ready(): boolean {
    return this.#inFlight === 0 && this.list.length > 0 && !this.#ended && !this.#stream.destroyed
  }

  /** Were bytes refused before so many were appended? A stream that has not told, with a kernel's worth waiting, counts. */
  refusedBefore(bytes: number): boolean {
    return this.refused || (this.#inFlight > 0 && this.#waitingBytes - bytes > KERNEL_BYTES)
  }

  /** Behind the frame that is being sent: until the stream has told which, that is the largest. */
  get #waitingBytes(): number {
    if (this.#cut) return this.listBytes - this.list[0]!.length
    if (this.#stalled || this.listBytes <= KERNEL_BYTES) return this.listBytes
    return this.listBytes - this.list.reduce((most, { length }) => Math.max(most, length), 0)
  }

  get bufferedBytes(): number {
    return this.#inFlight + this.listBytes
  }

  /** May a data frame be appended? Not when over `maxBufferedBytes` would wait behind the one being sent, or no peer. */
  fits(frame: Buffer): boolean {
    if (this.#inFlight === 0) {
      if (this.listBytes === 0 || this.listBytes + frame.length <= JOIN_BYTES) return true
      this.#context.outbox.flushOne(this)
      if (this.bufferedBytes === 0 || this.#stream.destroyed) return !this.#stream.destroyed
    }
    const room = this.#context.limits.maxBufferedBytes - this.#waitingBytes
    return this.#stalled ? frame.length <= room : room + KERNEL_BYTES >= 0
  }

  /** Accepts a frame, whatever waits. */
  append(frame: Buffer): void {
    if (this.#ended) return
    this.seal()
    this.#push(frame)
    this.listBytes += frame.length
    if (this.#inFlight > 0) {
      if (this.list.length - this.#packed >= FRAMES_PER_PACK) {
        if (packFrom(this.list, this.#packed)) this.#pongAt = -1
        this.#packed = this.list.length
      }
      this.#account()
    } else this.#wantFlush()
  }

  /** Accepts a small data message, framed into the slab; false: it is to be framed and appended. */
  appendSmall(data: Payload, opcode: Opcode | undefined): boolean {
    if (this.#inFlight > 0 || (opcode !== undefined && opcode !== 'text' && opcode !== 'binary')) return false
    const size = smallFrameSize(data)
    if (size === 0 || this.listBytes + size > JOIN_BYTES) return false
    const { slab } = this.#context.outbox
    const at = slab.frame(data, opcode === undefined ? typeof data === 'string' : opcode === 'text', size)
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
    this.#push(this.#slab.subarray(this.#from, this.#to))
    this.#slab = null
  }

  #push(piece: Buffer): void {
    if (this.list === NONE) this.list = [piece]
    else this.list.push(piece)
  }

  #wantFlush(): void {
    if (this.dirty) return
    this.dirty = true
    this.#context.outbox.add(this)
  }

  /** Accepts a ping; false: too many wait already. */
  appendPing(frame: Buffer): boolean {
    if (this.refused && ++this.#pings > MAX_WAITING_PINGS) return false
    this.append(frame)
    return true
  }

  /** Accepts a pong. While bytes are refused only the newest is kept (RFC 6455 §5.5.3). */
  appendPong(frame: Buffer): void {
    if (this.refused && this.#pongAt >= 0) {
      this.listBytes += frame.length - this.list[this.#pongAt]!.length
      this.list[this.#pongAt] = frame
      return
    }
    if (this.#inFlight === 0 && this.listBytes + frame.length > JOIN_BYTES) this.#context.outbox.flushOne(this)
    this.append(frame)
    this.#pongAt = this.list.length - 1
  }

  /** Accepts the last bytes of the connection; when they are out, our side of TCP ends. */
  end(frame: Buffer | null): void {
    if (frame !== null) this.append(frame)
    this.#ending = true
    this.#endWhenOut()
  }

  /** Forgets what was not begun to be written. */
  discard(): void {
    // Half a frame must be followed by its other half.
    this.list = this.#cut ? this.list.slice(0, 1) : NONE
    this.listBytes = this.#cut ? this.list[0]!.length : 0
    this.#slab = null
    this.#pongAt = -1
    this.#packed = 0
    this.#account()
  }

  abandon(): void {
    this.#ended = true
    this.#cut = false
    this.#inFlight = 0
    this.discard()
  }

  write(bytes: Buffer, count: number): void {
    this.list = count === this.list.length ? NONE : this.list.slice(count)
    this.#cut = false
    this.#toStream(bytes)
  }

  writeFirst(): void {
    const first = this.list[0]!
    if (first.length <= JOIN_BYTES) return this.write(first, 1)
    this.list[0] = first.subarray(JOIN_BYTES)
    this.#cut = true
    this.#toStream(first.subarray(0, JOIN_BYTES))
  }

  onTurnEnd(): void {
    this.#asking = false
    if (this.#inFlight === 0 || this.#stalled) return
    if (this.#context.turn.number - this.#writtenTurn < TURNS_TO_TELL) return this.#ask()
    this.refused = this.#stalled = true
  }

  #toStream(bytes: Buffer): void {
    this.listBytes -= bytes.length
    this.#pongAt = -1
    this.#packed = 0
    this.#pings = 0
    this.#context.counters.bytesOut += bytes.length
    // A plain TCP stream is written past its own queue, which would hold nothing and costs a tick for each write; but
    // behind what others wrote to it, and never beside it. Over TLS two writes at once end the process.
    try {
      if (this.#plain && this.#stream.writableLength === 0) {
        this.#inFlight = bytes.length
        this.#writing = true
        this.#stream._write(bytes, AS_BYTES, this.#onTaken)
        this.#writing = false
        this.refused = this.#inFlight > 0
        this.#stalled = this.refused && !this.#pipe
      } else {
        const write = ++this.#writes
        const onTaken = (error?: Error | null): void => void (write === this.#writes && this.#onTaken(error))
        const isFull = !this.#stream.write(bytes, onTaken)
        // A stream of another library than node's may count nothing and call nobody back.
        const waits = (this.#stream as { writableLength?: number }).writableLength ?? isFull
        if (waits === true) this.#stream.once('drain', onTaken)
        this.#inFlight = waits ? bytes.length : 0
      }
    } catch (error) {
      // A broken stream of the application's ends alone.
      this.#owner.onStreamError(error as Error)
    }
    this.#writtenTurn = this.#context.turn.number
    if (this.#inFlight > 0 && !this.#stalled) this.#ask()
    if (this.#inFlight > 0) this.#account()
    else if (this.#ending) this.#endWhenOut()
  }

  #ask(): void {
    if (this.#asking) return
    this.#asking = true
    this.#context.turn.atEnd(this)
  }

  // Within the write when the kernel took it all, and else when it has.
  #taken(error?: Error | null): void {
    if (error) return this.#owner.onStreamError(error)
    if (this.#inFlight === 0 || this.#stream.destroyed) return
    this.#inFlight = 0
    if (this.#writing) return
    if (this.refused) this.takenAt = this.#context.heartbeat.now
    this.refused = this.#stalled = false
    this.#account()
    this.#context.outbox.flushOne(this)
    if (this.#inFlight > 0) return
    this.#endWhenOut()
    this.#owner.onQueueEmpty()
  }

  /** Bound: a closure would hold a context besides. */
  readonly #onTaken: (error?: Error | null) => void = this.#taken.bind(this)

  #endWhenOut(): void {
    if (this.#ended || !this.#ending || this.#inFlight > 0 || this.listBytes > 0) return
    this.#ended = true
    this.#stream.end()
  }

  /** Keeps the server's account of bytes that peers do not take. */
  #account(): void {
    const held = this.#inFlight > 0 ? this.bufferedBytes : 0
    this.#context.pressure.output(held - this.heldBytes)
    this.heldBytes = held
  }
}
