// Which JSON values from outside are taken. Serialising is recursive, in this process and in every client that receives
// the value: a few KiB of brackets must not exhaust anybody's stack. And a number beyond what a double can hold (1e999)
// would be written again as null.

/** Levels of objects and arrays within one another. */
export const MAX_DEPTH = 32

/** Why a value is not taken. */
export type Flaw = 'too_deep' | 'bad_number'

/** What is wrong with `value`, as JSON.parse made it: it nests more than `levels` deep, or has a number that is not
 * finite. A string or number is level 0. */
export function flawOf(value: unknown, levels: number = MAX_DEPTH): Flaw | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'bad_number'
  if (typeof value !== 'object' || value === null) return undefined
  if (levels === 0) return 'too_deep'
  for (const inner of Object.values(value)) {
    const flaw = flawOf(inner, levels - 1)
    if (flaw !== undefined) return flaw
  }
  return undefined
}
