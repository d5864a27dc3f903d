// Which cases a run has, and how they are divided between two processes that shall end together. The ids themselves are
// those of expected.json.

/** What can be asked for by name. `fast`: framing, pings, reserved bits, opcodes, fragments, UTF-8, close, limits.
 * `ci`: these, and the quick sizes of every compression group. `all`: everything. */
export const SETS = ['fast', 'ci', 'all'] as const

/** One of the sets. */
export type SetName = (typeof SETS)[number]

/** The cases of chapter 9 whose one message is over `maxMessageBytes` by default, 1 MiB: 4, 8 and 16 MiB in one frame
 * (9.1 text, 9.2 binary), and 4 MiB in fragments (9.3 and 9.4). All others are of 1 MiB or less. */
export const OVER_DEFAULT_LIMIT: readonly string[] = [
  ...['9.1.4', '9.1.5', '9.1.6', '9.2.4', '9.2.5', '9.2.6'],
  ...['9.3.1', '9.3.2', '9.3.3', '9.3.4', '9.3.5', '9.3.6', '9.3.7', '9.3.8', '9.3.9'],
  ...['9.4.1', '9.4.2', '9.4.3', '9.4.4', '9.4.5', '9.4.6', '9.4.7', '9.4.8', '9.4.9'],
]

/** Chapters about permessage-deflate, whose groups all have the same 18 sizes. */
const COMPRESSION = ['12', '13']
const QUICK_SIZES = [1, 2, 3, 4, 5, 6, 7, 8, 11, 12]

/** Seconds each size takes on a busy machine, 1,000 messages each: 9 and 10 are 64 and 128 KiB, 11–18 are fragmented. */
const SECONDS_OF_SIZE = [1, 1, 1, 1, 1, 1, 1, 2, 3, 5, 3, 5, 10, 20, 40, 14, 7, 5]

/** True for a case that needs the server to compress. */
export function isCompression(id: string): boolean {
  return COMPRESSION.includes(id.split('.')[0]!)
}

/** The cases of a set, in the order of `ids`. */
export function casesOf(set: SetName, ids: readonly string[]): string[] {
  if (set === 'all') return [...ids]
  return ids.filter((id) => !isCompression(id) || (set === 'ci' && QUICK_SIZES.includes(sizeOf(id))))
}

/** The cases that a word names: an id, or a whole group or chapter (`6.4`, `9`).
 * @throws RangeError when it names none. */
export function casesNamed(word: string, ids: readonly string[]): string[] {
  const named = ids.filter((id) => id === word || id.startsWith(`${word}.`))
  if (named.length === 0) throw new RangeError(`no case ${word}`)
  return named
}

/** Divides cases so that each process has about as much to do: the longest first, each to who has least.
 * @returns `parts` lists, each in the order of `ids`; none is empty unless there are fewer cases than that. */
export function split(ids: readonly string[], parts: number): string[][] {
  const bins = Array.from({ length: parts }, () => ({ seconds: 0, ids: new Set<string>() }))
  for (const id of [...ids].sort((a, b) => secondsOf(b) - secondsOf(a))) {
    const least = bins.reduce((best, bin) => (bin.seconds < best.seconds ? bin : best))
    least.seconds += secondsOf(id)
    least.ids.add(id)
  }
  return bins.map((bin) => ids.filter((id) => bin.ids.has(id)))
}

/** About how long a case takes, in seconds. */
export function secondsOf(id: string): number {
  if (isCompression(id)) return SECONDS_OF_SIZE[sizeOf(id) - 1] ?? 1
  return id.startsWith('9.') ? 1 : 0.1
}

function sizeOf(id: string): number {
  return Number(id.split('.')[2])
}
