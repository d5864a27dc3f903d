// The suite's own Python environment, made once and kept in node_modules/.cache/autobahn under a name that says what is
// in it: the pins, the interpreter, with or without a compiler. It is built aside and renamed when whole, so what has the
// name works, and two runs at once cannot disturb each other.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Everything the runner writes goes here. */
export const CACHE: string = fileURLToPath(new URL('../../node_modules/.cache/autobahn/', import.meta.url))

const REQUIREMENTS = fileURLToPath(new URL('../requirements.txt', import.meta.url))
const STEP_TIMEOUT_MS = 15 * 60_000
/** Prints the ids of all cases the suite has. */
const LIST_CASES =
  'from autobahntestsuite.case import Cases; print("\\n".join(case.__name__[4:].replace("_", ".") for case in Cases))'

/** The suite, ready to run. */
export interface Suite {
  /** The path of its Python. */
  python: string
  /** True with wsaccel; without it, what is long takes about six times as long. */
  isAccelerated: boolean
}

/** Installs the suite unless it is there.
 * @param python a CPython 2.7, by absolute path.
 * @param ids the cases the suite must have: these and no others.
 * @throws Error when a step fails, with what it said; when the suite has other cases. */
export function installSuite(python: string, ids: readonly string[]): Suite {
  const pins = readPins()
  const compiler = hasCompiler(python)
  if (!compiler) console.warn('No C compiler: the suite runs without wsaccel, with the same verdicts but much slower.')
  const key = createHash('sha256')
    .update(JSON.stringify([[...pins.values()], python, compiler]))
    .digest('hex')
    .slice(0, 16)
  const home = join(CACHE, `suite-${key}`)
  if (!existsSync(home)) {
    const aside = join(CACHE, `making-${process.pid}`)
    rmSync(aside, { recursive: true, force: true })
    build(aside, { python, pins, compiler })
    checkCases(join(aside, 'venv/bin/python'), ids)
    moveInPlace(aside, home)
  }
  return { python: join(home, 'venv/bin/python'), isAccelerated: compiler }
}

function build(aside: string, suite: { python: string; pins: Map<string, string>; compiler: boolean }): void {
  const { python, pins, compiler } = suite
  const take = (...names: string[]): string[] => names.map((name) => pins.get(name) ?? missing(name))
  const without = ['virtualenv', 'Cython', 'incremental', 'wsaccel']
  const rest = [...pins.keys()].filter((name) => !without.includes(name))
  mkdirSync(aside, { recursive: true })
  console.log('Installing the Autobahn Testsuite (once, about a minute) …')

  // A virtualenv, because zope is a namespace package that only works where site-packages is the interpreter's own.
  const tool = join(aside, 'tool')
  step(python, ['-m', 'pip', 'install', '--no-deps', '--target', tool, ...take('virtualenv')])
  step(python, ['-m', 'virtualenv', '--no-download', join(aside, 'venv')], { PYTHONPATH: tool })
  rmSync(tool, { recursive: true, force: true })
  const inside = join(aside, 'venv/bin/python')
  const pip = (...args: string[]): string => step(inside, ['-m', 'pip', 'install', '--no-deps', ...args])

  // What the others import while they are built comes first.
  pip(...take('Cython', 'incremental'))
  pip('--no-build-isolation', ...take(...rest))
  if (compiler) pip('--no-build-isolation', ...take('wsaccel'))
}

/** Renames what was built. Another run that was faster left the same under the name. */
function moveInPlace(aside: string, home: string): void {
  try {
    renameSync(aside, home)
  } catch (error) {
    if (!existsSync(home)) throw error
    rmSync(aside, { recursive: true, force: true })
  }
}

/** The expected cases and the suite's own list are the same: nobody's list is out of date. */
function checkCases(python: string, ids: readonly string[]): void {
  const own = new Set(step(python, ['-c', LIST_CASES]).trim().split('\n'))
  const unknown = ids.filter((id) => !own.delete(id))
  if (unknown.length === 0 && own.size === 0) return
  throw new Error(`the suite lacks [${unknown}] of the expected cases, and has [${[...own]}] besides`)
}

/** Package name → `name==version`, in the file's order. */
function readPins(): Map<string, string> {
  const lines = readFileSync(REQUIREMENTS, 'utf8').split('\n')
  return new Map(lines.filter((line) => line.includes('==')).map((line) => [line.slice(0, line.indexOf('==')), line]))
}

function missing(name: string): never {
  throw new Error(`requirements.txt has no ${name}`)
}

/** True where this Python can build extensions. */
function hasCompiler(python: string): boolean {
  const compiler = step(python, ['-c', 'import sysconfig; print(sysconfig.get_config_var("CC") or "cc")'])
  return spawnSync(compiler.trim().split(' ')[0]!, ['--version']).status === 0
}

/** Runs Python and returns what it printed. */
function step(python: string, args: string[], env: NodeJS.ProcessEnv = {}): string {
  const { status, error, stdout, stderr } = spawnSync(python, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: STEP_TIMEOUT_MS,
    maxBuffer: 64 * 1024 * 1024,
  })
  if (status === 0) return stdout
  throw new Error(`${python} ${args.join(' ')}: ${error?.message ?? `exit ${status}`}\n${stdout}${stderr}`)
}
