// expected.json: every case with the verdicts it must get, and the digest of the core sources on which a full run last
// got exactly these. While the sources are the same, the quick run says enough.

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Verdict } from './verdicts.ts'

const FILE = fileURLToPath(new URL('../expected.json', import.meta.url))
const CORE = fileURLToPath(new URL('../../packages/core/src', import.meta.url))

/** The committed expectation. */
export interface Expected {
  /** `coreDigest()` of the last full run that passed, or null. */
  coreDigest: string | null
  cases: ReadonlyMap<string, Verdict>
}

/** Reads expected.json. */
export function readExpected(): Expected {
  const { coreDigest, cases } = JSON.parse(readFileSync(FILE, 'utf8')) as {
    coreDigest: string | null
    cases: Record<string, Verdict>
  }
  return { coreDigest, cases: new Map(Object.entries(cases)) }
}

/** Writes expected.json, a line for each case. */
export function writeExpected({ coreDigest, cases }: Expected): void {
  const lines = [...cases].map(([id, { behavior, behaviorClose }]) => {
    return `    "${id}": { "behavior": "${behavior}", "behaviorClose": "${behaviorClose}" }`
  })
  const digest = JSON.stringify(coreDigest)
  writeFileSync(FILE, `{\n  "coreDigest": ${digest},\n  "cases": {\n${lines.join(',\n')}\n  }\n}\n`)
}

/** SHA-256 over the paths and contents of packages/core/src, in the order of the paths. Without `ws/`: the suite's server does
 * not load it, as `test/structure.test.ts` holds. */
export function coreDigest(): string {
  const hash = createHash('sha256')
  const entries = readdirSync(CORE, { recursive: true, withFileTypes: true })
  const facade = join(CORE, 'ws')
  const files = entries
    .filter((entry) => entry.isFile() && entry.parentPath !== facade)
    .map((entry) => join(entry.parentPath, entry.name))
  for (const file of files.sort()) {
    const content = readFileSync(file)
    hash.update(`${file.slice(CORE.length)}\0${content.length}\0`).update(content)
  }
  return hash.digest('hex')
}
