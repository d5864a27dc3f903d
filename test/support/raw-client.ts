// A client made of a TCP connection and nothing else: it sends any bytes, reads what the server sends as a response head
// and frames, and can be rude: stop reading, end, reset. It shares no code with the sources. Every wait has a deadline.

import { Buffer } from 'node:buffer'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type ClientFrame, clientFrame, closeBody, Op } from './client-frames.ts'
import { Log } from './log.ts'

/** The key that RFC 6455 §1.3 uses as its example, and the answer to it. */
export const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
export const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='

/** Where to connect: a port of 127.0.0.1, perhaps over TLS, or a unix socket. */
export type Target = { port: number; tls?: boolean } | { path: string }

export interface RawOptions {
  /** Keep our side of TCP open when the server ends its side (not over TLS). Default: end it too. */
  halfOpen?: boolean
}

/** A response, with its body when it is no 101. */
export interface Response {
  status: number
  headers: Record<string, string>
  /** The head as it came, without the empty line. */
  head: string
  body: string
}

/** A frame of the server. */
export interface ServerFrame {
  fin: boolean
  rsv: number
  opcode: number
  masked: boolean
  payload: Buffer
}

/** What a handshake may have different from a correct one. A header with the value null is left out. */
export interface HandshakeText {
  method?: string
  url?: string
  version?: string
  headers?: Record<string, string | null>
  /** Header lines as they are, after all others. */
  extra?: string[]
}

/** The head of an upgrade request, with its empty line. */
export function handshakeText(options: HandshakeText = {}): string {
  const { method = 'GET', url = '/', version = 'HTTP/1.1', extra = [] } = options
  const headers: Record<string, string | null> = {
    Host: 'localhost',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': KEY,
    'Sec-WebSocket-Version': '13',
    ...options.headers,
  }
  const lines = Object.entries(headers).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}`]))
  return `${[`${method} ${url} ${version}`, ...lines, ...extra].join('\r\n')}\r\n\r\n`
}

const clients = new Set<RawClient>()

/** Ends every client there is. */
export function endClients(): void {
  for (const client of clients) client.socket.destroy()
  clients.clear()
}

export class RawClient {
  readonly socket: Socket
  /** Frames received, in their order; a Close is one of them. */
  readonly frames: Log<ServerFrame> = new Log('frames')
  /** Responses received. */
  readonly responses: Log<Response> = new Log('responses')
  /** How the connection ended: the server's FIN, its reset, and at last 'closed'. */
  readonly ends: Log<'fin' | 'reset' | 'closed'> = new Log('ends')
  /** Every byte received, as long as no 101 came. */
  text = ''
  /** Bytes of frames that were received. */
  frameBytes = 0
  #rest: Buffer = Buffer.alloc(0)
  /** What came behind `#rest`, kept in its pieces until the frame that begins there is whole: to join them at each piece would
   * copy a large message again and again. */
  #pieces: Buffer[] = []
  #received = 0
  #wanted = 0
  #upgraded = false
  /** HEAD was asked, whose answer has no body. */
  #bodyless = false
  #next = 0

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('end', () => this.ends.push('fin'))
    socket.on('error', () => this.ends.push('reset'))
    socket.on('close', () => this.ends.push('closed'))
    clients.add(this)
  }

  /** Connects; over TLS, also waits for its handshake. */
  static async connect(target: Target, options: RawOptions = {}): Promise<RawClient> {
    const allowHalfOpen = options.halfOpen === true
    const tls = 'port' in target && target.tls === true
    const socket =
      'path' in target
        ? connectTcp({ path: target.path, allowHalfOpen })
        : tls
          ? connectTls({ port: target.port, host: '127.0.0.1', rejectUnauthorized: false })
          : connectTcp({ port: target.port, host: '127.0.0.1', allowHalfOpen })
    const client = new RawClient(socket)
    await new Promise<void>((resolve, reject) => {
      socket.once(tls ? 'secureConnect' : 'connect', () => resolve())
      socket.once('error', reject)
    })
    if ('port' in target) socket.setNoDelay(true)
    return client
  }

  write(...bytes: (string | Uint8Array)[]): void {
    const all = Buffer.concat(bytes.map((piece) => Buffer.from(piece)))
    this.#bodyless ||= all.subarray(0, 5).toString() === 'HEAD '
    this.socket.write(all)
  }

  /** Sends an upgrade request, with `after` in the same write. */
  ask(options: HandshakeText = {}, after: string | Uint8Array = ''): void {
    this.write(handshakeText(options), after)
  }

  /** Asks for an upgrade, and waits for the answer. */
  async upgrade(options: HandshakeText = {}): Promise<Response> {
    this.ask(options)
    return this.response()
  }

  /** The first response. */
  response(): Promise<Response> {
    return this.responses.at(0)
  }

  send(...frames: ClientFrame[]): void {
    this.write(...frames.map(clientFrame))
  }

  /** Sends text messages, each in one frame, all in one write. */
  say(...texts: string[]): void {
    this.send(...texts.map((payload) => ({ opcode: Op.TEXT, payload })))
  }

  sendClose(code?: number, reason = ''): void {
    this.send({ opcode: Op.CLOSE, payload: code === undefined ? '' : closeBody(code, reason) })
  }

  /** The next frame that was not asked for before. */
  frame(): Promise<ServerFrame> {
    return this.frames.at(this.#next++)
  }

  /** The next frame, which must be a text message. */
  async message(): Promise<string> {
    const frame = await this.frame()
    if (frame.opcode !== Op.TEXT) throw new Error(`expected a text frame: ${JSON.stringify(describe(frame))}`)
    return frame.payload.toString()
  }

  /** The server's Close, whatever comes before it. */
  async close(): Promise<{ code: number; reason: string }> {
    const { payload } = await this.frames.find(({ opcode }) => opcode === Op.CLOSE)
    return payload.length === 0
      ? { code: 1005, reason: '' }
      : { code: payload.readUInt16BE(), reason: payload.subarray(2).toString() }
  }

  /** Waits for the server's Close and answers it. */
  async answerClose(): Promise<{ code: number; reason: string }> {
    const close = await this.close()
    this.sendClose(close.code === 1005 ? undefined : close.code)
    return close
  }

  /** How the connection ended at last: 'fin' or 'reset', or 'closed' when it was us. */
  async ended(): Promise<'fin' | 'reset' | 'closed'> {
    await this.ends.find((end) => end === 'closed')
    return this.ends.all[0]!
  }

  /** A TCP reset. */
  reset(): void {
    this.socket.resetAndDestroy()
  }

  #receive(chunk: Buffer): void {
    if (!this.#upgraded) this.text += chunk.toString('latin1')
    else this.frameBytes += chunk.length
    this.#pieces.push(chunk)
    this.#received += chunk.length
    if (this.#received < this.#wanted) return
    this.#rest = Buffer.concat([this.#rest, ...this.#pieces.splice(0)])
    while (this.#upgraded ? this.#takeFrame() : this.#takeResponse());
    this.#received = this.#rest.length
  }

  #takeResponse(): boolean {
    const end = this.#rest.indexOf('\r\n\r\n')
    if (end < 0) return false
    const head = this.#rest.toString('latin1', 0, end)
    const [first = '', ...lines] = head.split('\r\n')
    const status = Number(first.split(' ')[1])
    const headers: Record<string, string> = {}
    for (const line of lines) {
      const colon = line.indexOf(':')
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
    }
    const length = status === 101 || this.#bodyless ? 0 : Number(headers['content-length'] ?? 0)
    if (this.#rest.length < end + 4 + length) return false
    const body = this.#rest.toString('utf8', end + 4, end + 4 + length)
    this.#rest = this.#rest.subarray(end + 4 + length)
    this.#upgraded = status === 101
    if (this.#upgraded) this.frameBytes = this.#rest.length
    this.responses.push({ status, headers, head, body })
    return true
  }

  #takeFrame(): boolean {
    const bytes = this.#rest
    this.#wanted = 2
    if (bytes.length < this.#wanted) return false
    const short = bytes[1]! & 0x7f
    const start = short === 126 ? 4 : short === 127 ? 10 : 2
    this.#wanted = start
    if (bytes.length < this.#wanted) return false
    const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short
    this.#wanted = start + length
    if (bytes.length < this.#wanted) return false
    const byte0 = bytes[0]!
    this.#rest = bytes.subarray(start + length)
    this.frames.push({
      fin: byte0 >= 0x80,
      rsv: (byte0 >> 4) & 7,
      opcode: byte0 & 15,
      masked: bytes[1]! >= 0x80,
      payload: bytes.subarray(start, start + length),
    })
    return true
  }
}

/** A frame in short: its opcode's name and its payload. */
export function describe({ opcode, payload }: ServerFrame): string {
  const name =
    Object.entries(Op)
      .find(([, value]) => value === opcode)?.[0]
      .toLowerCase() ?? `opcode ${opcode}`
  if (opcode === Op.CLOSE && payload.length >= 2) return `close ${payload.readUInt16BE()} ${payload.subarray(2)}`.trim()
  return payload.length > 64 ? `${name} of ${payload.length}` : `${name} ${payload}`.trim()
}
