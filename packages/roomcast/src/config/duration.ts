// Durations as Centrifugo's files write them: numbers with units, one after the other, such as "300s" or "1h30m".

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

const WHOLE = /^(?:\d+(?:\.\d+)?(?:ns|us|µs|μs|ms|s|m|h))+$/u
const PART = /(\d+(?:\.\d+)?)(ns|us|µs|μs|ms|s|m|h)/gu

/** Reads a duration, in milliseconds, rounded up: none that was asked for becomes 0.
 * @returns undefined for a text that is none. */
export function readDuration(text: string): number | undefined {
  if (text === '0') return 0
  if (!WHOLE.test(text)) return undefined
  let ms = 0
  for (const [, amount, unit] of text.matchAll(PART)) ms += Number(amount) * UNIT_MS[unit!]!
  return Math.ceil(Number(ms.toPrecision(15)))
}
