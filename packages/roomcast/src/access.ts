// Nothing is open by accident. Unless somebody decided who may connect, the server is a demo for the people at this
// machine: it listens on loopback addresses only, and serves who asks for a loopback name. (A page of the web can make
// its own name resolve to 127.0.0.1; its browser then takes this server for that page's own, and sends that name as Host.)

import { BlockList, isIP } from 'node:net'

/** The decisions over who may connect. */
export interface Decision {
  /** Everybody may connect, from everywhere, join, say, and see what rooms know. Tokens that are sent are checked all the
   * same. Default false. */
  insecure?: boolean | undefined
  /** Clients without a token may connect; what they may do in rooms, namespaces and hooks say. Default false. */
  allowAnonymousConnectWithoutToken?: boolean | undefined
}

/** All that decides over who may connect. */
export interface Decided extends Decision {
  hasAuthenticate?: boolean | undefined
  hasTokenKey?: boolean | undefined
}

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** Whether it was decided who may connect. */
export function isDecided(decision: Decided): boolean {
  const { insecure, allowAnonymousConnectWithoutToken, hasAuthenticate, hasTokenKey } = decision
  return [insecure, allowAnonymousConnectWithoutToken, hasAuthenticate, hasTokenKey].includes(true)
}

/** Why the server must not listen on `host`; undefined: it may.
 * @param names how the one who is told writes the two decisions. */
export function whyNot(
  host: string | undefined,
  decision: Decided,
  names: { anonymous: string; insecure: string },
): string | undefined {
  if (isDecided(decision) || host === undefined || isLoopback(host)) return undefined
  const ways = `a token key (client.token), authenticate, ${names.anonymous}, or ${names.insecure}`
  return `host ${JSON.stringify(host)} is open to others: decide who may connect, by ${ways}`
}

/** Whether an address to listen on is a loopback address, or `localhost`. Other names need a look-up, and may change. */
export function isLoopback(host: string): boolean {
  const [address = ''] = host.split('%', 1)
  const family = isIP(address)
  if (family === 0) return host.toLowerCase() === 'localhost'
  return LOOPBACK.check(address, family === 4 ? 'ipv4' : 'ipv6')
}

/** Whether a Host header (or the authority of a target) is a loopback name: one that no other machine can have. RFC 6761
 * §6.3 keeps `localhost` and everything below it. */
export function isLoopbackName(host: string | undefined): boolean {
  const [, bracketed, plain = ''] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host ?? '') ?? []
  if (bracketed !== undefined) return isIP(bracketed) === 6 && isLoopback(bracketed)
  const name = plain.toLowerCase().replace(/\.$/, '')
  return name.endsWith('.localhost') || isLoopback(name)
}
