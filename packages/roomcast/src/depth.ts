// How deep a JSON value from outside may nest. Serialising is recursive, in this process and in every client that
// receives the value: a few KiB of brackets must not exhaust anybody's stack.

/** Levels of objects and arrays within one another. */
export const MAX_DEPTH = 32

/** Whether `value`, as JSON.parse made it, nests at most `levels` deep. A string or number is level 0. */
export function isFlat(value: unknown, levels: number = MAX_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (levels === 0) return false
  return Object.values(value).every((inner) => isFlat(inner, levels - 1))
}
