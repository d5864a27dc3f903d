// The http or https server that requests and upgrades come to: how long it waits for whom.

import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { TlsOptions } from 'node:tls'
import type { Tls } from './tls.ts'

/** Heads, and TLS before them, are awaited as long as core awaits its own heads. */
const HEAD_MS = 10_000

const OPTIONS = {
  headersTimeout: HEAD_MS,
  // A body may take as long as a message.
  requestTimeout: 30_000,
  connectionsCheckingInterval: 1000,
  // Judged by our own rule, which knows more of them (target.ts).
  requireHostHeader: false,
}

/** Makes it. @param tls undefined: plain HTTP. */
export function createHttp(tls: Tls | undefined): Server {
  const http = tls === undefined ? createServer(OPTIONS) : createTlsServer({ ...OPTIONS, ...tlsOptions(tls) })
  // Node would leave headers over its bound out, without a word: a length, a key, or the second of two hosts. Heads are
  // bounded in bytes.
  http.maxHeadersCount = 0
  return http
}

function tlsOptions({ cert, key, ca }: Tls): TlsOptions {
  return { handshakeTimeout: HEAD_MS, cert, key, ...(ca !== undefined && { ca, requestCert: true }) }
}
