// One line of log for each refusal, and not more of one reason than can be read: the rest are counted and told in one line.

import { type BoundedLines, boundLines } from '../lines.ts'
import type { Logger } from './logger.ts'
import { lineOf, type Refused } from './refusals.ts'

/** Lines of one reason within ten seconds. */
const MAX_LINES = 5

/** Writes refusals. */
export interface RefusalLog {
  tell(refused: Refused): void
  /** Tells of what was left out, now. */
  flush(): void
}

/** Makes it. */
export function refusalLog(logger: Logger): RefusalLog {
  /** By reason: there are few. */
  const bounded = new Map<string, BoundedLines<Refused>>()
  const linesOf = (reason: string): BoundedLines<Refused> =>
    boundLines<Refused>((refused) => logger.warn({ event: 'refused', ...refused }, lineOf(refused)), {
      max: MAX_LINES,
      rest: (count) => logger.warn({ event: 'refused', reason, count }, `${count} more refused (${reason})`),
    })
  return {
    tell(refused) {
      let lines = bounded.get(refused.reason)
      if (lines === undefined) bounded.set(refused.reason, (lines = linesOf(refused.reason)))
      lines.say(refused)
    },
    flush() {
      for (const lines of bounded.values()) lines.flush()
    },
  }
}
