// permessage-deflate (RFC 7692), the negotiation: which of a client's offers is taken, and what is answered.

import type { WindowBits } from '../protocol/permessage-deflate.ts'
import type { ExtensionOffer } from './extension.ts'

/** What was agreed with one client. */
export interface Agreement {
  /** The window that our frames may need. */
  readonly windowBits: WindowBits
  /** The value of Sec-WebSocket-Extensions in the answer. */
  readonly answer: string
}

/** Takes the first offer that can be agreed to; null: none, the connection goes on without the extension. An offer with
 * an unknown, repeated or out-of-range parameter is declined (RFC 7692 §7.1). */
export function negotiateDeflate(offers: readonly ExtensionOffer[]): Agreement | null {
  for (const offer of offers) {
    if (offer.name !== 'permessage-deflate') continue
    const params = new Map(offer.params)
    if (params.size < offer.params.length || ![...params].every(isValidParam)) continue
    const asked = params.get('server_max_window_bits')
    const windowBits = asked === undefined || asked === '15' ? 15 : 9
    const answer = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover'
    if (asked === undefined) return { windowBits, answer }
    // zlib makes 9 of 8, but reaches back less than 256 bytes with it: an 8-bit window decodes that.
    return { windowBits, answer: `${answer}; server_max_window_bits=${asked === '8' ? 8 : windowBits}` }
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
