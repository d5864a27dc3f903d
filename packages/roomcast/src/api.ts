// The HTTP API: saying something in a channel from outside (POST /channels/<name>), and how the server is doing
// (/healthz, /readyz, /stats). Each request is refused at the first thing that is wrong with it, cheapest check first.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Channels, isChannelName } from '@roomcast/channels'
import { LRUCache } from 'lru-cache'
import { readJson } from './body.ts'
import { type Meta, said } from './protocol.ts'
import { isRead, sendJson } from './reply.ts'
import { bearerCheck } from './token.ts'

/** How ready the server is for new clients. `'connecting'`: its broker has not reached the bus yet; `'degraded'`: has
 * lost it. */
export type Status = 'ready' | 'draining' | 'connecting' | 'degraded'

/** What the API needs of the server around it. */
export interface ApiOptions {
  channels: Channels<Meta>
  token: string
  status: () => Status
  stats: () => object
  /** The largest body. */
  maxDataBytes: number
  /** Aborts when the server is about to end: nothing is said any more. */
  ending: AbortSignal
  /** Whether the channels have been closed. */
  isClosed: () => boolean
}

/** Answers one request, or returns false when the path is not the API's. */
export type Route = (req: IncomingMessage, res: ServerResponse, path: string) => boolean

/** How long the answer to an Idempotency-Key is remembered, and how many are. */
const REPEATS = { ttl: 5 * 60_000, max: 10_000 }
const MAX_KEY_LENGTH = 256
const PREFIX = '/channels/'

/** Makes the API. */
export function createApi(options: ApiOptions): Route {
  const { channels, token, status, stats, maxDataBytes: maxBytes, ending: signal, isClosed } = options
  const isAuthorized = bearerCheck(token)
  const answers = new LRUCache<string, { delivered: number }>(REPEATS)

  async function post(req: IncomingMessage, res: ServerResponse, encodedName: string): Promise<void> {
    const fail = (code: number, error: string, headers = {}): void => sendJson(res, code, { error }, headers)
    if (req.method !== 'POST') return fail(405, 'method_not_allowed', { Allow: 'POST' })
    if (!isAuthorized(req.headers.authorization)) return fail(401, 'unauthorized', { 'WWW-Authenticate': 'Bearer' })
    const channel = channelName(encodedName)
    if (channel === undefined) return fail(400, 'bad_name')
    if (!isJsonType(req.headers['content-type'])) return fail(415, 'unsupported_media_type')
    const key = req.headers['idempotency-key']?.toString()
    if (key !== undefined && (key === '' || key.length > MAX_KEY_LENGTH)) return fail(400, 'bad_idempotency_key')
    // Before the body is asked for, and again behind it: an answer of 200 means that somebody could have heard it.
    const silence = (): string | undefined => (isClosed() ? 'closed' : signal.aborted ? 'draining' : undefined)
    const unavailable = (error: string): void => fail(503, error, { 'Retry-After': '2' })
    const before = silence()
    if (before !== undefined) return unavailable(before)
    const body = await readJson(req, res, { maxBytes, signal })
    if (body === 'gone') return
    if (body === 'stopped') return unavailable('draining')
    if ('error' in body) return fail(body.status, body.error)
    const behind = silence()
    if (behind !== undefined) return unavailable(behind)
    // From here to the answer nothing waits: of two requests with one key, the second finds the answer of the first.
    const repeat = JSON.stringify([channel, key])
    const known = key === undefined ? undefined : answers.get(repeat)
    const answer = known ?? { delivered: channels.broadcast(channel, said(channel, body.value)) }
    if (key !== undefined && known === undefined) answers.set(repeat, answer)
    sendJson(res, 200, answer)
  }

  return (req, res, path) => {
    if (path.startsWith(PREFIX) && !path.includes('/', PREFIX.length)) {
      post(req, res, path.slice(PREFIX.length)).catch((error: unknown) => {
        // Nothing above is known to throw; a defect must cost one request, not the process.
        process.emitWarning(error instanceof Error ? error : String(error))
        if (res.headersSent) res.destroy()
        else sendJson(res, 500, { error: 'internal' })
      })
    } else if (path === '/healthz') {
      if (isRead(req, res)) sendJson(res, 200, { status: 'alive' })
    } else if (path === '/readyz') {
      const now = status()
      if (isRead(req, res)) sendJson(res, now === 'ready' ? 200 : 503, { status: now })
    } else if (path === '/stats') {
      if (isRead(req, res)) sendJson(res, 200, stats())
    } else {
      return false
    }
    return true
  }
}

/** The channel that a path's last segment names, if it is a legal name. */
function channelName(encoded: string): string | undefined {
  try {
    const name = decodeURIComponent(encoded)
    return isChannelName(name) ? name : undefined
  } catch {
    return undefined
  }
}

function isJsonType(header: string | undefined): boolean {
  return header?.split(';', 1)[0]?.trim().toLowerCase() === 'application/json'
}
