// One connection, as ws has it: events and `send`. What it does is the core's socket's; nothing of it is kept here but
// what that socket does not say.

import { Buffer } from 'node:buffer'
import { captureRejectionSymbol } from 'node:events'
import { isAnyArrayBuffer } from 'node:util/types'
import type { CloseInfo, Socket, WriteResult } from '../handler.ts'
import { CloseCode } from '../protocol/close.ts'
import { bin, Framed, type Opcode, pongFrame, txt } from '../protocol/framed.ts'
import { EventTargetEmitter } from './event-target.ts'
import { Sent, type SentCallback } from './sent.ts'

/** What may be sent. */
export type WebSocketData = string | number | ArrayBufferView | ArrayBuffer

export interface SendOptions {
  /** Default: text for strings and numbers, binary for bytes. */
  binary?: boolean
  /** `false`: never compress this one. Default `true`: as the server's `compression` says. */
  compress?: boolean
}

/** What the server tells its sockets. */
interface Told {
  message(data: Buffer, opcode: Opcode): void
  drained(): void
  /** @param failed the server ended it, and not because the application closed the server. */
  closed(info: CloseInfo, failed: boolean): void
}
export let toldOf: (socket: WebSocket) => Told

const READY_STATES = { open: 1, closing: 2, closed: 3 } as const

/** Who calls `send` from JavaScript may give `null` for what he has not. */
type Given<T> = T | null | undefined
type ControlArguments = [data?: Given<WebSocketData | SentCallback>, mask?: unknown, callback?: Given<SentCallback>]

/** A connection to a `WebSocketServer`, which makes it. Its methods throw for a caller's mistake only. */
export class WebSocket extends EventTargetEmitter {
  static readonly CONNECTING = 0
  static readonly OPEN = 1
  static readonly CLOSING = 2
  static readonly CLOSED = 3
  readonly CONNECTING = 0
  readonly OPEN = 1
  readonly CLOSING = 2
  readonly CLOSED = 3

  /** The same connection in core's words: for `channels.join`, for `state`, `path` and `remoteAddress`. */
  readonly socket: Socket
  readonly #sent: Sent
  #binaryType: 'nodebuffer' | 'arraybuffer' = 'nodebuffer'
  #paused = false
  /** `close` or `terminate` was called. */
  #left = false

  constructor(socket: Socket, call: (callback: SentCallback, error?: Error) => void) {
    super({ captureRejections: true })
    this.socket = socket
    this.#sent = new Sent(call, () => socket.readyState !== 'open' && socket.bufferedBytes > 0)
  }

  get readyState(): 1 | 2 | 3 {
    return READY_STATES[this.socket.readyState]
  }

  /** Bytes accepted that the kernel has not taken, those of this turn among them. */
  get bufferedAmount(): number {
    return this.socket.bufferedBytes
  }

  get protocol(): string {
    return this.socket.subprotocol
  }

  get isPaused(): boolean {
    return this.#paused
  }

  /** What bytes come as: `'nodebuffer'` (default) or `'arraybuffer'`. */
  get binaryType(): 'nodebuffer' | 'arraybuffer' {
    return this.#binaryType
  }

  set binaryType(type: 'nodebuffer' | 'arraybuffer') {
    if (type !== 'nodebuffer' && type !== 'arraybuffer') {
      throw new TypeError(`binaryType must be 'nodebuffer' or 'arraybuffer'`)
    }
    this.#binaryType = type
  }

  /** Sends one message, whole. What is sent to a socket that is not open is lost, and `callback` told.
   * @param callback called when it has left, or with an error.
   * @throws TypeError for another type of data. */
  send(data: WebSocketData, options?: Given<SendOptions | SentCallback>, callback?: Given<SentCallback>): void {
    if (typeof options === 'function') return this.send(data, {}, options)
    const { binary, compress = true, ...others } = options ?? {}
    if ((others as { fin?: boolean }).fin === false)
      throw new TypeError('a message is sent whole: there is no fin: false')
    // Core's sockets take a list of pieces for one message; in ws a list is bytes.
    if (Array.isArray(data)) throw new TypeError('send takes no list: make a Buffer of it')
    const payload = typeof data === 'number' ? `${data}` : data
    const opcode: Opcode = (binary ?? typeof payload !== 'string') ? 'binary' : 'text'
    const plain = opcode === 'text' ? txt : bin
    this.#write(() => this.socket.write(compress ? payload : plain(payload, { compress }), opcode), callback)
  }

  /** Sends a ping; a pong answers it.
   * @throws RangeError for more than 125 bytes, TypeError for another type. */
  ping(...args: ControlArguments): void {
    const { bytes, callback } = readControl(args)
    this.#write(() => this.socket.ping(bytes), callback)
  }

  /** Sends a pong that nobody asked for; pings are answered by themselves.
   * @throws RangeError for more than 125 bytes, TypeError for another type. */
  pong(...args: ControlArguments): void {
    const { bytes, callback } = readControl(args)
    this.#write(() => this.socket.write(new Framed(pongFrame(bytes), false)), callback)
  }

  /** Starts the closing handshake. Again, or on a closed socket: a no-op.
   * @param code default 1000.
   * @throws RangeError for a code that may not be sent, or more than 123 bytes of reason. */
  close(code?: number, reason?: string | Uint8Array): void {
    // Also with the code of another connection that was lost, which may not be sent.
    if (this.socket.readyState !== 'open') return
    this.socket.close(code, typeof reason === 'object' ? Buffer.from(reason).toString() : reason)
    this.#left = true
  }

  /** Ends the TCP connection now. */
  terminate(): void {
    if (this.socket.readyState === 'open') this.#left = true
    this.socket.terminate()
  }

  pause(): void {
    if (this.socket.readyState === 'closed') return
    this.#paused = true
    this.socket.pause()
  }

  resume(): void {
    if (this.socket.readyState === 'closed') return
    this.#paused = false
    this.socket.resume()
  }

  #write(write: () => WriteResult, callback: Given<SentCallback>): void {
    const { readyState } = this
    const result = write()
    if (typeof callback !== 'function') return
    if (readyState === this.OPEN) return this.#sent.add(result, callback)
    const name = readyState === this.CLOSING ? 'CLOSING' : 'CLOSED'
    this.#sent.fail(callback, `WebSocket is not open: readyState ${readyState} (${name})`)
  }

  static {
    toldOf = (one) => one.#told
    // A listener that rejects is one that throws.
    Object.defineProperty(WebSocket.prototype, captureRejectionSymbol, {
      value(this: WebSocket, error: unknown) {
        this.#sent.fail(() => {
          throw error
        }, 'rejected')
        this.socket.close(CloseCode.INTERNAL_ERROR)
      },
    })
  }

  readonly #told: Told = {
    message: (data, opcode) => {
      const isBinary = opcode === 'binary'
      this.emit('message', isBinary && this.#binaryType === 'arraybuffer' ? toArrayBuffer(data) : data, isBinary)
    },
    drained: () => this.#sent.settle(),
    closed: (info, failed) => {
      const { code, reason, clean } = info
      this.#sent.settle(clean ? undefined : new Error('the connection was lost'))
      try {
        if (failed && !this.#left && this.listenerCount('error') > 0) {
          this.emit('error', new Error(reason || `closed with ${code}`))
        }
      } finally {
        // Whoever clears up listens here, so a listener to 'error' that throws keeps nobody from it.
        this.emit('close', code, Buffer.from(reason), info)
      }
    },
  }
}

function toArrayBuffer({ buffer, byteOffset, byteLength }: Buffer): ArrayBuffer {
  return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer
}

function readControl(args: ControlArguments): { bytes: Uint8Array; callback: SentCallback | undefined } {
  const callback = args.find((one): one is SentCallback => typeof one === 'function')
  const data = typeof args[0] === 'function' ? '' : (args[0] ?? '')
  if (typeof data === 'string' || typeof data === 'number') return { bytes: Buffer.from(`${data}`), callback }
  if (ArrayBuffer.isView(data))
    return { bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength), callback }
  if (isAnyArrayBuffer(data)) return { bytes: new Uint8Array(data), callback }
  throw new TypeError('a ping and a pong take a string or bytes')
}
