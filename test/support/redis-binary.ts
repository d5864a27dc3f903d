// Finds a redis-server for the tests, or fetches one: no root, nothing installed, nothing left running. The order, first
// hit wins: 'url' REDIS_URL, for tests that need no server of their own; 'bin' REDIS_SERVER_BIN, else redis-server or
// valkey-server on PATH; 'fetch' the package of Debian or Ubuntu, signatures checked by apt, unpacked into
// node_modules/.cache. REDIS_STEP forces one of these words.

import { execFile } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** How to start a redis-server. */
export interface RedisBinary {
  path: string
  /** Where its libraries are, when it was fetched. */
  env: NodeJS.ProcessEnv
}

const run = promisify(execFile)
const NAMES = ['redis-server', 'valkey-server']
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/redis', import.meta.url))

/** A redis-server to start, or undefined when there is none and none can be fetched. */
export async function findRedis(env: NodeJS.ProcessEnv = process.env, cache = CACHE): Promise<RedisBinary | undefined> {
  const { REDIS_STEP: step } = env
  const local = step === undefined || step === 'bin' ? onThisMachine(env) : undefined
  if (local) return { path: local, env: {} }
  return step === undefined || step === 'fetch' ? await fetched(cache) : undefined
}

/** A server that somebody else runs, when REDIS_URL names one. */
export function foreignUrl(env: NodeJS.ProcessEnv = process.env): string | undefined {
  return env.REDIS_STEP === undefined || env.REDIS_STEP === 'url' ? env.REDIS_URL : undefined
}

function onThisMachine(env: NodeJS.ProcessEnv): string | undefined {
  if (env.REDIS_SERVER_BIN) return isExecutable(env.REDIS_SERVER_BIN) ? env.REDIS_SERVER_BIN : undefined
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable)
}

async function fetched(cache: string): Promise<RedisBinary | undefined> {
  const path = join(cache, 'usr/bin/redis-server')
  if (!isExecutable(path)) {
    if (!onPath('apt-get') || !onPath('dpkg-deb')) return undefined
    try {
      await fetchInto(cache)
    } catch (error) {
      process.stderr.write(`\n*** redis-server could not be fetched: ${error} ***\n`)
      return undefined
    }
  }
  // Only the libraries that this machine did not have.
  const lib = join(cache, 'usr/lib')
  const libraries = existsSync(lib) ? readdirSync(lib).map((folder) => join(lib, folder)) : []
  return { path, env: { LD_LIBRARY_PATH: libraries.join(':') } }
}

/** Built beside its place and renamed there, so that workers that fetch at once do not meet. */
async function fetchInto(cache: string): Promise<void> {
  const work = `${cache}.${process.pid}`
  try {
    for (const folder of ['lists/partial', 'apt/archives/partial', 'debs', 'root']) {
      mkdirSync(join(work, folder), { recursive: true })
    }
    const options = ['-qq', '-o', `Dir::State::Lists=${work}/lists`, '-o', `Dir::Cache=${work}/apt`]
    const apt = (...args: string[]): Promise<{ stdout: string }> =>
      run('apt-get', [...options, ...args], { cwd: join(work, 'debs') })
    await apt('update')
    const plan = await apt('install', '-s', '--no-install-recommends', 'redis-server')
    const missing = [...plan.stdout.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name!)
    // Both by name: the server is a link into the tools, of which a machine may have one without the other.
    await apt('download', ...new Set(['redis-server', 'redis-tools', ...missing]))
    for (const deb of readdirSync(join(work, 'debs'))) {
      await run('dpkg-deb', ['-x', join(work, 'debs', deb), join(work, 'root')])
    }
    if (!existsSync(cache)) renameSync(join(work, 'root'), cache)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function onPath(name: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => isExecutable(join(folder, name)))
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
