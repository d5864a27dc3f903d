// Labels of metrics that come from outside: always one of few. And what is read of the store and of the process.

import { performance } from 'node:perf_hooks'
import { SDK_PATH } from '../connections.ts'
import type { KeepingStore } from '../options.ts'
import type { Reading } from './metrics.ts'

/** Close codes that a peer cannot choose at will: those of RFC 6455, of the protocol for SDKs, and our own. */
export function closeLabel(code: number): string {
  const isKnown = (code >= 1000 && code <= 1015) || (code >= 3000 && code <= 3014) || (code >= 3500 && code <= 3509)
  return isKnown || code === 4002 || code === 4008 ? `${code}` : 'other'
}

/** What a call of the HTTP API came to: done, an error of Centrifugo's, or an HTTP status. */
export function apiCodeLabel(code: number): string {
  if (code === 0) return 'ok'
  return (code >= 100 && code <= 113) || [400, 401, 404, 405, 413, 503].includes(code) ? `${code}` : 'other'
}

const ROUTES = ['/healthz', '/readyz', '/stats', '/metrics', SDK_PATH]

/** What a request was for. */
export function routeLabel(path: string): string {
  if (ROUTES.includes(path)) return path
  if (path.startsWith('/api/')) return '/api'
  return path.startsWith('/channels/') ? '/channels' : 'page'
}

const STORE_STATUSES: readonly NonNullable<KeepingStore['status']>[] = ['connecting', 'ready', 'degraded', 'closed']

/** 1 for the one that is, 0 for the others. A series that comes and goes cannot be averaged, nor found to be 0. */
export function oneOf<T extends string>(all: readonly T[], one: T): [T, 0 | 1][] {
  return all.map((each) => [each, each === one ? 1 : 0])
}

/** In Unix seconds, looked at once: the system's clock moves, and a start that moved would be taken for another one. */
const STARTED_AT = Math.round(Date.now() / 1000 - process.uptime())

/** How a store's figures are called. */
const FATES = ['published', 'received', 'delivered', 'echoes', 'dropped', 'invalid']

/** What is read of a store, and of the process. */
export function storeReadings(store: KeepingStore): Reading {
  return (set) => {
    for (const [status, value] of oneOf(STORE_STATUSES, store.status ?? 'ready')) {
      set('roomcast_store_status', value, { status })
    }
    const stats: Readonly<Record<string, unknown>> = { ...store.stats?.() }
    for (const fate of FATES) {
      if (typeof stats[fate] === 'number') set('roomcast_bus_messages_total', stats[fate], { fate })
    }
    const { gaps, reconnects, queued, forgotten } = stats
    if (typeof gaps === 'number') set('roomcast_bus_gaps_total', gaps)
    if (typeof reconnects === 'number') set('roomcast_bus_reconnects_total', reconnects)
    if (typeof forgotten === 'number') set('roomcast_bus_forgotten_positions_total', forgotten)
    if (typeof queued === 'number') set('roomcast_bus_queued_messages', queued)
    const { rss, heapUsed } = process.memoryUsage()
    const { user, system } = process.cpuUsage()
    set('process_resident_memory_bytes', rss)
    set('nodejs_heap_used_bytes', heapUsed)
    set('process_cpu_seconds_total', (user + system) / 1e6)
    set('process_start_time_seconds', STARTED_AT)
    set('roomcast_event_loop_active_seconds_total', performance.eventLoopUtilization().active / 1000)
  }
}
