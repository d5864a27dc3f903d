// Saying something in a room from outside, the simple way (POST /channels/<name>), and how the server is doing
// (/healthz, /readyz, /stats). Each request is refused at the first thing that is wrong with it, cheapest check first.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { isChannelName } from '@roomcast/channels'
import type { Rooms } from '@roomcast/rooms'
import { LRUCache } from 'lru-cache'
import { readJson } from './body.ts'
import type { Publish } from './publish.ts'
import { isRead, sendJson } from './reply.ts'
import { fail } from './requests.ts'
import { bearerCheck } from './token.ts'

/** How ready the server is for new clients. `'connecting'`: its broker has not reached the bus yet; `'degraded'`: has
 * lost it. */
export type Status = 'ready' | 'draining' | 'connecting' | 'degraded'

/** What the API needs of the server around it. */
export interface ApiOptions {
  rooms: Pick<Rooms, 'memberCount'>
  token: string
  status: () => Status
  /** May new clients be sent here? */
  isReady: () => boolean
  stats: () => object
  /** Says something when it is its turn. */
  publish: Publish
  /** Why a room cannot be used by anybody, if so. */
  faultOf: (room: string) => string | undefined
  /** The largest body, and the largest thing that may be said, in bytes of JSON. */
  maxDataBytes: number
  /** Aborts when the server is about to end: nothing is said any more. */
  ending: AbortSignal
  /** Whether the rooms have been closed. */
  isClosed: () => boolean
}

/** Answers one request, or returns false when the path is not the API's. */
export type Route = (req: IncomingMessage, res: ServerResponse, path: string) => boolean

/** How long the answer to an Idempotency-Key is remembered, and how many are. */
const REPEATS = { ttl: 5 * 60_000, max: 10_000 }
const MAX_KEY_LENGTH = 256
const PREFIX = '/channels/'

interface Answer {
  delivered: number
}

/** What saying something came to. `'busy'`: too much waits to be said. `'bus_full'`: it was said here, and other servers do
 * not get it. undefined: nobody hears any more. */
type Outcome = Answer | 'busy' | 'bus_full' | undefined

/** Whether a path may be asked for by any name of this server: it tells nothing, or asks for a key of its own, which no
 * foreign page has. */
export function isForAnyHost(path: string): boolean {
  return path === '/healthz' || path === '/readyz' || path.startsWith(PREFIX)
}

/** Makes the API. */
export function createApi(options: ApiOptions): Route {
  const { rooms, token, status, isReady, stats, maxDataBytes: maxBytes, ending: signal, isClosed } = options
  const isAuthorized = bearerCheck(token)
  const answers = new LRUCache<string, Promise<Outcome>>(REPEATS)

  /** Why nobody hears what is said, if so: an answer of 200 means that somebody could have heard it. */
  const silence = (): string | undefined => (isClosed() ? 'closed' : signal.aborted ? 'draining' : undefined)

  async function post(req: IncomingMessage, res: ServerResponse, encodedName: string): Promise<void> {
    const fail = (code: number, error: string, headers = {}): void => sendJson(res, code, { error }, headers)
    if (req.method !== 'POST') return fail(405, 'method_not_allowed', { Allow: 'POST' })
    if (!isAuthorized(req.headers.authorization)) return fail(401, 'unauthorized', { 'WWW-Authenticate': 'Bearer' })
    const channel = channelName(encodedName)
    if (channel === undefined) return fail(400, 'bad_name')
    const fault = options.faultOf(channel)
    if (fault !== undefined) return fail(fault === 'unknown_room' ? 404 : 400, fault)
    if (!isJsonType(req.headers['content-type'])) return fail(415, 'unsupported_media_type')
    const key = req.headers['idempotency-key']?.toString()
    if (key !== undefined && (key === '' || key.length > MAX_KEY_LENGTH)) return fail(400, 'bad_idempotency_key')
    const unavailable = (error: string): void => fail(503, error, { 'Retry-After': '2' })
    const before = silence()
    if (before !== undefined) return unavailable(before)
    const body = await readJson(req, res, { maxBytes, signal })
    if (body === 'gone') return
    if (body === 'stopped') return unavailable('draining')
    if ('error' in body) return fail(body.status, body.error)
    const data = JSON.stringify(body.value)
    if (Buffer.byteLength(data) > maxBytes) return fail(413, 'too_large')
    // From here to the end of this function nothing waits but for the answer: of two requests with one key, the second
    // finds that of the first.
    const repeat = JSON.stringify([channel, key])
    const known = key === undefined ? undefined : answers.get(repeat)
    const promise = known ?? publish(channel, data)
    if (key !== undefined && known === undefined) answers.set(repeat, promise)
    let answer: Outcome
    try {
      answer = await promise
    } finally {
      // It was not said: a repeat has to say it.
      if (typeof answer !== 'object' && answers.peek(repeat) === promise) answers.delete(repeat)
    }
    if (typeof answer === 'object') sendJson(res, 200, answer)
    else unavailable(silence() ?? answer ?? 'draining')
  }

  /** Says it when it is its turn. */
  async function publish(channel: string, data: string): Promise<Outcome> {
    let delivered: number | undefined
    const isToSay = (): boolean => {
      if (silence() !== undefined) return false
      delivered = rooms.memberCount(channel)
      return true
    }
    const outcome = await options.publish(channel, data, {}, { isToSay })
    if (outcome === 'busy') return outcome
    if (delivered === undefined) return undefined
    return outcome === 'lost' ? 'bus_full' : { delivered }
  }

  return (req, res, path) => {
    if (path.startsWith(PREFIX) && !path.includes('/', PREFIX.length)) {
      post(req, res, path.slice(PREFIX.length)).catch((error: unknown) => fail(res, error))
    } else if (path === '/healthz') {
      if (isRead(req, res)) sendJson(res, 200, { status: 'alive' })
    } else if (path === '/readyz') {
      if (isRead(req, res)) sendJson(res, isReady() ? 200 : 503, { status: status() })
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
