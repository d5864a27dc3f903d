// Bytes in base64 (RFC 4648 §4), as Centrifugo has them in tokens and in its HTTP API. Node's own reading takes anything,
// and leaves out what it does not know: a mistake of who wrote it would pass for other bytes, or none.

const WHOLE = /^(?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/]{2}(?:==)?|[A-Za-z\d+/]{3}=?)?$/

/** Reads base64; the padding may be left out.
 * @returns undefined for a text that is none. */
export function bytesOf(base64: string): Buffer | undefined {
  return WHOLE.test(base64) ? Buffer.from(base64, 'base64') : undefined
}
