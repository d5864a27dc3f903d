// This repository as it was at another revision, built beside what is measured, so that old and new run in one benchmark.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { CACHE } from './peers.ts'

/** Its name among the servers. */
export const BEFORE = 'before'

const WORKSPACE = fileURLToPath(new URL('../..', import.meta.url))
const FOLDER = `${CACHE}${BEFORE}`

/** A package of that revision, as built. */
export function packageBefore(name: 'core' | 'channels'): string {
  return new URL(`file://${FOLDER}/packages/${name}/dist/index.js`).href
}

/** Takes the packages out of git, and builds them with the compiler of this revision.
 * @throws with git's or the compiler's words. */
export function buildBefore(revision: string): void {
  const git = (...args: string[]): Buffer => execFileSync('git', args, { cwd: WORKSPACE, maxBuffer: 2 ** 30 })
  const commit = git('rev-parse', '--verify', `${revision}^{commit}`).toString().trim()
  if (existsSync(`${FOLDER}/${commit}`)) return
  rmSync(FOLDER, { recursive: true, force: true })
  mkdirSync(`${FOLDER}/node_modules/@roomcast`, { recursive: true })
  const archive = git('archive', commit, 'packages/core', 'packages/channels', 'tsconfig.base.json')
  execFileSync('tar', ['-x', '-C', FOLDER], { input: archive })
  for (const name of ['core', 'channels']) {
    symlinkSync(`../../packages/${name}`, `${FOLDER}/node_modules/@roomcast/${name}`)
  }
  symlinkSync(`${WORKSPACE}/node_modules/@types`, `${FOLDER}/node_modules/@types`)
  execFileSync(process.execPath, [`${WORKSPACE}/node_modules/typescript/bin/tsc`, '-b', 'packages/channels'], {
    cwd: FOLDER,
  })
  mkdirSync(`${FOLDER}/${commit}`)
}
