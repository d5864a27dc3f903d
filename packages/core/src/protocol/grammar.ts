// The pieces of HTTP's grammar that the opening handshake, its response and the origin check share: tokens, comma lists
// of tokens, and host:port. All of it is read by hand or by patterns without backtracking, so work stays linear.

// RFC 9110 §5.6.2: 1 at the code of each character that a token may have.
const TOKEN = new Uint8Array(128)
for (const character of "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
  TOKEN[character.charCodeAt(0)] = 1
}

/** Where the token that starts at `start` ends; `start` itself when there is none. RFC 9110 §5.6.2. */
export function tokenEnd(text: string, start: number): number {
  let at = start
  while (TOKEN[text.charCodeAt(at)] === 1) at += 1
  return at
}

/** Where the optional whitespace (spaces and tabs) that starts at `start` ends. RFC 9110 §5.6.3. */
export function spaceEnd(text: string, start: number): number {
  let at = start
  while (text[at] === ' ' || text[at] === '\t') at += 1
  return at
}

/** Whether the whole text is one token. RFC 9110 §5.6.2. */
export function isToken(text: string): boolean {
  return text !== '' && tokenEnd(text, 0) === text.length
}

/** Reads a comma list of at least one token; empty elements are passed over, as RFC 9110 §5.6.1.2 demands.
 * @returns the tokens in their order, or null for a syntax error. */
export function parseTokens(value: string): string[] | null {
  // What `trim` takes beside spaces and tabs has no place here.
  if (/[^\t -~]/.test(value)) return null
  const elements = value.split(',').map((element) => element.trim())
  const tokens = elements.filter((element) => element !== '')
  return tokens.length > 0 && tokens.every(isToken) ? tokens : null
}

/** A host, in lower case (IPv6 in its brackets), and the port when one was given. */
export interface HostAndPort {
  readonly host: string
  readonly port: number | undefined
}

// RFC 3986 §3.2.2: an IPv6 address in brackets or a registered name; then §3.2.3: a colon and digits, perhaps none.
const HOST = /^(\[[0-9a-f:.]+\]|(?:[-\w.~!$&'()*+,;=]|%[0-9a-f]{2})+)(?::(\d{0,5}))?$/i
// A DNS name has at most 255 characters; a colon and five digits may follow.
const MAX_HOST_LENGTH = 261

/** Reads the value of a Host header, or a URL's authority: never empty, no userinfo. RFC 9110 §7.2.
 * @returns null when it is malformed. */
export function parseHost(value: string): HostAndPort | null {
  if (value.length > MAX_HOST_LENGTH) return null
  const match = HOST.exec(value)
  if (match?.[1] === undefined) return null
  const host = match[1].toLowerCase()
  if (host.startsWith('[') && !URL.canParse(`http://${host}`)) return null
  if (match[2] === undefined || match[2] === '') return { host, port: undefined }
  const port = Number(match[2])
  return port <= 65_535 ? { host, port } : null
}
