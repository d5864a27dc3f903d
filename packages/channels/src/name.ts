// Which strings may name a channel. Clients choose names, so the rule keeps out what would hurt elsewhere: names without
// bound, control characters that end lines in logs and protocols, and strings that have no UTF-8 form at all.

/** The longest name of a channel by default, in bytes of UTF-8. */
export const MAX_NAME_BYTES = 200

/** Whether a string may name a channel: 1 to `maxBytes` bytes of UTF-8, no control characters (U+0000–U+001F,
 * U+007F–U+009F), no lone surrogates. Everything else is legal, and two names are the same channel only if they are the same string: no
 * case folding, no Unicode normalization.
 * @param maxBytes default 200. */
export function isChannelName(name: string, maxBytes: number = MAX_NAME_BYTES): boolean {
  const { length } = name
  // No UTF-16 unit takes less than a byte, so a longer string is over the limit whatever is in it.
  if (length === 0 || length > maxBytes) return false
  let bytes = length
  for (let i = 0; i < length; i++) {
    const unit = name.charCodeAt(i)
    if (unit < 0x80) {
      if (unit < 0x20 || unit === 0x7f) return false
    } else if (unit < 0x800) {
      if (unit < 0xa0) return false
      bytes += 1
    } else if (unit < 0xd800 || unit > 0xdfff) {
      bytes += 2
    } else {
      // A high surrogate and its low one: two units, four bytes.
      const next = unit < 0xdc00 && i + 1 < length ? name.charCodeAt(++i) : 0
      if (next < 0xdc00 || next > 0xdfff) return false
      bytes += 2
    }
  }
  return bytes <= maxBytes
}
