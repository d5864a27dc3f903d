// The pieces of HTTP's grammar that the opening handshake, its response and the origin check share: tokens, comma lists,
// and host:port. Read by splitting and by patterns without nested repetition, so work stays linear.

/** A pattern for one character of a token. RFC 9110 §5.6.2. */
export const TOKEN_CHARACTER = "[-!#$%&'*+.^_`|~0-9A-Za-z]"

const TOKEN = new RegExp(`^${TOKEN_CHARACTER}+$`)

/** Whether the whole text is one token. RFC 9110 §5.6.2. */
export function isToken(text: string): boolean {
  return TOKEN.test(text)
}

// The RFC sets no bound; browsers send some dozens of bytes.
const MAX_LIST_LENGTH = 4096

/** The elements of a comma list without the whitespace around them; empty ones are passed over, as RFC 9110 §5.6.1.2
 * demands. None for a value over 4 KiB, or with characters that no token, and no whitespace between tokens, has. */
export function listElements(value: string): string[] {
  // So `trim` takes nothing but spaces and tabs.
  if (value.length > MAX_LIST_LENGTH || /[^\t -~]/.test(value)) return []
  return value.split(',').flatMap((element) => element.trim() || [])
}

/** Reads a comma list of at least one token.
 * @returns the tokens in their order, or null for a syntax error. */
export function parseTokens(value: string): string[] | null {
  const elements = listElements(value)
  return elements.length > 0 && elements.every(isToken) ? elements : null
}

// RFC 3986 §3.2.2: an IPv6 address in brackets or a registered name; then §3.2.3: a colon and digits, perhaps none.
const HOST = /^(\[[0-9a-f:.]+\]|(?:[-\w.~!$&'()*+,;=]|%[0-9a-f]{2})+)(?::(\d{0,5}))?$/i
// A DNS name has at most 255 characters; a colon and five digits may follow.
const MAX_HOST_LENGTH = 261

/** Reads the value of a Host header, or a URL's authority: never empty, no userinfo. RFC 9110 §7.2.
 * @returns the host in lower case (IPv6 in its brackets), and the port when one was given; null: it is malformed. */
export function parseHost(value: string): { host: string; port: number | undefined } | null {
  if (value.length > MAX_HOST_LENGTH) return null
  const [, name = '', digits = ''] = HOST.exec(value) ?? []
  const host = name.toLowerCase()
  if (host === '' || (host.startsWith('[') && !URL.canParse(`http://${host}`))) return null
  const port = digits === '' ? undefined : Number(digits)
  return port === undefined || port <= 65_535 ? { host, port } : null
}
