// One client of the SDK protocol, in JSON, by hand: a TCP socket, a handshake, a connect and a subscribe in one message.
// Publications are found in the stream of bytes by a mark within their data, whatever frames and lines they came in.

import net from 'node:net'
import { PAYLOAD_BYTES } from './sdk-scenarios.ts'

const MARK = Buffer.from('{"p":"')
/** From the beginning of the mark: two digits of the publisher, and eight of the number. */
const PUBLISHER_AT = MARK.length
const NUMBER_AT = PUBLISHER_AT + 2 + '","n":"'.length
const MARKED_BYTES = NUMBER_AT + 8
const BRACE = 0x7d
const NOTHING = Buffer.alloc(0)
/** By publisher: from a mark to the next. */
const strides = new Uint32Array(100).fill(MARKED_BYTES)

/** Where reads are put, one after the other. */
const shared = Buffer.allocUnsafeSlow(64 * 1024)

export interface SdkClientOptions {
  port: number
  token: string
  room: string
  /** From where it recovers. */
  since?: { offset: number; epoch: string }
  localAddress?: string
  /** A publication came. */
  said(publisher: number, number: number): void
  failed(error: Error): void
}

/** The data of a publication, always as long. */
function dataOf(publisher: number, number: number): string {
  const text = `{"p":"${String(publisher).padStart(2, '0')}","n":"${String(number).padStart(8, '0')}","x":""}`
  return text.replace('""', `"${'x'.repeat(PAYLOAD_BYTES - text.length)}"`)
}

/** A client's frame: masked with zeros, which leave the text as it is. */
function clientFrame(text: string): Buffer {
  const { length } = text
  const head = length < 126 ? [0x81, 0x80 | length] : [0x81, 0xfe, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), Buffer.from(text, 'latin1')])
}

export class SdkClient {
  /** The answer to its subscribe, as text. */
  readonly subscribed: Promise<string>
  readonly #options: SdkClientOptions
  readonly #socket: net.Socket
  #rest: Buffer = NOTHING
  #isIn = false
  #resolve!: (answer: string) => void

  constructor(options: SdkClientOptions) {
    this.#options = options
    this.subscribed = new Promise((resolve) => {
      this.#resolve = resolve
    })
    const { port, localAddress } = options
    const onread = { buffer: shared, callback: (size: number): boolean => this.#receive(shared.subarray(0, size)) }
    this.#socket = net.connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread,
      ...(localAddress && { localAddress }),
    })
    this.#socket.on('error', options.failed)
    this.#socket.on('close', () => options.failed(new Error('a socket was closed')))
    this.#socket.write(
      `GET /connection/websocket HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    )
  }

  publish(publisher: number, number: number): void {
    const { room } = this.#options
    this.#socket.write(clientFrame(`{"id":3,"publish":{"channel":"${room}","data":${dataOf(publisher, number)}}}`))
  }

  /** Goes, without a word of its being gone. */
  end(): void {
    this.#socket.removeAllListeners('close').destroy()
  }

  #receive(chunk: Buffer): boolean {
    try {
      const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
      const at = this.#isIn ? 0 : this.#enter(bytes)
      // What is short of a mark may be the beginning of one.
      this.#rest = at === undefined ? Buffer.from(bytes) : this.#listen(bytes, at)
    } catch (error) {
      this.#options.failed(error instanceof Error ? error : new Error(String(error)))
    }
    return true
  }

  /** The handshake, and the answers to connect and subscribe. Returns where publications begin; undefined: later. */
  #enter(bytes: Buffer): number | undefined {
    const text = bytes.toString('latin1')
    if (text.includes('"error"')) throw new Error(text.slice(-300))
    if (text.startsWith('HTTP/1.1 101') && text.endsWith('\r\n\r\n')) {
      const { token, room, since } = this.#options
      const position = since && { recover: true, ...since }
      const subscribe = { id: 2, subscribe: { channel: room, ...position } }
      this.#socket.write(clientFrame(`{"id":1,"connect":{"token":"${token}"}}\n${JSON.stringify(subscribe)}`))
      return undefined
    }
    const answer = text.indexOf('"subscribe":{')
    if (answer === -1) return undefined
    this.#isIn = true
    this.#resolve(text.slice(answer))
    return answer
  }

  #listen(bytes: Buffer, from: number): Buffer {
    const { length } = bytes
    let at = bytes.indexOf(MARK, from)
    let end = from
    while (at !== -1 && at + MARKED_BYTES <= length) {
      end = at + MARKED_BYTES
      const publisher = digits(bytes, at + PUBLISHER_AT, 2)
      this.#options.said(publisher, digits(bytes, at + NUMBER_AT, 8))
      // What one publisher says is always as long, so the next mark is where it was the last time.
      const next = at + strides[publisher]!
      if (next + MARKED_BYTES <= length && isMark(bytes, next)) at = next
      else {
        const found = bytes.indexOf(MARK, end)
        if (found !== -1) strides[publisher] = found - at
        at = found
      }
    }
    // There is no brace in a mark, so it does not begin before this one.
    if (bytes[length - 1] === BRACE) return NOTHING
    return Buffer.from(bytes.subarray(Math.max(end, length - MARKED_BYTES)))
  }
}

function isMark(bytes: Buffer, at: number): boolean {
  for (let i = 0; i < MARK.length; i++) if (bytes[at + i] !== MARK[i]) return false
  return true
}

function digits(bytes: Buffer, at: number, count: number): number {
  let value = 0
  for (let i = at; i < at + count; i++) value = value * 10 + bytes[i]! - 0x30
  return value
}
