// The servers to compare with: which versions, where they are kept, and how one is started. Each is installed by npm in a
// folder of its own, so that one that cannot be had takes no other with it. What is pinned is exactly what runs.

import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** What a server is: its packages, and how a client speaks to it. */
interface Subject {
  /** npm packages and their versions. None: it is built from this repository. */
  packages: Readonly<Record<string, string>>
  /** What a client says besides RFC 6455 (dialect.ts). */
  dialect: 'plain' | 'rooms' | 'socket.io'
  /** Runs on this instead of node. */
  runtime?: 'bun'
  /** Measured with this alone. */
  only?: 'history'
}

/** Every server that can be measured, in the order of the report: a file in servers/ each. */
export const SUBJECTS = {
  roomcast: { packages: {}, dialect: 'plain' },
  before: { packages: {}, dialect: 'plain' },
  ws: { packages: { ws: '8.23.0' }, dialect: 'plain' },
  uwebsockets: { packages: { uwebsockets: '3.0.6' }, dialect: 'plain' },
  bun: { packages: { bun: '1.4.5' }, dialect: 'plain', runtime: 'bun' },
  'socket.io': {
    packages: { 'socket.io': '4.8.4', '@socket.io/redis-adapter': '8.3.0', ioredis: '6.0.0' },
    dialect: 'socket.io',
  },
  'rooms-plain': { packages: {}, dialect: 'rooms', only: 'history' },
  'rooms-history': { packages: {}, dialect: 'rooms', only: 'history' },
  'socket.io-streams': {
    packages: { 'socket.io': '4.8.4', '@socket.io/redis-streams-adapter': '0.3.1', ioredis: '6.0.0' },
    dialect: 'socket.io',
    only: 'history',
  },
} as const satisfies Readonly<Record<string, Subject>>

/** The name of a server. */
export type SubjectName = keyof typeof SUBJECTS

/** What a client says to this server besides RFC 6455. */
export type DialectName = Subject['dialect']

/** Where peers are installed, and what the bench writes. */
export const CACHE: string = fileURLToPath(new URL('../../node_modules/.cache/bench/', import.meta.url))

const INSTALL_TIMEOUT_MS = 300_000

/** True for the name of a server. */
export function isSubject(name: string): name is SubjectName {
  return Object.hasOwn(SUBJECTS, name)
}

/** What a server is, by name. */
export function subjectNamed(name: SubjectName): Subject {
  return SUBJECTS[name]
}

/** Installs a server's packages unless they are there, by npm and without running any script of theirs.
 * @throws with npm's words when they cannot be had. */
export async function install(name: string, packages: Readonly<Record<string, string>>): Promise<void> {
  const folder = `${CACHE}${name}/`
  const manifest = `${JSON.stringify({ private: true, dependencies: packages }, null, 2)}\n`
  const done = `${folder}installed.json`
  if (Object.keys(packages).length === 0) return
  if (existsSync(done) && readFileSync(done, 'utf8') === manifest) return
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}package.json`, manifest)
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error']
  await promisify(execFile)('npm', args, { cwd: folder, timeout: INSTALL_TIMEOUT_MS })
  writeFileSync(done, manifest)
}

/** Loads an installed package. */
export function load<T>(name: string, packageName: string): T {
  return createRequire(`${CACHE}${name}/package.json`)(packageName) as T
}

/** What runs a server's file.
 * @throws when Bun has no binary for this system. */
export function runtimeOf(name: SubjectName): string {
  if (subjectNamed(name).runtime !== 'bun') return process.execPath
  // npm chose the package of this system among optional dependencies; only a script of `bun` itself would link it.
  const folder = `${CACHE}${name}/node_modules/@oven/`
  for (const entry of existsSync(folder) ? readdirSync(folder) : []) {
    const binary = `${folder}${entry}/bin/bun`
    if (spawnSync(binary, ['--version']).status === 0) return binary
  }
  throw new Error('bun has no binary for this system')
}

/** A server's npm packages and their versions. */
export function packagesOf(name: SubjectName): Readonly<Record<string, string>> {
  return subjectNamed(name).packages
}
