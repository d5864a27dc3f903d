// Lines that something far away can cause by the thousand: so many in a while are written, the rest are counted and told
// in one line.

/** Writes lines (or what becomes one), not more than allowed. */
export interface BoundedLines<Line = string> {
  say(line: Line): void
  /** Tells of what was left out, now. */
  flush(): void
}

export interface Bound {
  /** Lines in one window. Default 10. */
  max?: number
  /** In ms, from the first line on. Default 10,000. */
  windowMs?: number
  /** Writes the line for those left out. */
  rest: (count: number) => void
}

/** Bounds the lines that `write` is given. */
export function boundLines<Line = string>(
  write: (line: Line) => void,
  { max = 10, windowMs = 10_000, rest }: Bound,
): BoundedLines<Line> {
  let [said, left] = [0, 0]
  let timer: NodeJS.Timeout | undefined
  const flush = (): void => {
    clearTimeout(timer)
    timer = undefined
    if (left > 0) rest(left)
    said = left = 0
  }
  return {
    flush,
    say(line) {
      timer ??= setTimeout(flush, windowMs).unref()
      if (said === max) left++
      else {
        said++
        write(line)
      }
    },
  }
}
