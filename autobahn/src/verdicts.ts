// What the suite said against what it must say. The suite exits 0 whatever happened, and when the server dies in the
// middle it reports the cases so far: so the cases reported must be exactly those asked for, each with the expected
// verdict in both of its fields, and where it matters our close code. Durations differ from run to run and are not read.

/** The suite's two verdicts over a case: what was said, and how the connection ended. */
export interface Verdict {
  behavior: string
  behaviorClose: string
  /** The code of our Close frame; null when there was none. An expectation without it allows any. */
  closeCode?: number | null
}

/** How a message over the limit ends: the suite wanted its echo, and got a Close frame with 1009, message too big. */
const TOO_BIG: Verdict = { behavior: 'FAILED', behaviorClose: 'FAILED', closeCode: 1009 }

/** What the cases must get from a server whose limits were not raised: those that send more than it takes must be
 * refused, in just this way; the others as always.
 * @param tooBig the ids of the former.
 * @throws RangeError when one of them is no case. */
export function expectedOfDefaults(
  expected: ReadonlyMap<string, Verdict>,
  tooBig: readonly string[],
): ReadonlyMap<string, Verdict> {
  const unknown = tooBig.filter((id) => !expected.has(id))
  if (unknown.length > 0) throw new RangeError(`no case ${unknown}`)
  return new Map([...expected, ...tooBig.map((id) => [id, TOO_BIG] as const)])
}

/** A case that is not as expected. `expected` is undefined for a case nobody asked for; `found` is empty for a case that
 * was not reported, and longer than one for a case reported twice. */
export interface Offender {
  id: string
  expected: Verdict | undefined
  found: Verdict[]
}

/** The cases of one report, from the text of its `index.json`.
 * @throws Error when this is not a report about `agent` alone; SyntaxError when it is not JSON. */
export function readReport(text: string, agent: string): Map<string, Verdict> {
  const agents: unknown = JSON.parse(text)
  if (!isRecord(agents)) throw new Error('the report is not an object')
  const others = Object.keys(agents).filter((name) => name !== agent)
  if (others.length > 0) throw new Error(`the report is about [${others}], not only ${agent}`)
  // Without any connection the suite writes an empty report.
  const cases = agents[agent] ?? {}
  if (!isRecord(cases)) throw new Error(`the report has no cases for ${agent}`)
  return new Map(Object.entries(cases).map(([id, found]) => [id, readCase(id, found)]))
}

function readCase(id: string, found: unknown): Verdict {
  if (!isRecord(found)) throw new Error(`the report of case ${id} is not an object`)
  const { behavior, behaviorClose, remoteCloseCode } = found
  if (typeof behavior !== 'string' || typeof behaviorClose !== 'string') {
    throw new Error(`the report of case ${id} lacks a verdict`)
  }
  return { behavior, behaviorClose, closeCode: typeof remoteCloseCode === 'number' ? remoteCloseCode : null }
}

/** Compares reports with what was asked for.
 * @param expected case id → the verdicts it must get.
 * @param reports what each process reported.
 * @returns the offenders: first the expected cases in their order, then the others. */
export function judge(
  expected: ReadonlyMap<string, Verdict>,
  reports: readonly ReadonlyMap<string, Verdict>[],
): Offender[] {
  const ids = new Set([...expected.keys(), ...reports.flatMap((report) => [...report.keys()])])
  return [...ids]
    .map((id) => ({
      id,
      expected: expected.get(id),
      found: reports.flatMap((report) => report.get(id) ?? []),
    }))
    .filter((item) => item.found.length !== 1 || !isAsExpected(item.expected, item.found[0]))
}

/** One line that counts what was reported, one field after the other. */
export function summarise(reports: readonly ReadonlyMap<string, Verdict>[]): string {
  const all = reports.flatMap((report) => [...report.values()])
  const count = (field: keyof Verdict): string => {
    const [ok, informational] = ['OK', 'INFORMATIONAL'].map((word) => all.filter((one) => one[field] === word).length)
    return `${ok} OK, ${informational} INFORMATIONAL, ${all.length - ok! - informational!} other (${field})`
  }
  return `Autobahn: ${all.length} cases, ${count('behavior')}; ${count('behaviorClose')}`
}

/** A verdict in a few words. */
export function words(verdict: Verdict | undefined): string {
  if (verdict === undefined) return 'nothing'
  const { behavior, behaviorClose, closeCode } = verdict
  return closeCode === undefined ? `${behavior} / ${behaviorClose}` : `${behavior} / ${behaviorClose} (${closeCode})`
}

function isAsExpected(expected: Verdict | undefined, found: Verdict | undefined): boolean {
  if (expected === undefined || found === undefined) return false
  const isCode = expected.closeCode === undefined || expected.closeCode === found.closeCode
  return isCode && expected.behavior === found.behavior && expected.behaviorClose === found.behaviorClose
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
