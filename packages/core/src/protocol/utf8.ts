// UTF-8 across chunks (RFC 6455 §8.1, RFC 3629 §4): the state between two bytes is one number, and the first byte that
// cannot continue is refused when it comes, not when the message ends. Long runs go through node's native check.

import { isUtf8 } from 'node:buffer'

/** Between two characters: a message may end here. */
export const UTF8_COMPLETE = 0
/** The bytes are not UTF-8, whatever follows. */
export const UTF8_INVALID = -1

/** Below this many bytes the loop is faster than a native call. */
const NATIVE_FROM_BYTES = 64

// A state is: continuation bytes still due | lowest value of the next one << 8 | its highest << 16. Only the byte after
// the first has a narrower range (RFC 3629 §4): it keeps out overlong forms, surrogates and code points over U+10FFFF.
const TAIL = (0x80 << 8) | (0xbf << 16)

function afterLead(byte: number): number {
  if (byte < 0xc2 || byte > 0xf4) return UTF8_INVALID
  if (byte < 0xe0) return 1 | TAIL
  if (byte === 0xe0) return 2 | (0xa0 << 8) | (0xbf << 16)
  if (byte === 0xed) return 2 | (0x80 << 8) | (0x9f << 16)
  if (byte < 0xf0) return 2 | TAIL
  if (byte === 0xf0) return 3 | (0x90 << 8) | (0xbf << 16)
  if (byte === 0xf4) return 3 | (0x80 << 8) | (0x8f << 16)
  return 3 | TAIL
}

/** The state after `bytes[start, end)`, from `state` before them: `UTF8_COMPLETE`, `UTF8_INVALID`, or within a
 * character. */
export function advanceUtf8(state: number, bytes: Uint8Array, start: number, end: number): number {
  let i = start
  while (i < end) {
    if (state === UTF8_COMPLETE) {
      if (end - i >= NATIVE_FROM_BYTES) {
        // All but a character that the end may have cut: at most its last three bytes.
        let cut = end
        while (cut > end - 3 && (bytes[cut - 1]! & 0xc0) === 0x80) cut--
        if (bytes[cut - 1]! >= 0xc0) cut--
        else cut = end
        if (!isUtf8(bytes.subarray(i, cut))) return UTF8_INVALID
        i = cut
        if (i === end) return UTF8_COMPLETE
      }
      const byte = bytes[i++]!
      if (byte >= 0x80) state = afterLead(byte)
      if (state === UTF8_INVALID) return UTF8_INVALID
    } else {
      const byte = bytes[i++]!
      if (byte < ((state >> 8) & 0xff) || byte > state >> 16) return UTF8_INVALID
      const due = (state & 0xff) - 1
      state = due === 0 ? UTF8_COMPLETE : due | TAIL
    }
  }
  return state
}

/** Is `bytes[start, end)` whole and valid UTF-8? */
export function isWholeUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < NATIVE_FROM_BYTES) return advanceUtf8(UTF8_COMPLETE, bytes, start, end) === UTF8_COMPLETE
  return isUtf8(bytes.subarray(start, end))
}
