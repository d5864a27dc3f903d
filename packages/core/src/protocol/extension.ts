// The grammar of Sec-WebSocket-Extensions (RFC 6455 §9.1), read in one pass. What an offer means is not decided here:
// parameters are kept as they came, repeated or unknown ones too, for the negotiation of each extension to judge.

import { spaceEnd, tokenEnd } from './grammar.ts'

/** One extension as the client offered it: a parameter without a value has `true`. Names keep their case and order. */
export interface ExtensionOffer {
  readonly name: string
  readonly params: ReadonlyArray<readonly [name: string, value: string | true]>
}

// Browsers offer one extension with one or two parameters, in 60 bytes.
const MAX_VALUE_LENGTH = 4096
const MAX_OFFERS = 16
const MAX_PARAMS = 16

/** Reads the header's value: `1#( token *( ";" token [ "=" ( token | quoted-string ) ] ) )`, where whitespace may stand
 * between any two parts (RFC 2616 §2.1, "implied *LWS") and empty list elements are passed over (RFC 9110 §5.6.1.2).
 * A quoted value must be a token once its quotes and backslashes are gone (RFC 6455 §9.1). Several header lines are
 * joined with ', ' before.
 * @returns the offers, at least one, or null: a syntax error, over 4 KiB, over 16 offers or 16 parameters of one. */
export function parseExtensions(value: string): ExtensionOffer[] | null {
  if (value.length > MAX_VALUE_LENGTH) return null
  const offers: ExtensionOffer[] = []
  let at = spaceEnd(value, 0)

  while (at < value.length) {
    if (value[at] === ',') {
      at = spaceEnd(value, at + 1)
      continue
    }
    const nameEnd = tokenEnd(value, at)
    if (nameEnd === at || offers.length === MAX_OFFERS) return null
    const name = value.slice(at, nameEnd)
    const params: [string, string | true][] = []
    at = spaceEnd(value, nameEnd)

    while (value[at] === ';') {
      const start = spaceEnd(value, at + 1)
      const end = tokenEnd(value, start)
      if (end === start || params.length === MAX_PARAMS) return null
      const param = value.slice(start, end)
      at = spaceEnd(value, end)
      if (value[at] !== '=') {
        params.push([param, true])
        continue
      }
      const read = readValue(value, spaceEnd(value, at + 1))
      if (read === null) return null
      params.push([param, read.text])
      at = spaceEnd(value, read.end)
    }

    if (at < value.length && value[at] !== ',') return null
    offers.push({ name, params })
  }
  return offers.length > 0 ? offers : null
}

// A parameter's value: a token, or a quoted-string (RFC 9110 §5.6.4) that holds one.
function readValue(value: string, start: number): { text: string; end: number } | null {
  if (value[start] !== '"') {
    const end = tokenEnd(value, start)
    return end > start ? { text: value.slice(start, end), end } : null
  }
  let text = ''
  let at = start + 1
  while (value[at] !== '"') {
    if (value[at] === '\\') at += 1
    const end = tokenEnd(value, at)
    if (end === at) return null // not a token's character, or the end of the value inside the quotes
    text += value.slice(at, end)
    at = end
  }
  return text === '' ? null : { text, end: at + 1 }
}
