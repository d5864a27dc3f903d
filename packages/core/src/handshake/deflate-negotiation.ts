// permessage-deflate (RFC 7692), the negotiation: which of a client's offers is taken, and what is answered.

import type { WindowBits } from '../protocol/permessage-deflate.ts'
import type { ExtensionOffer } from './extension.ts'

/** What was agreed with one client. */
export interface Agreement {
  /** The window that our frames may need. */
  readonly windowBits: WindowBits
  /** How far back the client's messages may refer to its earlier ones, in bytes; 0: they do not. */
  readonly clientWindowBytes: number
  /** The value of Sec-WebSocket-Extensions in the answer. */
  readonly answer: string
}

/** The window that a client gets which lets us choose: it costs 4 KiB of memory here, not 32, and its messages grow little
 * by that. */
const CLIENT_WINDOW_BITS = 12

/** Takes the first offer that can be agreed to; null: none, the connection goes on without the extension. An offer with
 * an unknown, repeated or out-of-range parameter is declined (RFC 7692 §7.1).
 *
 * `client_no_context_takeover` is answered only where it was offered: some clients refuse an answer that they did not
 * offer, and others keep their context all the same.
 * @param options `clientContextTakeover`, default `true`; `false`: it is answered always. */
export function negotiateDeflate(
  offers: readonly ExtensionOffer[],
  options: { readonly clientContextTakeover?: boolean } = {},
): Agreement | null {
  for (const offer of offers) {
    if (offer.name !== 'permessage-deflate') continue
    const params = new Map(offer.params)
    if (params.size < offer.params.length || ![...params].every(isValidParam)) continue
    const asked = params.get('server_max_window_bits')
    const windowBits = asked === undefined || asked === '15' ? 15 : 9
    const answer = ['permessage-deflate', 'server_no_context_takeover']
    const takesOver = options.clientContextTakeover !== false && !params.has('client_no_context_takeover')
    if (!takesOver) answer.push('client_no_context_takeover')
    // zlib makes 9 of 8, but reaches back less than 256 bytes with it: an 8-bit window decodes that.
    if (asked !== undefined) answer.push(`server_max_window_bits=${asked === '8' ? 8 : windowBits}`)
    const offered = params.get('client_max_window_bits')
    let clientBits = 15
    if (takesOver && offered !== undefined) {
      clientBits = Math.min(offered === true ? 15 : Number(offered), CLIENT_WINDOW_BITS)
      answer.push(`client_max_window_bits=${clientBits}`)
    }
    // A client's zlib makes 9 of 8, too.
    const clientWindowBytes = takesOver ? 2 ** Math.max(clientBits, 9) : 0
    return { windowBits, clientWindowBytes, answer: answer.join('; ') }
  }
  return null
}

// §7.1.1, §7.1.2: the takeover parameters have no value; window bits are 8–15 in decimal without leading zeros, and only
// the client's may come without.
function isValidParam([name, value]: readonly [string, string | true]): boolean {
  if (name === 'server_no_context_takeover' || name === 'client_no_context_takeover') return value === true
  if (name === 'client_max_window_bits' && value === true) return true
  if (name !== 'server_max_window_bits' && name !== 'client_max_window_bits') return false
  return value !== true && /^(?:[89]|1[0-5])$/.test(value)
}
