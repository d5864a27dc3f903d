// `roomcast top`: how a running server is, again and again: what /stats says, as rates, and with the key of the HTTP API the
// rooms with the most clients.

import type { RoomcastStats } from '../roomcast.ts'
import type { Remote, RemoteCommand } from './arguments.ts'
import { callApi, foreign, get, isObject, RemoteFailure } from './ask.ts'

/** How many rooms are shown. */
const ROOMS = 15

interface Look {
  readonly atMs: number
  readonly stats: RoomcastStats
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
  const { sockets, closes, refusals, limits } = stats
  if (typeof sockets !== 'number' || ![closes, refusals, limits].every(isObject)) throw foreign(remote)
  return { stats: stats as unknown as RoomcastStats, atMs: performance.now() }
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
  const rate = (of: (stats: RoomcastStats) => number): string => {
    const [was, is] = [of(before.stats), of(now.stats)]
    // A server that was started anew counts from 0.
    return number((is < was ? is : is - was) / seconds)
  }
  const { status, uptimeSeconds, sockets, channels, pendingHandshakes, closes, refusals, limits, bridge } = now.stats
  const counts = (record: object): string =>
    Object.entries(record)
      .map(([name, count]) => `${name}: ${count}`)
      .join(', ') || 'none'
  return [
    `${url}  ${status}, up ${uptimeSeconds} s${bridge === undefined ? '' : `, bus ${bridge.status}`}`,
    `sockets ${sockets}, handshakes ${pendingHandshakes}, rooms ${channels}`,
    `messages/s  in ${rate((stats) => stats.messagesIn)}, out ${rate((stats) => stats.messagesOut)}`,
    `bytes/s     in ${rate((stats) => stats.bytesIn)}, out ${rate((stats) => stats.bytesOut)}`,
    `closes      ${counts(closes)}`,
    `refused     ${counts(refusals)}`,
    `limits hit  ${counts(limits)}`,
    ...(typeof rooms === 'string'
      ? [rooms]
      : rooms.slice(0, ROOMS).map(([room, clients]) => `${number(clients).padStart(9)}  ${JSON.stringify(room)}`)),
  ]
}

function number(value: number): string {
  return Math.round(value).toLocaleString('en-US')
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
