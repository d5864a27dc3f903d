// `pnpm autobahn [defaults|fast|ci|all|auto] [case…] [--record]`: the real Autobahn Testsuite against our echo server, in two
// processes, judged strictly. Exit 0 only when every case was reported with the expected verdicts. See ../README.md.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  casesNamed,
  casesOf,
  isCompression,
  OVER_DEFAULT_LIMIT,
  SETS,
  type SetName,
  secondsOf,
  split,
} from './cases.ts'
import { coreDigest, readExpected, writeExpected } from './expected.ts'
import { CACHE, installSuite, type Suite } from './install.ts'
import { findPython } from './python.ts'
import { AGENT, runPart, startEchoServer } from './suite.ts'
import { expectedOfDefaults, judge, type Offender, readReport, summarise, type Verdict, words } from './verdicts.ts'

const PROCESSES = 2
const PROGRESS_MS = 30_000
/** sysexits.h, EX_UNAVAILABLE. */
const NO_PYTHON = 69

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { record: { type: 'boolean', default: false } },
})
const expected = readExpected()
/** The server as it is: no limit raised, no compression. */
const defaults = positionals.includes('defaults')
if (defaults && positionals.length > 1) throw new RangeError('defaults goes alone')
const digest = coreDigest()
const ids = idsFor(defaults ? ['fast'] : positionals)
if (options.record && ids.length < expected.cases.size) throw new RangeError('--record needs all cases')

const python = findPython()
if (python === undefined) {
  console.error(
    'The Autobahn Testsuite needs CPython 2.7, and none was found: put python2.7 on PATH or name it in PYTHON27.',
  )
  const { CI } = process.env
  process.exit(CI ? 1 : NO_PYTHON)
}
process.exitCode = (await run(installSuite(python, [...expected.cases.keys()]))) ? 0 : 1

/** Runs, judges and tells. Resolves with true when everything is as expected. */
async function run({ python, isAccelerated }: Suite): Promise<boolean> {
  const reports = newReportFolder()
  const parts = split(ids, PROCESSES).filter((part) => part.length > 0)
  const patience = isAccelerated ? 3 : 20
  const compression = ids.some(isCompression)
  const server = await startEchoServer({ compression, defaults })
  console.log(
    `Cases: ${ids.length} of ${expected.cases.size}, processes: ${parts.length}, compression ${compression ? 'on' : 'off'}, ` +
      `limits ${defaults ? 'as they are' : 'raised'} …`,
  )
  let begun = 0
  const progress = setInterval(() => console.log(`… case ${begun} of ${ids.length}`), PROGRESS_MS)
  const wrong = await Promise.all(
    parts.map((part, index) =>
      runPart({
        python,
        ids: part,
        port: server.port,
        folder: join(reports, String(index + 1)),
        timeLimitMs: 60_000 + patience * 1000 * part.reduce((sum, id) => sum + secondsOf(id), 0),
        onCase: () => begun++,
      }),
    ),
  )
  clearInterval(progress)
  wrong.push(await server.stop())

  const found = parts.map((_, index) => readFolder(join(reports, String(index + 1))))
  const cases = defaults ? expectedOfDefaults(expected.cases, OVER_DEFAULT_LIMIT) : expected.cases
  const offenders = judge(new Map(ids.map((id) => [id, cases.get(id)!])), found)
  const problems = wrong.filter((problem) => problem !== undefined)
  for (const problem of problems) console.error(problem)
  tell(offenders, reports)
  console.log(summarise(found))
  if (defaults) console.log(`${OVER_DEFAULT_LIMIT.length} of the cases send over 1 MiB and must be refused with 1009.`)
  const isGood = offenders.length === 0 && problems.length === 0
  if (isGood && options.record) record()
  console.log(`${isGood ? 'As' : 'NOT as'} expected. Reports: ${reports}`)
  return isGood
}

/** The cases that the command line asks for. */
function idsFor(asked: readonly string[]): string[] {
  const all = [...expected.cases.keys()]
  const named = (asked.length > 0 ? asked : ['fast']).flatMap((word) => {
    const set = word === 'auto' ? automaticSet() : SETS.find((name) => name === word)
    return set === undefined ? casesNamed(word, all) : casesOf(set, all)
  })
  return all.filter((id) => named.includes(id))
}

/** All cases when the core sources are not those of the last full run. */
function automaticSet(): SetName {
  const isSame = digest === expected.coreDigest
  console.log(`The core sources are ${isSame ? '' : 'not '}those of the last full run: ${isSame ? 'ci' : 'all'}.`)
  return isSame ? 'ci' : 'all'
}

/** A folder for this run's reports; they stay until another run begins. */
function newReportFolder(): string {
  const folder = join(CACHE, 'reports')
  mkdirSync(folder, { recursive: true })
  for (const name of readdirSync(folder)) {
    if (!isRunning(Number(name))) rmSync(join(folder, name), { recursive: true, force: true })
  }
  return join(folder, String(process.pid))
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return pid !== process.pid
  } catch {
    return false
  }
}

/** What one process reported. One that was killed reported nothing. */
function readFolder(folder: string): Map<string, Verdict> {
  const index = join(folder, 'index.json')
  return existsSync(index) ? readReport(readFileSync(index, 'utf8'), AGENT) : new Map()
}

/** One line for each offender; those that were not reported share one. */
function tell(offenders: readonly Offender[], reports: string): void {
  const silent = offenders.filter(({ found }) => found.length === 0).map(({ id }) => id)
  if (silent.length > 0) console.error(`not reported (${silent.length}): ${silent.join(' ')}`)
  for (const { id, expected: wanted, found } of offenders) {
    if (found.length === 0) continue
    console.error(`${id}: ${found.map(words).join(' and ')}, not ${words(wanted)}. ${whatItDid(id, reports)}`)
  }
}

/** What the suite says a case did, from its own file. */
function whatItDid(id: string, reports: string): string {
  const name = `${AGENT}_case_${id.replaceAll('.', '_')}.json`
  const file = readdirSync(reports, { recursive: true, encoding: 'utf8' }).find((path) => path.endsWith(`/${name}`))
  if (file === undefined) return ''
  const told = JSON.parse(readFileSync(join(reports, file), 'utf8')) as Record<string, string | number | null>
  const { result, resultClose, remoteCloseCode, expectation } = told
  const line = `${result} ${resultClose} Close code ${remoteCloseCode}. Wanted: ${expectation}`
  return line.replace(/\s+/g, ' ')
}

/** Notes that these sources passed in full. */
function record(): void {
  if (coreDigest() !== digest) throw new Error('the core sources changed during the run: nothing recorded')
  writeExpected({ coreDigest: digest, cases: expected.cases })
  console.log(`Recorded for core ${digest.slice(0, 12)}.`)
}
