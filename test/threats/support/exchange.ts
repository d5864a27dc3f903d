// One connection from its beginning to its end: bytes out, and everything that comes back until the server ends it. Every
// wait has a deadline; nothing of a connection is kept afterwards, so there may be very many of them.

import { Buffer } from 'node:buffer'
import { connect, type Socket } from 'node:net'
import { describe, type HandshakeText, handshakeText } from '../../support/raw-client.ts'

const DEADLINE_MS = 15_000

export interface Exchange {
  handshake?: HandshakeText
  port?: number
  deadlineMs?: number
  /** Every chunk in a TCP write of its own, in a turn of its own. */
  apart?: boolean
}

/** What a request came to: the status lines, the whole text, and how long it was until the end. */
export interface Answer {
  statuses: number[]
  text: string
  ms: number
}

/** Sends a handshake and, after the 101, `bytes`; the frames that came until the server ended TCP, each in some words as
 * `describe` gives them. A refused handshake is one entry, `status 400`. */
export function exchange(
  port: number,
  bytes: Uint8Array | readonly Uint8Array[],
  options: Exchange = {},
): Promise<string[]> {
  const chunks = bytes instanceof Uint8Array ? [bytes] : bytes
  let received: Buffer = Buffer.alloc(0)
  let from = -1
  return talk(options.port ?? port, options.deadlineMs, {
    begin: (socket) => void socket.write(handshakeText(options.handshake)),
    data(socket, chunk) {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
      if (from >= 0) return
      const end = received.indexOf('\r\n\r\n')
      if (end < 0) return
      from = end + 4
      if (received.toString('latin1', 9, 12) !== '101') return
      if (options.apart === true) void sendApart(socket, chunks)
      else for (const piece of chunks) socket.write(piece)
    },
    end: () => {
      const status = received.toString('latin1', 9, 12)
      return status === '101' ? readFrames(received.subarray(from)).map(describe) : [`status ${status}`]
    },
  })
}

/** The code of the Close that came last, as text; or what came last instead. */
export function closeCode(came: readonly string[]): string {
  const last = came.at(-1) ?? 'nothing'
  return last.startsWith('close') ? (/^close (\d+)/.exec(last)?.[1] ?? '1005') : last
}

/** Sends a request in pieces, and gives what came until the server ended TCP. */
export function ask(port: number, request: string | readonly string[], deadlineMs = DEADLINE_MS): Promise<Answer> {
  const began = performance.now()
  let text = ''
  return talk(port, deadlineMs, {
    begin: (socket) => {
      for (const piece of typeof request === 'string' ? [request] : request) socket.write(piece, 'latin1')
    },
    data: (_socket, chunk) => void (text += chunk.toString('latin1')),
    end: () => ({
      statuses: [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status)),
      text,
      ms: performance.now() - began,
    }),
  })
}

async function sendApart(socket: Socket, chunks: readonly Uint8Array[]): Promise<void> {
  for (const chunk of chunks) {
    if (socket.destroyed) return
    socket.write(chunk)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

function talk<R>(
  port: number,
  deadlineMs = DEADLINE_MS,
  part: { begin(socket: Socket): void; data(socket: Socket, chunk: Buffer): void; end(): R },
): Promise<R> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`the server did not end the connection in ${deadlineMs} ms; it came to ${part.end()}`))
    }, deadlineMs)
    socket.on('connect', () => part.begin(socket))
    socket.on('data', (chunk) => part.data(socket, chunk))
    // A server that ends while we still send may reset; what came before counts.
    socket.on('error', () => {})
    socket.on('end', () => socket.destroy())
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(part.end())
    })
  })
}

function readFrames(bytes: Buffer) {
  const frames = []
  for (let at = 0; at + 2 <= bytes.length; ) {
    const short = bytes[at + 1]! & 0x7f
    const start = at + (short === 126 ? 4 : short === 127 ? 10 : 2)
    const length =
      short === 126 ? bytes.readUInt16BE(at + 2) : short === 127 ? Number(bytes.readBigUInt64BE(at + 2)) : short
    frames.push({
      fin: bytes[at]! >= 0x80,
      rsv: (bytes[at]! >> 4) & 7,
      opcode: bytes[at]! & 15,
      masked: bytes[at + 1]! >= 0x80,
      payload: bytes.subarray(start, start + length),
    })
    at = start + length
  }
  return frames
}
