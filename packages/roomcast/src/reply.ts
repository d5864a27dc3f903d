// HTTP answers in one place: JSON bodies, the headers that every answer of this server carries, and what becomes of a
// request's body that was not read: the connection ends after the answer, or a client whom nobody believes could go on
// sending for ever.

import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** On every answer: no guessing of types, and no address of ours in anybody's log. */
const ALWAYS: OutgoingHttpHeaders = { 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer' }

/** What is still read of a body after the answer, and for how long. A connection that is closed while bytes of the client
 * are on their way is reset, and a reset can overtake the answer (RFC 9112 §9.6). */
const LINGER_BYTES = 256 * 1024
const LINGER_MS = 1000

const leaving = new WeakSet<Socket>()

/** Why requests were refused. */
const errors = new WeakMap<ServerResponse, string>()

/** The error of an answer, if it had one. */
export function errorOf(res: ServerResponse): string | undefined {
  return errors.get(res)
}

/** Whether this connection ends with an answer that was given: what comes after it is not for us (RFC 9112 §9.6). */
export function isLeaving(socket: Socket): boolean {
  return leaving.has(socket)
}

/** Answers with `body` as it is; HEAD gets the same headers and no body. */
export function send(
  res: ServerResponse,
  status: number,
  headers: OutgoingHttpHeaders,
  body: string | Buffer = '',
): void {
  const length = status === 304 ? {} : { 'Content-Length': Buffer.byteLength(body) }
  const { Connection: connection } = headers
  const last = connection === 'close' || isUnread(res.req) ? { Connection: 'close' } : {}
  if ('Connection' in last) leave(res.req)
  res.writeHead(status, { ...ALWAYS, ...length, ...headers, ...last }).end(body)
}

/** Answers with JSON that nobody may keep. */
export function sendJson(res: ServerResponse, status: number, value: unknown, headers: OutgoingHttpHeaders = {}): void {
  const { error } = value as { error?: unknown }
  if (typeof error === 'string') errors.set(res, error)
  const body = `${JSON.stringify(value)}\n`
  send(res, status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...headers }, body)
}

/** Whether the request only reads. If not, it has been answered with 405. */
export function isRead(req: IncomingMessage, res: ServerResponse): boolean {
  if (req.method === 'GET' || req.method === 'HEAD') return true
  sendJson(res, 405, { error: 'method_not_allowed' }, { Allow: 'GET, HEAD' })
  return false
}

/** Whether some of the body is still to come. */
function isUnread(req: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': coding } = req.headers
  return !req.complete && (coding !== undefined || Number(length) > 0)
}

/** Makes the answer to this request the last one of its connection: our side ends with it, and the rest of the body is
 * read past, within bounds. */
function leave(req: IncomingMessage): void {
  const { socket } = req
  if (leaving.has(socket)) return
  leaving.add(socket)
  let bytes = 0
  req.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > LINGER_BYTES) socket.destroy()
  })
  // Node calls this when the last answer is out, and would close both sides.
  socket.destroySoon = () => {
    socket.end()
    const timer = setTimeout(() => socket.destroy(), LINGER_MS)
    socket.once('close', () => clearTimeout(timer))
  }
}
