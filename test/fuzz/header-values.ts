// The values of Sec-WebSocket-Extensions and Sec-WebSocket-Protocol: what is read is what splitting at commas and semicolons
// gives, what is refused is refused there too, and an answer to an offer never says what was not offered.

import type { Random } from './random.ts'
import type { Target } from './target.ts'

/** The functions under test. */
export type HeaderApi = Pick<typeof import('../../packages/core/dist/handshake/extension.js'), 'parseExtensions'> &
  Pick<typeof import('../../packages/core/dist/handshake/grammar.js'), 'parseTokens'> &
  Pick<typeof import('../../packages/core/dist/handshake/deflate-negotiation.js'), 'negotiateDeflate'>

const REAL = [
  'permessage-deflate; client_max_window_bits',
  'permessage-deflate',
  'permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9',
  'permessage-deflate; client_max_window_bits="15"; server_max_window_bits = 8, permessage-deflate',
  'x-webkit-deflate-frame, permessage-deflate; client_max_window_bits=10',
  'json, msgpack, roomcast.v1',
  'graphql-transport-ws,graphql-ws',
  'a,,b ,\tc',
]
const PIECES = [
  'permessage-deflate',
  'server_no_context_takeover',
  'client_no_context_takeover',
  'client_max_window_bits',
]
  .concat('server_max_window_bits', '8', '9', '15', '16', '08', 'a', 'b', ';', ';', ',', ',', '=', '"', '\\', ' ', '\t')
  .concat('\0', '\x7f', '\xe9', '(', '""', '; ', ', ', '=9', '="9"', ',,', ';;')
  // Spaces to JavaScript, not to HTTP.
  .concat('\xa0', '\v')

const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/
const PARAMETER = /^([\w!#$%&'*+.^`|~-]+)(?:[ \t]*=[ \t]*([\w!#$%&'*+.^`|~-]+|"(?:\\?[\w!#$%&'*+.^`|~-])+"))?$/
const MAX_LENGTH = 4096
const MAX_OFFERS = 16
const MAX_PARAMS = 16

export function headerValuesTarget(api: HeaderApi): Target<string> {
  return {
    name: 'header-values',
    about: 'extensions and subprotocols: as splitting them reads them; no throw; the answer answers an offer',
    inputs: 200_000,
    make: mutateValue,
    check: (value) => {
      try {
        return checkValue(api, value)
      } catch (error) {
        return `threw ${error instanceof Error ? error.stack : String(error)}`
      }
    },
    show: (value) => `{ name: '', value: ${JSON.stringify(value)} }`,
  }
}

function mutateValue(random: Random): string {
  if (random.oneIn(500)) return random.pick(PIECES).repeat(random.between(100, 5000))
  let value = random.oneIn(4) ? '' : random.pick(REAL)
  for (let changes = random.between(1, 5); changes > 0; changes--) {
    const at = random.below(value.length + 1)
    const kind = random.below(4)
    if (kind === 0) value = value.slice(0, at) + value.slice(at + random.between(1, 4))
    else if (kind === 1) value = value.slice(0, at) + value.slice(at, at + 8) + value.slice(at)
    else value = value.slice(0, at) + random.pick(PIECES) + value.slice(at)
  }
  return value
}

function checkValue(api: HeaderApi, value: string): string | null {
  const offers = api.parseExtensions(value)
  const expected = readExtensions(value)
  if (JSON.stringify(offers) !== JSON.stringify(expected)) {
    return `extensions are ${JSON.stringify(offers)}, by splitting ${JSON.stringify(expected)}`
  }
  const tokens = JSON.stringify(api.parseTokens(value))
  const split = JSON.stringify(readTokens(value))
  if (tokens !== split) return `tokens are ${tokens}, by splitting ${split}`
  if (offers === null) return null
  const agreed = api.negotiateDeflate(offers)?.answer ?? null
  const wanted = answerTo(offers)
  return agreed === wanted ? null : `answers ${agreed} instead of ${wanted}`
}

function parts(value: string, separator: string): string[] {
  return value.split(separator).map((part) => part.replace(/^[ \t]+|[ \t]+$/g, ''))
}

function readTokens(value: string): string[] | null {
  if (value.length > MAX_LENGTH) return null
  const tokens = parts(value, ',').filter((part) => part !== '')
  return tokens.length > 0 && tokens.every((token) => TOKEN.test(token)) ? tokens : null
}

type Offers = ReturnType<HeaderApi['parseExtensions']>

function readExtensions(value: string): Offers {
  if (value.length > MAX_LENGTH) return null
  const offers = parts(value, ',').filter((part) => part !== '')
  const read = offers.map((offer) => {
    const [name = '', ...params] = parts(offer, ';')
    const matches = params.map((param) => PARAMETER.exec(param))
    if (!TOKEN.test(name) || matches.length > MAX_PARAMS || matches.includes(null)) return null
    return {
      name,
      params: matches.map((match): [string, string | true] => [match![1]!, match![2]?.replace(/["\\]/g, '') ?? true]),
    }
  })
  if (read.length === 0 || read.length > MAX_OFFERS || read.includes(null)) return null
  return read.map((offer) => offer!)
}

/** RFC 7692 §7.1, without context takeover of ours; the client's is its own choice, in a window of 12 bits where it lets us
 * choose. */
function answerTo(offers: NonNullable<Offers>): string | null {
  const bits = /^(?:8|9|10|11|12|13|14|15)$/
  for (const { name, params } of offers) {
    const names = params.map(([param]) => param)
    const fits = params.every(([param, value]) => {
      if (param === 'server_no_context_takeover' || param === 'client_no_context_takeover') return value === true
      if (param === 'client_max_window_bits') return value === true || bits.test(value)
      return param === 'server_max_window_bits' && value !== true && bits.test(value)
    })
    if (name !== 'permessage-deflate' || !fits || new Set(names).size < names.length) continue
    const asked = params.find(([param]) => param === 'server_max_window_bits')?.[1]
    const window = asked === undefined ? '' : `; server_max_window_bits=${asked === '15' || asked === '8' ? asked : 9}`
    if (names.includes('client_no_context_takeover')) {
      return `permessage-deflate; server_no_context_takeover; client_no_context_takeover${window}`
    }
    const offered = params.find(([param]) => param === 'client_max_window_bits')?.[1]
    const least = { '8': 8, '9': 9, '10': 10, '11': 11 }[String(offered)] ?? 12
    const own = offered === undefined ? '' : `; client_max_window_bits=${least}`
    return `permessage-deflate; server_no_context_takeover${window}${own}`
  }
  return null
}
