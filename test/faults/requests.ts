// The requests of one scenario. Its number is in the query, so that the server's account tells of it; and it makes the
// scenario's address, which holds one place.

import { Buffer } from 'node:buffer'
import type { Random } from '../fuzz/random.ts'
import { type HandshakeText, handshakeText } from '../support/raw-client.ts'
import { OURS } from './place.ts'

export interface UpgradeRequest extends HandshakeText {
  readonly path?: string
  /** What the handshake does; see handler.ts. */
  readonly act?: string
}

/** The statuses with which core, or a handshake, refuses. */
export type Refused = 400 | 401 | 403 | 405 | 413 | 426 | 429 | 431 | 500 | 503

/** The bystander's address: the place that it holds is its own. */
const BYSTANDER = '11.0.0.1'

function addressOf(n: number): string {
  return n < 0 ? BYSTANDER : `10.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}`
}

export class Requests {
  readonly #n: number
  readonly #path: string
  /** The first bytes of a TLS client. */
  readonly hello: Buffer

  constructor(n: number, { path = OURS, hello = Buffer.alloc(0) }: { path?: string; hello?: Buffer } = {}) {
    this.#n = n
    this.#path = path
    this.hello = hello
  }

  upgrade({ path = this.#path, act = 'accept', ...text }: UpgradeRequest = {}): string {
    const url = `${path}?n=${this.#n}&do=${act}`
    return handshakeText({ ...text, url, headers: { 'X-Forwarded-For': addressOf(this.#n), ...text.headers } })
  }

  /** A request that is refused with this status. */
  refused(status: Refused, random: Random): string {
    switch (status) {
      case 400:
        return this.upgrade(
          random.pick<UpgradeRequest>([
            { headers: { 'Sec-WebSocket-Key': 'short' } },
            { headers: { 'Sec-WebSocket-Key': null } },
            { headers: { Host: null } },
            { version: 'HTTP/1.0' },
          ]),
        )
      case 403:
        return this.upgrade({ headers: { Origin: 'https://elsewhere.example' } })
      case 405:
        return this.upgrade({ method: 'POST' })
      case 426:
        return this.upgrade({ headers: { 'Sec-WebSocket-Version': random.pick(['8', '12', '']) } })
      case 429:
        return this.upgrade({ path: OURS, headers: { 'X-Forwarded-For': BYSTANDER } })
      case 431:
        return this.upgrade({ headers: { Cookie: 'x'.repeat(20_000) } })
      case 500:
        return this.upgrade({ act: 'throw' })
      default:
        return this.upgrade({ act: `reject-${status}` })
    }
  }
}

/** A request that is no upgrade, after which the connection may be used again. */
export function plainRequest(random: Random, extra: readonly string[] = []): string {
  const connection = extra.length > 0 ? [] : ['Connection: keep-alive']
  const head = (first: string, ...lines: string[]): string =>
    `${[first, 'Host: localhost', ...connection, ...lines, ...extra].join('\r\n')}\r\n\r\n`
  return random.pick([
    () => head('GET /page HTTP/1.1'),
    () => (extra.length > 0 ? head('GET / HTTP/1.1') : head('GET /page HTTP/1.0')),
    () => `${head('POST /page HTTP/1.1', 'Content-Length: 4')}body`,
    () => `${head('POST /page HTTP/1.1', 'Transfer-Encoding: chunked')}4\r\nbody\r\n0\r\n\r\n`,
    () => `${head('POST /page HTTP/1.1', 'Content-Length: 4', 'Expect: 100-continue')}body`,
  ])()
}
