// What a test needs and a machine may not have: one loud line where it is not there, and a failure in CI, which installs it.

import { expect, test } from 'vitest'

/** Says `line` where `isMissing`. */
export function missing(isMissing: boolean, line: string): void {
  if (!isMissing) return
  process.stderr.write(`\n*** ${line} ***\n\n`)
  if (process.env.CI) test('everything is installed in CI', () => expect.fail(line))
}
