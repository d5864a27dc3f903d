// Series that are there from the start, at 0. One that begins with its first count is 1 when Prometheus sees it first, and
// rate() and increase() know of no change: the first loss, the first slow client would raise no alert. Reasons of refusals
// and statuses of HTTP are left out: there are many, and of them it is the rate that matters.

import { DEFAULT_LIMITS } from '@roomcast/core'
import type { Metrics } from './metrics.ts'
import { CALLS } from './watched-store.ts'

/** These options of core bound nothing that is counted. */
const NO_LIMITS = ['slowConsumer', 'idleTimeoutMs', 'sliceMs']

/** How WebSockets end that nothing of the application's ended, by whom. */
const CLOSES: Readonly<Record<string, readonly number[]>> = {
  peer: [1000, 1001, 1005],
  network: [1006],
  server: [1001, 1002, 1006, 1007, 1008, 1009, 1011, 1012, 1013, 3000, 3005, 3012, 3500, 3501, 3502, 3503, 3504, 4008],
}

/** Makes them. @param namespaces those that are configured. */
export function beginAtZero(metrics: Pick<Metrics, 'begin'>, namespaces: Iterable<string>): void {
  for (const outcome of ['accepted', 'refused']) metrics.begin('roomcast_handshakes_total', { outcome })
  for (const limit of Object.keys(DEFAULT_LIMITS)) {
    if (!NO_LIMITS.includes(limit)) metrics.begin('roomcast_limits_hit_total', { limit })
  }
  for (const [by, codes] of Object.entries(CLOSES)) {
    for (const code of codes) metrics.begin('roomcast_closes_total', { code: `${code}`, by })
  }
  for (const namespace of new Set(['', ...namespaces])) metrics.begin('roomcast_gaps_total', { namespace })
  for (const call of CALLS) metrics.begin('roomcast_store_errors_total', { call })
}
