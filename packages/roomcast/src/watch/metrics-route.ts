// GET /metrics: for who has the key; without a key, for who asks from this machine. A proxy on this machine asks from it,
// too, for others: a request that one has marked, or that asks for another host, needs a key.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { isLoopback, isLoopbackName } from '../access.ts'
import type { Route } from '../api.ts'
import { isRead, send, sendJson } from '../reply.ts'
import { fail } from '../requests.ts'
import { readTarget } from '../target.ts'
import { bearerCheck } from '../token.ts'

/** Where metrics are. */
export const METRICS_PATH = '/metrics'

/** What is answered. */
export interface MetricsText {
  readonly contentType: string
  text(): Promise<string>
}

/** Headers that proxies put into requests that they pass on. */
const OF_PROXIES =
  /^(?:forwarded|via|cdn-loop|true-client-ip|(?:x-forwarded|x-real|x-client|x-original|x-envoy|cf)-.+)$/

/** Makes the route. @param key undefined: there is none. */
export function createMetricsRoute(metrics: MetricsText, key: string | undefined): Route {
  const hasKey = key === undefined ? undefined : bearerCheck(key)

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (!isRead(req, res)) return
    if (hasKey !== undefined && !hasKey(req.headers.authorization)) {
      return sendJson(res, 401, { error: 'unauthorized' }, { 'WWW-Authenticate': 'Bearer' })
    }
    if (hasKey === undefined && !isFromHere(req)) return sendJson(res, 403, { error: 'metrics_key_needed' })
    const text = await metrics.text()
    send(res, 200, { 'Content-Type': metrics.contentType, 'Cache-Control': 'no-store' }, text)
  }

  return (req, res, path) => {
    if (path !== METRICS_PATH) return false
    answer(req, res).catch((error: unknown) => fail(res, error))
    return true
  }
}

/** Whether a program on this machine asks for itself, as far as that can be told. */
function isFromHere(req: IncomingMessage): boolean {
  const { remoteAddress = '' } = req.socket
  const isNear = isLoopback(remoteAddress.replace(/^::ffff:/, '')) && isLoopbackName(readTarget(req).host)
  return isNear && !isPassedOn(req)
}

/** Whether a proxy shows. nginx names itself nowhere unless it is told to, and asks for the loopback name that its
 * configuration has: but it speaks HTTP/1.0, or says `Connection: close`, or `upgrade` as it is told to for WebSockets.
 * Prometheus and its like speak 1.1 and keep the connection. */
function isPassedOn({ headers, httpVersion }: IncomingMessage): boolean {
  const { connection = 'keep-alive' } = headers
  if (httpVersion !== '1.1' || connection.toLowerCase() !== 'keep-alive') return true
  return Object.keys(headers).some((name) => OF_PROXIES.test(name))
}
