// Unmasking (RFC 6455 §5.3): each payload byte is XORed with the masking key's byte of its position, modulo 4.

/** Below this many bytes a plain loop is faster than making a view of words. */
const WORDS_FROM_BYTES = 128

const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1

/** Unmasks `bytes[start, end)` in place. True: the unmasked bytes are all ASCII, and so UTF-8 without a further look.
 * @param key the masking key as a big-endian 32-bit number.
 * @param phase the position of `bytes[start]` in its frame's payload; only its remainder by 4 counts. */
export function unmask(bytes: Uint8Array, start: number, end: number, key: number, phase: number): boolean {
  const turn = (phase & 3) * 8
  const turned = turn === 0 ? key : (key << turn) | (key >>> (32 - turn))
  const k0 = turned >>> 24
  const k1 = (turned >>> 16) & 0xff
  const k2 = (turned >>> 8) & 0xff
  const k3 = turned & 0xff
  let seen = 0
  let i = start
  if (LITTLE_ENDIAN && end - start >= WORDS_FROM_BYTES) {
    // Up to the first aligned byte, then whole words with the key as those bytes see it.
    const k = [k0, k1, k2, k3] as const
    while (((bytes.byteOffset + i) & 3) !== 0) {
      seen |= bytes[i] = bytes[i]! ^ k[(i - start) & 3]!
      i++
    }
    const shift = (i - start) & 3
    const word = k[shift]! | (k[(shift + 1) & 3]! << 8) | (k[(shift + 2) & 3]! << 16) | (k[(shift + 3) & 3]! << 24)
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + i, (end - i) >> 2)
    let high = 0
    for (let w = 0; w < words.length; w++) high |= words[w] = words[w]! ^ word
    for (i += words.length * 4; i < end; i++) seen |= bytes[i] = bytes[i]! ^ k[(i - start) & 3]!
    return (seen & 0x80) === 0 && (high & 0x80808080) === 0
  }
  for (const last = end - 3; i < last; i += 4) {
    seen |= bytes[i] = bytes[i]! ^ k0
    seen |= bytes[i + 1] = bytes[i + 1]! ^ k1
    seen |= bytes[i + 2] = bytes[i + 2]! ^ k2
    seen |= bytes[i + 3] = bytes[i + 3]! ^ k3
  }
  if (i < end) seen |= bytes[i] = bytes[i]! ^ k0
  if (i + 1 < end) seen |= bytes[i + 1] = bytes[i + 1]! ^ k1
  if (i + 2 < end) seen |= bytes[i + 2] = bytes[i + 2]! ^ k2
  return (seen & 0x80) === 0
}
