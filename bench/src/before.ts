// This repository as it was at another revision, built beside what is measured, so that old and new run in one benchmark.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { CACHE } from './peers.ts'

/** Its name among the servers. */
export const BEFORE = 'before'

const WORKSPACE = fileURLToPath(new URL('../..', import.meta.url))
const FOLDER = `${CACHE}${BEFORE}`

/** Each stands on those before it. */
const PACKAGES = ['core', 'channels', 'rooms', 'centrifuge'] as const

/** A package of that revision, as built. */
export function packageBefore(name: (typeof PACKAGES)[number]): string {
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
  const there = git('ls-tree', '--name-only', commit, 'packages/').toString().split('\n')
  const names = PACKAGES.filter((name) => there.includes(`packages/${name}`))
  const archive = git('archive', commit, ...names.map((name) => `packages/${name}`), 'tsconfig.base.json')
  execFileSync('tar', ['-x', '-C', FOLDER], { input: archive })
  for (const name of names) symlinkSync(`../../packages/${name}`, `${FOLDER}/node_modules/@roomcast/${name}`)
  symlinkSync(`${WORKSPACE}/node_modules/@types`, `${FOLDER}/node_modules/@types`)
  symlinkSync(`${WORKSPACE}/packages/centrifuge/node_modules/@bufbuild`, `${FOLDER}/node_modules/@bufbuild`)
  execFileSync(process.execPath, [`${WORKSPACE}/node_modules/typescript/bin/tsc`, '-b', `packages/${names.at(-1)}`], {
    cwd: FOLDER,
  })
  mkdirSync(`${FOLDER}/${commit}`)
}
