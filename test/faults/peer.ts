// One connection of the campaign: any bytes at any time, what came back as statuses and frames, and every way to be rude.
// Until its fault it is polite: it reads, and answers pings.

import { Buffer } from 'node:buffer'
import { connect as connectTcp, type Socket as TcpSocket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { clientFrame, Op } from '../support/client-frames.ts'
import { inTime } from '../support/log.ts'
import type { Address } from './place.ts'

/** What a connection runs over: TCP or a unix socket as it is, TLS, or TLS whose bytes pass through our hands, so that the
 * end of TLS is not the end of TCP. */
export type Layer = 'plain' | 'tls' | 'tls-through'

export interface Frame {
  readonly opcode: number
  readonly payload: Buffer
}

/** The longest that what a step waits for may take. */
const STEP_MS = 8000
/** Bytes of one frame that are looked at; of the rest only the length counts. */
const MAX_HEADER = 10

const peers = new Set<Peer>()

/** Ends every connection that is left. */
export function endPeers(): void {
  for (const peer of peers) peer.destroy()
}

export class Peer {
  /** TCP, or a unix socket. */
  readonly raw: TcpSocket
  /** Where bytes are said: `raw`, or TLS over it. */
  readonly stream: TcpSocket
  /** Statuses of the responses so far, but for 100. */
  readonly statuses: number[] = []
  readonly frames: Frame[] = []
  /** Every byte that was received. */
  received = 0
  /** How the server ended it; null: it did not. */
  end: 'fin' | 'reset' | null = null
  polite = true
  #closed = false
  #upgraded = false
  #rest: Buffer = Buffer.alloc(0)
  /** Bytes of a large frame, or of a body, that are passed over. */
  #skip = 0
  readonly #listeners = new Set<() => void>()

  private constructor(address: Address, layer: Layer) {
    this.raw = connectTcp({
      ...address,
      ...('port' in address && { host: '127.0.0.1', noDelay: true }),
      allowHalfOpen: true,
    })
    this.stream =
      layer === 'plain'
        ? this.raw
        : connectTls({ socket: layer === 'tls' ? this.raw : through(this.raw), rejectUnauthorized: false })
    peers.add(this)
    const { raw, stream } = this
    for (const one of new Set([raw, stream])) {
      one.on('error', () => this.#onEnd('reset'))
      one.on('end', () => this.#onEnd('fin'))
      one.on('close', () => this.#onEnd('fin'))
    }
    raw.on('close', () => {
      this.#closed = true
      peers.delete(this)
      this.#changed()
    })
    stream.on('data', (chunk: Buffer) => this.#receive(chunk))
  }

  static async connect(address: Address, layer: Layer): Promise<Peer> {
    const peer = new Peer(address, layer)
    await peer.#ready(layer === 'plain' ? 'connect' : 'secureConnect')
    return peer
  }

  #ready(event: string): Promise<void> {
    const up = new Promise<void>((resolve, reject) => {
      this.stream.once(event, () => resolve())
      this.stream.once('error', reject)
      this.stream.once('close', () => reject(new Error('closed before it was up')))
    })
    return inTime(up, `the ${event}`, STEP_MS)
  }

  /** Resolves when `holds`; rejects when the server ended the connection before, or too late. */
  until(holds: () => boolean, what: string): Promise<void> {
    return this.#wait(what, STEP_MS, (resolve, reject) => {
      if (holds()) resolve()
      else if (this.end !== null) reject(new Error(`${what} did not come, but the end (${this.end}); ${this.seen()}`))
    })
  }

  /** Resolves when the server has ended the connection. */
  ended(deadlineMs: number): Promise<void> {
    return this.#wait('the end', deadlineMs, (resolve) => {
      if (this.end !== null) resolve()
    })
  }

  /** Resolves when our side is gone. */
  gone(): Promise<void> {
    return this.#wait('the end of our side', STEP_MS, (resolve) => {
      if (this.#closed) resolve()
    })
  }

  status(index = 0): Promise<void> {
    return this.until(() => this.statuses.length > index, `response ${index + 1}`)
  }

  /** @throws Error when the answer is another. */
  async expect(status: number, index = 0): Promise<void> {
    await this.status(index)
    const got = this.statuses[index]
    if (got !== status) throw new Error(`status ${got} instead of ${status}`)
  }

  frame(opcode: number): Promise<void> {
    return this.until(() => this.frames.some((frame) => frame.opcode === opcode), `a frame with opcode ${opcode}`)
  }

  write(bytes: string | Uint8Array): void {
    if (this.stream.writable) this.stream.write(bytes)
  }

  /** Ends our side, and resolves when the system knows. Over TLS: close_notify, then FIN (unless that is held back). */
  fin(stream: TcpSocket = this.stream): Promise<void> {
    stream.once('finish', () => this.#changed())
    stream.end()
    return this.#wait('our FIN', STEP_MS, (resolve) => {
      if (stream.writableFinished || stream.destroyed) resolve()
    })
  }

  reset(): Promise<void> {
    // A unix socket knows no reset; closing it with unread data is one.
    if ('resetAndDestroy' in this.raw && this.raw.remoteAddress !== undefined) this.raw.resetAndDestroy()
    else this.raw.destroy()
    return this.gone()
  }

  destroy(): void {
    this.stream.destroy()
    this.raw.destroy()
  }

  pause(): void {
    this.stream.pause()
  }

  resume(): void {
    this.stream.resume()
  }

  seen(): string {
    const frames = this.frames.map(({ opcode, payload }) =>
      opcode === Op.CLOSE && payload.length >= 2 ? `Close ${payload.readUInt16BE()}` : opcode,
    )
    return `got ${this.received} bytes, statuses [${this.statuses}], frames [${frames.slice(-5)}], end ${this.end}`
  }

  #wait(
    what: string,
    deadlineMs: number,
    check: (resolve: () => void, reject: (error: Error) => void) => void,
  ): Promise<void> {
    let listener = (): void => {}
    const come = new Promise<void>((resolve, reject) => {
      listener = () => check(resolve, reject)
      this.#listeners.add(listener)
      listener()
    })
    return inTime(come, what, deadlineMs)
      .catch((error: Error) => {
        throw error.message.includes(this.seen()) ? error : new Error(`${error.message}; ${this.seen()}`)
      })
      .finally(() => this.#listeners.delete(listener))
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener()
  }

  #onEnd(end: 'fin' | 'reset'): void {
    this.end ??= end
    this.#changed()
  }

  #receive(chunk: Buffer): void {
    this.received += chunk.length
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (this.#pass() || (this.#upgraded ? this.#takeFrame() : this.#takeResponse()));
    this.#changed()
  }

  /** Passes over what nobody looks at. */
  #pass(): boolean {
    const bytes = Math.min(this.#skip, this.#rest.length)
    this.#skip -= bytes
    this.#rest = this.#rest.subarray(bytes)
    return bytes > 0
  }

  #takeResponse(): boolean {
    const end = this.#rest.indexOf('\r\n\r\n')
    if (this.#skip > 0 || end < 0) return false
    const head = this.#rest.toString('latin1', 0, end)
    // A body of no chunks.
    if (head === '0') {
      this.#rest = this.#rest.subarray(end + 4)
      return true
    }
    const status = Number(head.split(' ')[1])
    if (status !== 100) this.statuses.push(status)
    this.#upgraded = status === 101
    this.#skip = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
    this.#rest = this.#rest.subarray(end + 4)
    return true
  }

  #takeFrame(): boolean {
    const bytes = this.#rest
    if (this.#skip > 0 || bytes.length < 2) return false
    const short = bytes[1]! & 0x7f
    const start = short === 126 ? 4 : short === 127 ? MAX_HEADER : 2
    if (bytes.length < start) return false
    const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short
    const opcode = bytes[0]! & 15
    if (length > 125) {
      this.#rest = bytes.subarray(start)
      this.#skip = length
      this.frames.push({ opcode, payload: Buffer.alloc(0) })
      return true
    }
    if (bytes.length < start + length) return false
    const payload = Buffer.from(bytes.subarray(start, start + length))
    this.#rest = bytes.subarray(start + length)
    this.frames.push({ opcode, payload })
    if (opcode === Op.PING && this.polite) this.write(clientFrame({ opcode: Op.PONG, payload }))
    return true
  }
}

/** The same bytes, but the end of what is written stays here. */
function through(raw: TcpSocket): Duplex {
  const duplex = new Duplex({
    read: () => void raw.resume(),
    write: (chunk, _encoding, done) => void (raw.writable ? raw.write(chunk, () => done()) : done()),
    final: (done) => done(),
    destroy: (error, done) => {
      raw.destroy()
      done(error)
    },
  })
  raw.on('data', (chunk) => {
    if (!duplex.push(chunk)) raw.pause()
  })
  raw.on('end', () => duplex.push(null))
  raw.on('close', () => duplex.destroy())
  return duplex
}

let hello: Promise<Buffer> | null = null

/** The first bytes that a TLS client says. */
export function clientHello(): Promise<Buffer> {
  hello ??= new Promise((resolve) => {
    const duplex = new Duplex({
      read: () => {},
      write: (chunk, _encoding, done) => {
        resolve(Buffer.from(chunk))
        done()
      },
    })
    connectTls({ socket: duplex, rejectUnauthorized: false }).on('error', () => {})
  })
  return hello
}
