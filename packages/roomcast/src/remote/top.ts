// `roomcast top`: how a running server is, again and again: what /stats says, as rates, and with the key of the HTTP API the
// rooms with the most clients.

import type { RoomcastStats } from '../roomcast.ts'
import type { Remote, RemoteCommand } from './arguments.ts'
import { callApi, foreign, get, isObject, RemoteFailure } from './ask.ts'

/** How many rooms are shown. */
const ROOMS = 15

/** Of another version of the server anything may be missing. */
type Known = Partial<RoomcastStats>

interface Look {
  readonly atMs: number
  readonly stats: Known
}

/** Writes how the server is, until `signal` aborts. @param write takes whole screens. */
export async function top(
  { remote, intervalMs, isOnce }: Extract<RemoteCommand, { kind: 'top' }>,
  write: (screen: string) => void,
  signal: AbortSignal,
): Promise<void> {
  let before = await look(remote, signal)
  do {
    await wait(intervalMs, signal)
    if (signal.aborted) return
    const now = await look(remote, signal)
    write(`${screenOf(remote.url, before, now, await roomsOf(remote, signal)).join('\n')}\n`)
    before = now
  } while (!isOnce && !signal.aborted)
}

async function look(remote: Remote, signal: AbortSignal): Promise<Look> {
  const stats = await get(remote, '/stats', signal)
  const { status, sockets, closes = {}, refusals = {}, limits = {} } = stats
  const isOurs = typeof status === 'string' && typeof sockets === 'number'
  if (!isOurs || ![closes, refusals, limits].every(isObject)) throw foreign(remote)
  return { stats, atMs: performance.now() }
}

/** The rooms with their clients, or a line that says why they cannot be had: without Redis, or at the end of a server, the
 * other figures are wanted most. */
async function roomsOf(remote: Remote, signal: AbortSignal): Promise<[room: string, clients: number][] | string> {
  if (remote.apiKey === undefined) return 'rooms: give --http_api.key to see them'
  let channels: Record<string, { num_clients: number }>
  try {
    ;({ channels } = (await callApi(remote, 'channels', '{}', signal)) as { channels: typeof channels })
  } catch (error) {
    // A wrong key does not get better.
    if (error instanceof RemoteFailure && error.status !== 401 && !signal.aborted) return `rooms: ${error.message}`
    throw error
  }
  const rooms = Object.entries(channels).map(([room, { num_clients }]): [string, number] => [room, num_clients])
  return rooms.sort(([, a], [, b]) => b - a)
}

/** The lines of one screen. */
function screenOf(url: string, before: Look, now: Look, rooms: [string, number][] | string): string[] {
  const seconds = (now.atMs - before.atMs) / 1000
  const rate = (name: 'messagesIn' | 'messagesOut' | 'bytesIn' | 'bytesOut'): string => {
    const [was, is] = [before.stats[name] ?? Number.NaN, now.stats[name] ?? Number.NaN]
    // A server that was started anew counts from 0.
    return number((is < was ? is : is - was) / seconds)
  }
  const { status, uptimeSeconds, sockets, channels, pendingHandshakes, closes, refusals, limits, bridge } = now.stats
  const counts = (record: object | undefined): string =>
    record === undefined
      ? UNKNOWN
      : Object.entries(record)
          .map(([name, count]) => `${name}: ${count}`)
          .join(', ') || 'none'
  return [
    `${url}  ${status ?? UNKNOWN}, up ${uptimeSeconds ?? UNKNOWN} s${bridge === undefined ? '' : `, bus ${bridge.status}`}`,
    `sockets ${sockets ?? UNKNOWN}, handshakes ${pendingHandshakes ?? UNKNOWN}, rooms ${channels ?? UNKNOWN}`,
    `messages/s  in ${rate('messagesIn')}, out ${rate('messagesOut')}`,
    `bytes/s     in ${rate('bytesIn')}, out ${rate('bytesOut')}`,
    `closes      ${counts(closes)}`,
    `refused     ${counts(refusals)}`,
    `limits hit  ${counts(limits)}`,
    ...(typeof rooms === 'string'
      ? [rooms]
      : rooms.slice(0, ROOMS).map(([room, clients]) => `${number(clients).padStart(9)}  ${JSON.stringify(room)}`)),
  ]
}

/** Shown in the place of what this server does not tell. */
const UNKNOWN = '?'

function number(value: number): string {
  return Number.isNaN(value) ? UNKNOWN : Math.round(value).toLocaleString('en-US')
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end)
  })
}
