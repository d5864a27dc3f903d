// The image without Docker: the steps of the Dockerfile are done in a folder, and its program is started there as Docker would,
// by ENTRYPOINT, with ENV, and as a user who may write nothing.

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { build, Context, type Image, listOf } from '../support/dockerfile.ts'
import { eventually } from '../support/log.ts'

const workspace = fileURLToPath(new URL('../..', import.meta.url))
const TLS = join(workspace, 'test/support/tls')
const BUILD_TIMEOUT_MS = 300_000
/** It is 22 MiB. What grows past this carries something by accident. */
const MAX_BYTES = 30 * 1024 * 1024
/** Of `node` in the official images. */
const NODE_USER = { uid: 1000, gid: 1000 }

let home: string
let image: Image
/** Who runs the program: that user, where the one who runs the test may become it, and it may run this node. */
let user: Partial<typeof NODE_USER> = {}
const running = new Set<ChildProcess>()

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'roomcast-image-'))
  chmodSync(home, 0o755)
  const probe = { ...NODE_USER, cwd: home }
  if (process.getuid?.() === 0 && spawnSync(process.execPath, ['-v'], probe).status === 0) user = NODE_USER
  const { NODE_ENV, NODE_OPTIONS, VITEST, ...env } = process.env
  image = build(home, env)
}, BUILD_TIMEOUT_MS)
afterEach(() => {
  for (const child of running) child.kill('SIGKILL')
  running.clear()
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

describe('what Docker sees of the repository', () => {
  const context = new Context()
  test.each(['packages/core/src/index.ts', 'packages/roomcast/page/index.html', 'pnpm-lock.yaml', 'LICENSE'])(
    '%s',
    (path) => expect(context.has(path)).toBe(true),
  )
  test.each([
    '.env',
    'packages/roomcast/.env.local',
    'packages/rooms/.without-x/index.ts',
    'packages/core/CHANGELOG.md',
    'key.pem',
    '.git/config',
    'test/structure.test.ts',
    'node_modules/ws/index.js',
    'packages/core/node_modules/x/index.js',
    'packages/core/dist/index.js',
    'packages/core/roomcast-core-0.1.0.tgz',
    'examples/src/node.ts',
  ])('not %s', (path) => expect(context.has(path)).toBe(false))
})

describe('what is in it', () => {
  test('the program, its page, its dashboard, the license; nothing that is only compiled or read', () => {
    expect(readdirSync(image.cwd).toSorted()).toEqual(
      ['LICENSE', 'README.md', 'bin', 'dist', 'grafana', 'node_modules', 'package.json', 'page'].toSorted(),
    )
    const ours = [
      '',
      ...readdirSync(`${image.cwd}/node_modules/@roomcast`).map((name) => `node_modules/@roomcast/${name}`),
    ]
    expect(ours).toHaveLength(6)
    for (const folder of ours) {
      const at = realpathSync(join(image.cwd, folder))
      expect(existsSync(join(at, 'src')), folder).toBe(false)
      const files = readdirSync(join(at, 'dist'), { recursive: true, withFileTypes: true }).filter((each) =>
        each.isFile(),
      )
      expect(files.length, folder).toBeGreaterThan(1)
      expect(files.map(({ name }) => name).filter((name) => !name.endsWith('.js'))).toEqual([])
    }
  })

  test('packages that the program needs, and no others', () => {
    const store = join(image.cwd, 'node_modules/.pnpm')
    const there = readdirSync(store, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== 'node_modules')
      .map(({ name }) => name)
    const needed = [...neededBy(image.cwd)].map((at) => at.slice(store.length + 1).split('/', 1)[0]!)
    expect(there.toSorted()).toEqual([...new Set(needed)].toSorted())
    expect(there.filter((name) => /^(?:typescript|vitest|@biomejs|esbuild|vite)\b/.test(name))).toEqual([])
  })

  test('its size', () => {
    const bytes = readdirSync(image.cwd, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
    console.log(`/app: ${Math.ceil(bytes / 1024 / 1024)} MiB`)
    expect(bytes).toBeLessThan(MAX_BYTES)
  })
})

describe('how it runs', () => {
  test('without a decision over who may connect it ends with 2 and one line', async () => {
    const { child, complaints } = start({})
    expect(await once(child, 'exit')).toEqual([2, null])
    expect(complaints()).toMatch(/^roomcast: host "0\.0\.0\.0" is open to others: decide who may connect.*\n$/)
  })

  test('with one it serves, says that it is healthy, and drains at SIGTERM', async () => {
    const server = await listening({ ROOMCAST_INSECURE: 'true' })
    expect(await (await fetch(`http://127.0.0.1:${server.port}/healthz`)).json()).toEqual({ status: 'alive' })
    expect(await (await fetch(`http://127.0.0.1:${server.port}/`)).text()).toContain('<!doctype html>')
    expect(await isHealthy(server.port)).toBe(true)
    const client = new WebSocket(`ws://127.0.0.1:${server.port}/`)
    await once(client, 'open')
    client.send('{"join":"lobby"}')
    expect(String((await once(client, 'message'))[0])).toBe('{"joined":"lobby"}')
    const gone = [once(client, 'close'), once(server.child, 'exit')]
    server.child.kill('SIGTERM')
    const [[code], end] = (await Promise.all(gone)) as [[number], unknown[]]
    expect([code, end]).toEqual([1012, [0, null]])
    expect(server.complaints()).toBe('roomcast: SIGTERM: draining; once more to exit at once\n')
    expect(await isHealthy(server.port)).toBe(false)
  })

  test('with a certificate it is healthy too', async () => {
    // As text, as the user of the image may not read the folder of the tests everywhere. Its first line is a remark.
    const pem = (name: string): string => readFileSync(join(TLS, name), 'utf8').replace(/^[^-]*/, '')
    const given = { ROOMCAST_TLS_CERT: pem('test-only-cert.pem'), ROOMCAST_TLS_KEY: pem('test-only-key.pem') }
    const server = await listening({ ROOMCAST_INSECURE: 'true', ...given })
    expect(await isHealthy(server.port, given)).toBe(true)
    expect(server.complaints()).toBe('')
    // The certificate may come by a flag, of which the check knows nothing.
    expect(await isHealthy(server.port)).toBe(true)
  })

  test('its commands are there by name', () => {
    expect(image.user).toBe('node')
    const { version } = JSON.parse(readFileSync(join(workspace, 'packages/roomcast/package.json'), 'utf8'))
    expect(execFileSync('roomcast', ['--version'], { ...options({}), encoding: 'utf8' }).trim()).toBe(version)
  })

  test('its user can write nothing there', () => {
    if (user.uid === undefined) return
    const { stdout } = spawnSync('find', ['.', '-writable', '!', '-type', 'l'], { ...options({}), encoding: 'utf8' })
    expect(stdout).toBe('')
  })
})

/** As the image says, and as Docker would: no variable but its own and these. */
function options(env: Record<string, string>) {
  return { cwd: image.cwd, env: { ...image.env, ...env }, ...user }
}

function start(env: Record<string, string>) {
  const [command, ...args] = listOf('ENTRYPOINT')
  // What comes after the image's name in `docker run` is appended, too; the last flag holds. No fixed ports in tests.
  const child = spawn(command!, [...args, '--port', '0'], { ...options(env), stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  const said = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => (said.stdout += chunk))
  child.stderr.on('data', (chunk) => (said.stderr += chunk))
  return { child, output: () => said.stdout, complaints: () => said.stderr }
}

async function listening(env: Record<string, string>) {
  const started = start(env)
  await eventually(() => /:\d+\//.test(started.output()) || started.child.exitCode !== null, 'its start', 15_000)
  expect(started.complaints()).toBe('')
  return { ...started, port: Number(/:(\d+)\//.exec(started.output())![1]) }
}

/** What HEALTHCHECK says, asked of this port. */
async function isHealthy(port: number, env: Record<string, string> = {}): Promise<boolean> {
  const [command, ...args] = listOf('HEALTHCHECK').map((word) => word.replace('4545', `${port}`))
  expect(args.join(' ')).toContain(`${port}`)
  const [code] = await once(spawn(command!, args, { ...options(env), stdio: 'ignore' }), 'exit')
  return code === 0
}

/** The folders of all packages that are found from one in turn. */
function neededBy(folder: string, found = new Set<string>()): Set<string> {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, object | undefined>
  const { dependencies, optionalDependencies, peerDependencies } = manifest
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
    const at = installed(name, folder)
    if (at === undefined || found.has(at)) continue
    found.add(at)
    neededBy(at, found)
  }
  return found
}

/** Where node would find it from a folder. */
function installed(name: string, from: string): string | undefined {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name)
    if (existsSync(join(candidate, 'package.json'))) return realpathSync(candidate)
  }
  return undefined
}
