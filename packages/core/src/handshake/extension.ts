// The grammar of Sec-WebSocket-Extensions (RFC 6455 §9.1), read in one pass. What an offer means is not decided here:
// parameters are kept as they came, repeated or unknown ones too, for the negotiation of each extension to judge.

import { listElements, TOKEN_CHARACTER } from './grammar.ts'

/** One extension as the client offered it: a parameter without a value has `true`. Names keep their case and order. */
export interface ExtensionOffer {
  readonly name: string
  readonly params: ReadonlyArray<readonly [name: string, value: string | true]>
}

// Browsers offer one extension with one or two parameters.
const MAX_OFFERS = 16
const MAX_PARAMS = 16

// A name, and perhaps a value: a token, or a quoted-string (RFC 9110 §5.6.4) that holds one (RFC 6455 §9.1). So there is
// no comma or semicolon within quotes, and the value can be split at each.
const PART = new RegExp(
  `^(${TOKEN_CHARACTER}+)(?:[ \\t]*=[ \\t]*(?:(${TOKEN_CHARACTER}+)|"((?:\\\\?${TOKEN_CHARACTER})+)"))?$`,
)

/** Reads the header's value: `1#( token *( ";" token [ "=" ( token | quoted-string ) ] ) )`, where whitespace may stand
 * between any two parts (RFC 2616 §2.1, "implied *LWS"). Several header lines are joined with ', ' before.
 * @returns the offers, at least one, or null: a syntax error, over 4 KiB, over 16 offers or 16 parameters of one. */
export function parseExtensions(value: string): ExtensionOffer[] | null {
  const offers: ExtensionOffer[] = []
  for (const element of listElements(value)) {
    const params: [string, string | true][] = []
    for (const part of element.split(';')) {
      const [, name, token, quoted] = PART.exec(part.trim()) ?? []
      if (name === undefined) return null
      params.push([name, token ?? quoted?.replaceAll('\\', '') ?? true])
    }
    const [[name, own]] = params.splice(0, 1) as [[string, string | true]]
    if (own !== true || params.length > MAX_PARAMS || offers.push({ name, params }) > MAX_OFFERS) return null
  }
  return offers.length > 0 ? offers : null
}
