// One connection after its handshake, as a pure state machine (RFC 6455 §5–§7): bytes in, events out, and in each event
// the frame that is owed to the peer for it. It never touches a socket, a clock or the user.
//
//   receive(chunk)  then  next() until it says null
//
// After a Close or a failure there is nothing more to read: what still comes is discarded.

import { Buffer } from 'node:buffer'
// It sets a mark on memory, and does no I/O.
import { markAsUntransferable } from 'node:worker_threads'
import { CloseCode, readClose } from './close.ts'
import { ContextWindow } from './context-window.ts'
import { ProtocolError } from './errors.ts'
import { OpcodeByte } from './frame.ts'
import { closeFrame, type Opcode, pongFrame } from './framed.ts'
import { invalidText, MessageBuffer } from './message.ts'
import { FrameParser } from './parser.ts'
import { inflate } from './permessage-deflate.ts'
import { isWholeUtf8 } from './utf8.ts'

/** A whole message. */
export interface MessageEvent {
  readonly type: 'message'
  readonly data: Buffer
  readonly opcode: Opcode
  /** It was compressed: what it cost does not show in its size. */
  readonly inflated: boolean
}

/** The connection has failed: send `owed` (null: our Close is sent already), then end TCP. §7.1.7. */
export interface FailureEvent {
  readonly type: 'failure'
  readonly error: ProtocolError
  readonly owed: Buffer | null
}

/** What the bytes say. `owed` is the frame to send for it, after everything that was owed before. */
export type ProtocolEvent =
  | MessageEvent
  /** The payload, here as of a pong, asked for or not, is a copy. */
  | { readonly type: 'ping'; readonly payload: Buffer; readonly owed: Buffer }
  | { readonly type: 'pong'; readonly payload: Buffer }
  /** The peer's Close; `owed` is the echo, or null where it answers ours. */
  | { readonly type: 'close'; readonly code: number; readonly reason: string; readonly owed: Buffer | null }
  | FailureEvent

/** A small copy lies in a pool of node's, of at least this size, and keeps it in memory. */
const POOL_BYTES = 8192

/** The protocol of one connection. */
export class Protocol {
  readonly #parser: FrameParser
  readonly #maxMessageBytes: number
  /** How much of a client's context is kept, in bytes; 0: it has agreed to keep none. */
  readonly #clientWindowBytes: number
  /** null: no message was compressed yet. */
  #window: ContextWindow | null = null
  /** The memory of what was read, how large it is, and whether it has been made untransferable. */
  #pinnedBytes = 0
  #isMarked = false
  #message: MessageBuffer | null = null
  #control: Buffer | null = null
  #controlBytes = 0
  #text = false
  #compressed = false
  #closeSent = false
  #ended = false

  constructor(options: { maxMessageBytes: number; deflate?: boolean; clientWindowBytes?: number }) {
    const { maxMessageBytes, deflate = false, clientWindowBytes = 0 } = options
    this.#maxMessageBytes = maxMessageBytes
    this.#clientWindowBytes = clientWindowBytes
    this.#parser = new FrameParser(maxMessageBytes, deflate)
  }

  /** Takes what one read delivered. The chunk is the protocol's from now on. */
  receive(chunk: Buffer): void {
    if (this.#ended) return
    this.#parser.push(chunk)
    this.#isMarked = false
    this.#pinnedBytes = this.#parser.chunk.buffer.byteLength
  }

  /** The next event in the bytes received; null: more bytes are needed, or nothing is to be read any more. */
  next(): ProtocolEvent | null {
    if (this.#ended) return null
    try {
      while (this.#parser.next()) {
        const event = this.#parser.opcode >= OpcodeByte.CLOSE ? this.#controlPiece() : this.#dataPiece()
        if (event !== null) return event
      }
      return null
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      return this.fail(error)
    }
  }

  /** Fails the connection, for the parser's reasons or the caller's: what comes later is discarded. §7.1.7. */
  fail(error: ProtocolError): FailureEvent {
    const owed = this.#closeSent ? null : this.close(error.code, error.message)
    this.discard()
    return { type: 'failure', error, owed }
  }

  /** The Close frame that begins our side of the closing handshake. Data may still come until the peer's Close. §7.1.2. */
  close(code: number, reason: string): Buffer {
    this.#closeSent = true
    return closeFrame(code, reason)
  }

  /** Reads nothing more, and forgets what is unfinished. */
  discard(): void {
    this.#ended = true
    this.#window = null
    this.#message = null
    this.#control = null
    this.#parser.drop()
  }

  /** Is there nothing to remember? Then another may take its place. */
  get blank(): boolean {
    const { midway, keptBytes } = this.#parser
    return !this.#closeSent && !this.#ended && !midway && keptBytes === 0 && this.#window === null
  }

  /** Is a frame or a message under way? */
  get midway(): boolean {
    return !this.#ended && this.#parser.midway
  }

  /** Is a fragmented message under way? */
  get midMessage(): boolean {
    return !this.#ended && this.#parser.fragmented
  }

  /** Bytes of unfinished input, and of the client's context, held in memory. */
  get heldBytes(): number {
    return this.#parser.keptBytes + (this.#message?.heldBytes ?? 0) + (this.#window?.heldBytes ?? 0)
  }

  #dataPiece(): ProtocolEvent | null {
    const p = this.#parser
    if (p.first && p.opcode !== OpcodeByte.CONTINUATION) {
      this.#text = p.opcode === OpcodeByte.TEXT
      this.#compressed = p.rsv1
      if (p.last && p.fin) return this.#wholeMessage()
      this.#message = new MessageBuffer()
    }
    const message = this.#message!
    message.append(p.chunk, p.start, p.end, {
      text: this.#text && !this.#compressed,
      more: p.fin ? p.remaining : Number.POSITIVE_INFINITY,
    })
    if (!p.last || !p.fin) return null
    this.#message = null
    const data = message.finish()
    return this.#compressed ? this.#inflated(data) : this.#messageEvent(data)
  }

  /** The common case: one frame, all of it in one chunk. */
  #wholeMessage(): ProtocolEvent {
    const { chunk, start, end, ascii } = this.#parser
    if (this.#compressed) return this.#inflated(chunk.subarray(start, end))
    if (this.#text && !ascii && !isWholeUtf8(chunk, start, end)) throw invalidText()
    // The message is the user's to keep: a view, where a copy would pin as much memory as it does, else a copy.
    const view = chunk.subarray(start, end)
    const pinned = this.#pinnedBytes
    if (pinned > POOL_BYTES && view.length * 2 < pinned) return this.#messageEvent(Buffer.from(view))
    // What is still to be read lies in the same memory: whoever transferred it to another thread would take it away.
    if (end < chunk.length && !this.#isMarked) {
      this.#isMarked = true
      markAsUntransferable(chunk.buffer)
    }
    return this.#messageEvent(view)
  }

  /** A compressed message, of which only the inflated bytes can be UTF-8. RFC 7692 §6.2. */
  #inflated(payload: Buffer): ProtocolEvent {
    if (this.#clientWindowBytes > 0) this.#window ??= new ContextWindow(this.#clientWindowBytes)
    const data = inflate(payload, this.#maxMessageBytes, this.#window)
    if (this.#text && !isWholeUtf8(data, 0, data.length)) throw invalidText()
    return this.#messageEvent(data)
  }

  #messageEvent(data: Buffer): MessageEvent {
    return { type: 'message', data, opcode: this.#text ? 'text' : 'binary', inflated: this.#compressed }
  }

  #controlPiece(): ProtocolEvent | null {
    const p = this.#parser
    if (p.first && p.last) return this.#controlEvent(p.chunk.subarray(p.start, p.end))
    if (p.first) {
      this.#control = Buffer.allocUnsafeSlow(p.end - p.start + p.remaining)
      this.#controlBytes = 0
    }
    this.#controlBytes += p.chunk.copy(this.#control!, this.#controlBytes, p.start, p.end)
    if (!p.last) return null
    const payload = this.#control!
    this.#control = null
    return this.#controlEvent(payload)
  }

  #controlEvent(payload: Buffer): ProtocolEvent {
    switch (this.#parser.opcode) {
      case OpcodeByte.PING:
        return { type: 'ping', payload: Buffer.from(payload), owed: pongFrame(payload) }
      case OpcodeByte.PONG:
        return { type: 'pong', payload: Buffer.from(payload) }
      default: {
        const { code, reason } = readClose(payload)
        // §5.5.1: the answer usually echoes the code; without one it has no body.
        const owed = this.#closeSent ? null : this.close(code, code === CloseCode.NO_STATUS ? '' : reason)
        this.discard()
        return { type: 'close', code, reason, owed }
      }
    }
  }
}
