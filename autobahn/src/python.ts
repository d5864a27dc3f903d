// Which CPython 2.7 runs the suite, which never moved to Python 3. A candidate is tried by executing it: the name alone
// tells nothing (pyenv's shim on PATH refuses to run when no 2.7 is selected).

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

const TRY_TIMEOUT_MS = 20_000
/** Prints the interpreter's real path, if it is CPython 2.7 and can do what pip and the suite need. */
const ASK =
  'import platform, ssl, sys, zlib; assert platform.python_implementation() == "CPython"; assert sys.version_info[:2] == (2, 7); print(sys.executable)'

/** Where the candidates are looked for. */
export interface PythonPlaces {
  /** `PYTHON27` names one that is tried first; `PYENV_ROOT` says where pyenv lives. */
  env: NodeJS.ProcessEnv
  home: string
}

/** What is tried, the best first. */
export function candidates({ env, home }: PythonPlaces): string[] {
  const { PYTHON27, PYENV_ROOT } = env
  const versions = join(PYENV_ROOT ?? join(home, '.pyenv'), 'versions')
  const pyenv = existsSync(versions) ? readdirSync(versions).filter((name) => name.startsWith('2.7')) : []
  return [
    ...(PYTHON27 ? [PYTHON27] : []),
    'python2.7',
    'python2',
    ...pyenv.sort().map((name) => join(versions, name, 'bin', 'python2.7')),
  ]
}

/** The first candidate that works, as its own absolute path, or undefined. */
export function findPython(places: PythonPlaces = { env: process.env, home: homedir() }): string | undefined {
  for (const candidate of candidates(places)) {
    const answer = spawnSync(candidate, ['-c', ASK], { encoding: 'utf8', timeout: TRY_TIMEOUT_MS })
    if (answer.status === 0) return answer.stdout.trim()
  }
  return undefined
}
