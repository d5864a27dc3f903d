// Connections whose bytes node's http or TLS could not read. They are answered as node does by itself, with the name of the
// error that core has for it: 400, 408 or 431, and the connection ends.

import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { HeadError } from './watch/head-refusals.ts'

/** The name and status of what node could not read. */
const ANSWERS: Readonly<Record<string, readonly [status: string, error: string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'headers_too_large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'request_timeout'],
}
const MALFORMED = ['400 Bad Request', 'bad_request'] as const

/** What the peer still sends is read past for so long: a connection that is closed while its bytes are on their way is reset,
 * and a reset can overtake the answer. */
const LINGER_MS = 1000

/** Node's own: the answer that it is giving, and TCP under TLS. */
type Answering = Socket & { _httpMessage?: { headersSent: boolean } | null; _parent?: Socket }

/** Where it shows that nothing came, when node gave up waiting: of TLS that is not up, below it. */
const SILENT: Readonly<Record<string, (socket: Answering) => boolean>> = {
  ERR_HTTP_REQUEST_TIMEOUT: (socket) => socket.bytesRead === 0,
  ERR_TLS_HANDSHAKE_TIMEOUT: (socket) => socket._parent?.bytesRead === 0,
}

/** Answers them. @param tell hears of each, with the address that it came from; not of a connection on which nothing came. */
export function answerBadHeads(http: Server, tell: (error: HeadError, address: string | undefined) => void): void {
  const answered = new WeakSet<object>()
  http.on('clientError', (error: NodeJS.ErrnoException & HeadError, stream) => {
    const socket = stream as Answering
    // What comes behind bytes that could not be read cannot be read either.
    if (answered.has(socket)) return
    answered.add(socket)
    // Node hears it no more.
    socket.on('error', () => {})
    const { code = '' } = error
    if (SILENT[code]?.(socket) !== true) tell(error, socket.remoteAddress)
    // Behind the beginning of an answer it would be taken for the rest of that one.
    const isBegun = socket._httpMessage?.headersSent === true
    if (!socket.writable || isBegun || !(code.startsWith('HPE_') || code in ANSWERS)) return void socket.destroy()
    const [status, name] = ANSWERS[code] ?? MALFORMED
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\nError: ${name}\r\n\r\n`)
    socket.resume()
    const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref()
    socket.once('close', () => clearTimeout(timer))
  })
}
