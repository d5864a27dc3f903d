// Who a client is when proxies stand before us. Anybody can send X-Forwarded-* headers, so they are read only when the
// user asked, and only as far as proxies that he named wrote them: each appends the address it was called from, so the
// list is walked from its end, and the first address that is no trusted proxy's is the client's.

import { BlockList, isIP, SocketAddress } from 'node:net'
import { parseHost } from './grammar.ts'

/** The proxies whose X-Forwarded-* headers are believed: how many there are on every way to the server, or their
 * addresses and CIDR ranges (`'10.0.0.0/8'`). */
export type TrustProxy = number | readonly string[]

/** Is the proxy at this address, so many hops from us, one of ours? */
export type Trust = (address: string, hop: number) => boolean

/** Whom a request is from, as far as it is known for sure. */
export interface Client {
  /** In its canonical form; `''` over a unix socket. */
  readonly address: string
  /** What the page's scheme must be; undefined: nobody told. */
  readonly scheme: 'http' | 'https' | undefined
  /** The host and perhaps port that the client asked for, given what its Host header says. */
  host(header: string): string
}

/** Reads the `trustProxy` option.
 * @throws TypeError for another type, RangeError for a number or an entry that makes no sense. */
export function readTrust(option: unknown = 0): Trust {
  if (typeof option === 'number') {
    if (!Number.isInteger(option) || option < 0) throw new RangeError(`trustProxy must count proxies: ${option}`)
    return (_, hop) => hop < option
  }
  if (!Array.isArray(option)) throw new TypeError('trustProxy must be a number of proxies or a list of their addresses')
  const list = new BlockList()
  for (const entry of option) {
    if (typeof entry !== 'string') throw new TypeError('trustProxy must list strings')
    const [, network = '', bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(entry) ?? []
    const address = canonicalAddress(network)
    const most = familyOf(address) === 'ipv6' ? 128 : 32
    if (address === '' || Number(bits ?? 0) > most) {
      throw new RangeError(`not an IP address or CIDR range: ${JSON.stringify(entry)}`)
    }
    list.addSubnet(address, Number(bits ?? most), familyOf(address))
  }
  return (address) => list.check(address, familyOf(address))
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}

/** Finds out whom a request is from. Never throws; what is malformed was not said. */
export function readClient(
  trusted: Trust,
  stream: { remoteAddress?: string | undefined },
  raw: readonly string[],
): Client {
  let address = canonicalAddress(stream.remoteAddress ?? '')
  if (!trusted(address, 0)) return { address, scheme: undefined, host: (header) => header }
  const chain = valuesOf(raw, 'x-forwarded-for')
  let proxies = 1
  for (; ; proxies++) {
    const next = canonicalAddress(withoutPort(chain.at(-proxies) ?? ''))
    if (next === '') break
    address = next
    if (!trusted(address, proxies)) break
  }
  // What the outermost trusted proxy said; those that do not append replace.
  const said = (name: string): string => {
    const values = valuesOf(raw, name)
    return values.at(-Math.min(proxies, values.length)) ?? ''
  }
  const [scheme, secure] = /^(?:http|ws)(s?)$/i.exec(said('x-forwarded-proto')) ?? []
  return {
    address,
    scheme: scheme === undefined ? undefined : secure ? 'https' : 'http',
    host(header) {
      const forwarded = said('x-forwarded-host')
      const host = parseHost(forwarded) === null ? header : forwarded
      const port = said('x-forwarded-port')
      const whole = `${host}:${port}`
      return port !== '' && parseHost(host)?.port === undefined && parseHost(whole) !== null ? whole : host
    },
  }
}

/** One spelling for each address, so that equal ones compare equal: an IPv4 address within IPv6 (`::ffff:1.2.3.4`) is that
 * IPv4 address. `''` for what is no address. */
function canonicalAddress(text: string): string {
  const version = isIP(text)
  if (version !== 6) return version === 0 ? '' : text
  const { address } = new SocketAddress({ address: text, family: 'ipv6' })
  return address.includes('.') ? address.replace(/^::ffff:/, '') : address
}

/** Some proxies write the port too: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function withoutPort(text: string): string {
  return /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text
}

/** What a header says, in however many lines; node's own object of all headers is not made for it. */
export function valuesOf(raw: readonly string[], name: string): string[] {
  const lines = raw.filter((_, index) => index % 2 === 1 && raw[index - 1]!.toLowerCase() === name)
  return lines.flatMap((line) => line.split(',')).map((value) => value.trim())
}
