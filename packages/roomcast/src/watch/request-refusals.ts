// Refusals of HTTP requests, in words: of those that node could not read, and of those that were answered with an error.

import { quote } from '../config/wrong.ts'
import { SDK_PATH } from '../connections.ts'
import { badHandshake, draining, foreignHost } from './handshake-refusals.ts'
import { type Asked, type Circumstances, type Reason, type Refused, settingOf } from './refusals.ts'

/** A request that was answered with an error. */
export interface Answered {
  readonly status: number
  readonly error: string
  readonly method: string
  readonly path: string
  readonly host: string
  /** It has a key where one belongs. */
  readonly hasKey: boolean
  /** Of its Authorization header; `''`: there is none. */
  readonly scheme: string
}

/** What SDKs ask for when they may not, or cannot, use a WebSocket; behind a prefix, too. */
const TRANSPORTS = /(?:^|\/)(?:connection\/(?:http_stream|sse|sockjs|webtransport|uni_\w+)|emulation)(?:\/|$)/

/** Whether a path is one of Centrifugo's that is not here. */
function isForeignTransport(path: string): boolean {
  return TRANSPORTS.test(path)
}

const CLIENT = 'the client, or what is between it and here'

type Say = (reason: Reason, came: string, expected: string, setting: string) => Refused

/** An HTTP request that was refused; undefined: it is no matter of settings. */
export function refusedRequest(around: Circumstances, answered: Answered, asked: Asked): Refused | undefined {
  const { status, error, path, host, method } = answered
  const { limits } = around
  const came = `a request for ${quote(path)}`
  const say: Say = (reason, came, expected, setting) => ({ ...asked, reason, came, expected, setting })
  if (error === 'host_not_allowed') return foreignHost(host, asked)
  if (error === 'invalid_host') {
    const what = `${came} whose Host header is missing, there twice, or no host`
    return say('malformed_request', what, 'one Host: a name or an address, and perhaps a port', CLIENT)
  }
  if (error === 'metrics_key_needed') {
    const expected = 'a request from this machine, as there is no key'
    const setting = '--metrics-key (roomcast.metrics_key)'
    return say('metrics_key_needed', `${came} from another machine, or through a proxy`, expected, setting)
  }
  if (error === 'upgrade_required') {
    return { ...badHandshake(status, error, path, asked), came: `${came} that is no upgrade to a WebSocket` }
  }
  if (status === 401) return wrongKey(around, answered, say)
  if (status === 413) {
    const expected = `at most ${limits.maxDataBytes} bytes (in /api: ${limits.maxMessageBytes})`
    return say('data_too_large', `${came} with a larger body`, expected, settingOf('maxDataBytes', limits))
  }
  if (status === 404 && isForeignTransport(path)) {
    const setting = `the SDK: one address, wss://<host>${SDK_PATH}, and no list of transports; when that does not open, its own line says why`
    return say('unknown_transport', came, 'a WebSocket: SDKs have no other transport here', setting)
  }
  if (status === 503) {
    if (error === 'draining' || error === 'closed') return draining(around, asked, came)
    if (error === 'busy') return busy(around, asked)
    if (error === 'bus_full') {
      const setting = 'Redis: it takes less than is said (redis_away says more)'
      return say('api_failed', `${came}, said here and lost for other servers`, 'Redis to take it', setting)
    }
  }
  return isOfBackends(path) ? refusedCall(answered, came, method, say) : undefined
}

const isOfBackends = (path: string): boolean => path.startsWith('/api/') || path.startsWith('/channels/')

/** What backends get wrong beside the key. Bodies of /api are told where they are read. */
function refusedCall({ status, error, path }: Answered, came: string, method: string, say: Say): Refused | undefined {
  const what = `${came}, answered ${status} ${error}`
  const caller = 'what calls it'
  if (status === 405) return say('method_not_allowed', `${quote(method)} for ${quote(path)}`, 'POST', caller)
  if (path.startsWith('/api/')) {
    if (status !== 404) return undefined
    return say('api_unknown_method', what, 'a method of the HTTP API (docs/protocol.md)', caller)
  }
  if (error === 'unknown_room') {
    return say('api_unknown_namespace', what, 'a room of a namespace that is configured', 'channel.namespaces')
  }
  if (status === 400 || status === 415) return say('api_bad_request', what, 'a legal room, and JSON', caller)
  return undefined
}

function wrongKey({ hasApiKey }: Circumstances, { path, hasKey, scheme }: Answered, say: Say): Refused {
  const without = scheme === '' ? 'without a key' : `without a key, but with Authorization: ${quote(scheme)}`
  const came = `a request for ${quote(path)} ${hasKey ? 'with another key' : without}`
  if (path.startsWith('/api/')) {
    const setting = '--http_api.key (http_api.key)'
    if (!hasApiKey) return say('wrong_key', came, 'none, as no key is configured here', setting)
    return say('wrong_key', came, 'its key, as X-API-Key: <key> or Authorization: apikey <key>', setting)
  }
  const isMetrics = path.startsWith('/metrics')
  const setting = isMetrics ? '--metrics-key (roomcast.metrics_key)' : '--token (ROOMCAST_TOKEN)'
  return say('wrong_key', came, 'its key, as Authorization: Bearer <key>', setting)
}

export function busy({ limits }: Circumstances, asked: Asked): Refused {
  return {
    ...asked,
    reason: 'busy',
    came: 'something to be said while too much waits for slow members',
    expected: `at most ${limits.maxWaitingBytes} bytes to wait`,
    setting: settingOf('maxWaitingBytes', limits),
  }
}
