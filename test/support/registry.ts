// A real npm registry on a free port of this machine: verdaccio, which is too large to be installed with everything. `.ci/run`
// installs it beside the workspace. Packages of ours are its own; what they need of others comes from where npm is set up to
// get it.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const VERDACCIO = fileURLToPath(new URL('../../node_modules/.cache/verdaccio/', import.meta.url))

/** Whether it is installed. */
export const hasRegistry: boolean = existsSync(join(VERDACCIO, 'node_modules/verdaccio'))

/** It ends with the process that started it. */
const PROGRAM = `
process.on('disconnect', () => process.exit())
require('verdaccio').runServer(process.argv[1]).then((app) => {
  const server = app.listen(0, '127.0.0.1', () => process.send(server.address().port))
})`

export interface Registry {
  /** With a slash at its end. */
  url: string
  /** What npm is told by, in place of all that this machine says: this registry, who one is there, and a cache of its own. */
  env: Record<string, string>
  stop(): Promise<void>
}

/** Starts one that has nothing yet.
 * @param home a folder for all that it keeps. */
export async function startRegistry(home: string): Promise<Registry> {
  mkdirSync(home, { recursive: true })
  const config = {
    storage: join(home, 'storage'),
    auth: { htpasswd: { file: join(home, 'htpasswd'), max_users: 1 } },
    uplinks: { outside: { url: setting('registry'), ...ca(setting('cafile')) } },
    packages: {
      '@roomcast/*': { access: '$all', publish: '$authenticated' },
      roomcast: { access: '$all', publish: '$authenticated' },
      '**': { access: '$all', proxy: 'outside' },
    },
    log: { type: 'stdout', format: 'pretty', level: 'error' },
  }
  // JSON is YAML.
  writeFileSync(join(home, 'config.yaml'), JSON.stringify(config))
  const child = spawn(process.execPath, ['-e', PROGRAM, join(home, 'config.yaml')], {
    cwd: VERDACCIO,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const url = `http://127.0.0.1:${await portOf(child)}/`
  const npmrc = join(home, 'npmrc')
  writeFileSync(npmrc, `registry=${url}\n//${new URL(url).host}/:_authToken=${await becomeUser(url)}\n`)
  return {
    url,
    env: { npm_config_userconfig: npmrc, npm_config_registry: url, npm_config_cache: join(home, 'cache') },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill()
      await once(child, 'exit')
    },
  }
}

function setting(name: string): string {
  return execFileSync('npm', ['config', 'get', name], { encoding: 'utf8' }).trim()
}

function ca(file: string): { ca?: string } {
  return existsSync(file) ? { ca: readFileSync(file, 'utf8') } : {}
}

async function portOf(child: ChildProcess): Promise<number> {
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the registry ended with ${code}`)))
  const [port] = (await Promise.race([once(child, 'message'), ended])) as [number]
  ended.catch(() => {})
  return port
}

/** @returns the token of a user who may publish */
async function becomeUser(url: string): Promise<string> {
  const response = await fetch(`${url}-/user/org.couchdb.user:releaser`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'releaser', password: 'of-this-test-alone', type: 'user' }),
  })
  const { token } = (await response.json()) as { token?: string }
  if (token === undefined) throw new Error(`the registry took no user: ${response.status}`)
  return token
}
