// One client of a load generator: a raw TCP or TLS socket, the handshake written by hand, and what is no message: pings, a
// frame that a read cut, a close. Messages are somebody else's (frames.ts), who gets each read as it came.

import net from 'node:net'
import tls from 'node:tls'
import type { Dialect } from './dialect.ts'
import { frameOf } from './frames.ts'

/** What a client needs. */
export interface ClientOptions {
  port: number
  dialect: Dialect
  room: string
  compression: boolean
  tls: boolean
  /** Where it connects from. Default: the system's choice. */
  localAddress?: string
  /** Walks over the messages in `bytes[start, end)`, up to the first byte that does not begin a whole one.
   * @returns where it stopped. */
  walk(bytes: Buffer, start: number, end: number): number
  /** The client cannot go on. */
  failed(error: Error): void
}

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
/** What Chrome offers. */
const OFFER = 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n'
const NOTHING = Buffer.alloc(0)
/** One buffer for all sockets: a read is looked at before the next happens. */
const shared = Buffer.alloc(256 * 1024)

/** What all clients of this process read. */
export const traffic = { bytesIn: 0, reads: 0 }

/** A WebSocket client. Everything that is not as expected ends in `failed`. */
export class Client {
  /** Resolves when it is open, by the dialect's rules. */
  readonly opened: Promise<void>
  readonly #options: ClientOptions
  readonly #socket: net.Socket
  /** The rest of a read that ended within a frame, or the response head so far. */
  #rest: Buffer = NOTHING
  #state: 'head' | 'greeting' | 'open' = 'head'
  #open!: () => void

  constructor(options: ClientOptions) {
    this.#options = options
    this.opened = new Promise((resolve) => {
      this.#open = () => {
        this.#state = 'open'
        resolve()
      }
    })
    this.#socket = this.#connect()
    this.#socket.on('error', options.failed)
    this.#socket.on('close', () => options.failed(new Error('a socket was closed')))
    this.#socket.write(
      `GET ${options.dialect.pathOf(options.room)} HTTP/1.1\r\nHost: 127.0.0.1:${options.port}\r\n` +
        `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n` +
        `${options.compression ? OFFER : ''}\r\n`,
    )
  }

  /** Sends what is a whole number of frames. */
  write(frames: Buffer): void {
    this.#socket.write(frames)
  }

  #connect(): net.Socket {
    const { port, localAddress } = this.#options
    const onread = { buffer: shared, callback: (size: number): boolean => this.#receive(size) }
    const options = { port, host: '127.0.0.1', noDelay: true, onread, ...(localAddress && { localAddress }) }
    return this.#options.tls ? tls.connect({ ...options, rejectUnauthorized: false }) : net.connect(options)
  }

  #receive(size: number): boolean {
    traffic.reads++
    traffic.bytesIn += size
    try {
      if (this.#state === 'open' && this.#rest.length === 0) this.#takeFrames(shared, size)
      else this.#takeRest(Buffer.concat([this.#rest, shared.subarray(0, size)]))
    } catch (error) {
      this.#options.failed(error instanceof Error ? error : new Error(String(error)))
    }
    return true
  }

  /** A read that goes on where the last one ended: rare, so it may copy. */
  #takeRest(bytes: Buffer): void {
    const frames = this.#state === 'head' ? this.#takeHead(bytes) : bytes
    if (frames === undefined) this.#rest = bytes
    else this.#takeFrames(frames, frames.length)
  }

  /** Checks the response head; returns what follows it, or undefined while it is not complete. */
  #takeHead(bytes: Buffer): Buffer | undefined {
    const end = bytes.indexOf('\r\n\r\n')
    if (end === -1) return undefined
    const head = bytes.toString('latin1', 0, end)
    if (!head.startsWith('HTTP/1.1 101 ') || !head.includes(ACCEPT)) throw new Error(`handshake refused: ${head}`)
    // Each message is inflated by itself, so the server must have agreed to compress it by itself.
    const isAgreed = /^sec-websocket-extensions: *permessage-deflate;.*server_no_context_takeover/im.test(head)
    if (isAgreed !== this.#options.compression) throw new Error(`not the wanted extensions: ${head}`)
    if (this.#options.dialect.greet) this.#state = 'greeting'
    else this.#open()
    return bytes.subarray(end + 4)
  }

  #takeFrames(bytes: Buffer, end: number): void {
    let at = 0
    for (;;) {
      if (this.#state === 'open') at = this.#options.walk(bytes, at, end)
      if (at === end) break
      const after = this.#takeOther(bytes, at, end)
      if (after === at) break
      at = after
    }
    this.#rest = at === end ? NOTHING : Buffer.from(bytes.subarray(at, end))
  }

  /** A frame that is no message, if it is there as a whole. Returns where the next begins. */
  #takeOther(bytes: Buffer, at: number, end: number): number {
    if (end - at < 4) {
      const isShort = end - at >= 2 && end - at >= 2 + bytes[at + 1]!
      if (!isShort) return at
    }
    const size = bytes[at + 1]!
    const payloadAt = at + (size < 126 ? 2 : 4)
    const next = payloadAt + (size < 126 ? size : bytes.readUInt16BE(at + 2))
    if (next > end) return at
    const payload = bytes.subarray(payloadAt, next)
    if (bytes[at] === 0x89) this.#socket.write(frameOf(0x8a, payload))
    else if (bytes[at] === 0x81) this.#takeText(payload.toString('latin1'))
    else throw new Error(`unexpected frame ${bytes.toString('hex', at, Math.min(next, at + 16))}`)
    return next
  }

  #takeText(text: string): void {
    const { greet, pings } = this.#options.dialect
    const answer = pings[text]
    if (answer !== undefined) this.#socket.write(frameOf(0x81, Buffer.from(answer)))
    else if (this.#state !== 'greeting') throw new Error(`unexpected text ${JSON.stringify(text.slice(0, 200))}`)
    else {
      const { say, isOpen } = greet!(text)
      if (say !== undefined) this.#socket.write(frameOf(0x81, Buffer.from(say)))
      if (isOpen) this.#open()
    }
  }
}
