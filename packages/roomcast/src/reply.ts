// HTTP answers in one place: JSON bodies, and the headers that every answer of this server carries.

import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'

/** On every answer: no guessing of types, and no address of ours in anybody's log. */
const ALWAYS: OutgoingHttpHeaders = { 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer' }

/** Answers with `body` as it is; HEAD gets the same headers and no body. */
export function send(
  res: ServerResponse,
  status: number,
  headers: OutgoingHttpHeaders,
  body: string | Buffer = '',
): void {
  const length = status === 304 ? {} : { 'Content-Length': Buffer.byteLength(body) }
  res.writeHead(status, { ...ALWAYS, ...length, ...headers }).end(body)
}

/** Answers with JSON that nobody may keep. */
export function sendJson(res: ServerResponse, status: number, value: unknown, headers: OutgoingHttpHeaders = {}): void {
  const body = `${JSON.stringify(value)}\n`
  send(res, status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...headers }, body)
}

/** Whether the request only reads. If not, it has been answered with 405. */
export function isRead(req: IncomingMessage, res: ServerResponse): boolean {
  if (req.method === 'GET' || req.method === 'HEAD') return true
  sendJson(res, 405, { error: 'method_not_allowed' }, { Allow: 'GET, HEAD' })
  return false
}
