// Who may open a socket from a browser. A browser sends cookies to any host a page names, and no same-origin policy
// covers WebSockets; the Origin header, which a page cannot forge, is what tells our own pages from others (RFC 6455
// §10.2). Other programs send none, or any they like: this is no authentication.

import { isStray } from '../connection/call-safely.ts'
import { parseHost } from './grammar.ts'

/** Who may connect, judged when an Origin header is present:
 * - `'same'`: pages of the request's own host and port; with `trustProxy`, those of X-Forwarded-Host, and of the scheme in
 *   X-Forwarded-Proto (else http or https: TLS may end at a proxy).
 * - `'any'`: every page of the web.
 * - a list of origins such as `'https://example.com'`, compared exactly (a default port may be left out); those of apps,
 *   such as `'capacitor://localhost'`, are origins too; `'null'` lets sandboxed frames and local files in.
 * - a predicate, given the header as it came; only `true` lets in. */
export type OriginPolicy =
  | 'same'
  | 'any'
  | readonly string[]
  | ((origin: string, request: { host: string; headers: Readonly<Record<string, string>> }) => boolean)

/** Whether a request's Origin is allowed. RFC 6455 §4.2.2 item 4. Never throws for what a peer sent; what a predicate
 * throws is passed on.
 * @param origin the Origin header; without one the request is not a browser's, and allowed.
 * @param host the request's host and perhaps port.
 * @param scheme that of the client's connection; undefined: either. */
export function originAllowed(
  policy: OriginPolicy,
  origin: string | undefined,
  host: string,
  headers: Readonly<Record<string, string>>,
  scheme?: 'http' | 'https' | undefined,
): boolean {
  if (origin === undefined || policy === 'any') return true
  // A promise is truthy: a predicate written as async must not let everybody in.
  if (typeof policy === 'function') {
    const allowed: unknown = policy(origin, { host, headers })
    return !isStray(allowed) && allowed === true
  }
  if (origin === 'null') return policy.includes('null')
  const page = canonicalOrigin(origin)
  const web = /^https?(?=:)/.exec(page ?? '')?.[0]
  // The page of an app, such as capacitor://localhost, is of no host of the web. A Host may end with a colon and no port.
  if (policy === 'same' && web === undefined) return false
  const own = `${scheme ?? web}://${host.replace(/:$/, '')}`
  const allowed = policy === 'same' ? [own] : policy
  return page !== null && allowed.some((one) => canonicalOrigin(one) === page)
}

/** Checks an origin policy; undefined, for the default, passes.
 * @throws TypeError for another type, RangeError for a string that is no policy or a list entry that is no origin. */
export function checkOrigin(policy: unknown): void {
  if (policy === undefined || policy === 'same' || policy === 'any' || typeof policy === 'function') return
  const kinds = `origin must be 'same', 'any', a list or a function`
  if (typeof policy === 'string') throw new RangeError(`${kinds}: ${JSON.stringify(policy)}`)
  if (!Array.isArray(policy)) throw new TypeError(kinds)
  for (const entry of policy) {
    if (typeof entry !== 'string') throw new TypeError('origin must list strings')
    if (entry !== 'null' && canonicalOrigin(entry) === null) {
      throw new RangeError(`not an origin (scheme://host or scheme://host:port): ${JSON.stringify(entry)}`)
    }
  }
}

// RFC 6454 §6.2: scheme, host, perhaps a port, nothing else. The host as browsers write it: punycode, no wildcards. Apps
// that show web pages have schemes of their own (RFC 3986 §3.1); ws and wss are no page's.
const ORIGIN = /^((?!wss?:)[a-z][a-z\d+.-]*):\/\/((?:[-\w.~]+|\[[0-9a-f:.]+\])(?::\d+)?)$/i

const DEFAULT_PORTS: Readonly<Record<string, number>> = { http: 80, https: 443 }

/** An origin in lower case and with its port, so that equal ones compare equal; null: it is none. */
function canonicalOrigin(text: string): string | null {
  const [, scheme = '', authority = ''] = ORIGIN.exec(text) ?? []
  const parsed = parseHost(authority)
  const name = scheme.toLowerCase()
  return parsed && `${name}://${parsed.host}:${parsed.port ?? DEFAULT_PORTS[name] ?? ''}`
}
