// Installed as a user would: every package is packed, the tarballs are installed into an empty directory with npm, and
// programs in ESM, CommonJS and TypeScript are run there. Nothing of the workspace is in reach of them.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, sep } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'

const run = promisify(execFile)
const workspace = fileURLToPath(new URL('../..', import.meta.url))
const PACKAGES = {
  '@roomcast/core': 'core',
  '@roomcast/channels': 'channels',
  '@roomcast/rooms': 'rooms',
  '@roomcast/centrifuge': 'centrifuge',
  '@roomcast/redis-bridge': 'redis-bridge',
  roomcast: 'roomcast',
}
const INSTALL_TIMEOUT_MS = 120_000
/** The largest is under 300 KiB. What grows past this carries something by accident. */
const MAX_PACKED_BYTES = 400 * 1024

let home: string

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'roomcast-pack-'))
  await mkdir(`${home}/app`)
  for (const folder of Object.values(PACKAGES)) {
    const from = join(workspace, 'packages', folder)
    await run('npx', ['--yes', 'pnpm@12', 'pack', '--pack-destination', home], { cwd: from })
  }
  const tarballs = (await readdir(home)).filter((file) => file.endsWith('.tgz')).map((file) => join(home, file))
  expect(tarballs).toHaveLength(Object.keys(PACKAGES).length)
  await writeFile(`${home}/app/package.json`, '{ "private": true }')
  await run('npm', ['install', '--no-audit', '--no-fund', ...tarballs], { cwd: `${home}/app` })
}, INSTALL_TIMEOUT_MS)

afterAll(() => rm(home, { recursive: true, force: true }))

/** Text goes to the room, bytes back to the sender. The same lines are valid JavaScript and TypeScript. */
const PROGRAM = `
const channels = createChannels()
const server = createServer({
  port: 0,
  handler: {
    init: () => ({ said: 0 }),
    opened: (socket) => channels.join('lobby', socket),
    message(socket, data, opcode) {
      if (opcode === 'binary') return socket.write(data)
      socket.state.said += 1
      return channels.broadcast('lobby', [data, ' ' + socket.state.said], { opcode: 'text' })
    },
  },
})
server.listen().then(({ port }) => console.log(port))
`
const ROOMS_PROGRAM = `
const codec = {
  body: (publication: Publication) => String(publication.data),
  push: (_room: string, body: string) => txt(body),
  join: (_room: string, info: ClientInfo) => txt(info.client),
  leave: (_room: string, info: ClientInfo) => txt(info.client),
  unsubscribed: () => txt('out'),
} satisfies Codec<string>
const rooms = createRooms({ store: memoryStore(), options: () => ({ history: { size: 10, ttlMs: 60_000 } }) })
rooms.publish('r', codec.body.name).then(({ offset }) => rooms.history('r', { since: { offset: offset - 1 } }))
`
const ROOMS_IMPORTS = `import { txt } from '@roomcast/core'
import { type ClientInfo, type Codec, createRooms, memoryStore, type Publication } from '@roomcast/rooms'\n`
const ESM_IMPORTS = `import { createServer } from '@roomcast/core'\nimport { createChannels } from '@roomcast/channels'\n`
const OTHER_IMPORTS = [
  '@roomcast/core/ws',
  'roomcast',
  '@roomcast/redis-bridge',
  '@roomcast/redis-bridge/publisher',
  '@roomcast/rooms',
  '@roomcast/centrifuge',
]
  .map((name) => `import '${name}'\n`)
  .join('')
const REQUIRES = ESM_IMPORTS.replaceAll('import', 'const').replace(/from ('[^']+')/g, '= require($1)')

test('ESM', async () => {
  await writeFile(`${home}/app/program.mjs`, ESM_IMPORTS + PROGRAM)
  await converse('program.mjs')
})

test('CommonJS', async () => {
  await writeFile(`${home}/app/program.cjs`, REQUIRES + PROGRAM)
  await converse('program.cjs')
})

test('TypeScript, without skipLibCheck and without a cast', async () => {
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2022',
    lib: ['es2023'],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    typeRoots: [join(workspace, 'node_modules/@types')],
    types: ['node'],
  }
  await writeFile(`${home}/app/tsconfig.json`, JSON.stringify({ compilerOptions, files: ['typed.mts'] }))
  await writeFile(`${home}/app/typed.mts`, `${ESM_IMPORTS}${OTHER_IMPORTS}${ROOMS_IMPORTS}${PROGRAM}${ROOMS_PROGRAM}`)
  const { stdout } = await run(process.execPath, [
    join(workspace, 'node_modules/typescript/bin/tsc'),
    '-p',
    `${home}/app`,
  ])
  expect(stdout).toBe('')
  await converse('typed.mjs')
})

test('the roomcast program', async () => {
  const { version } = await manifestOf('roomcast')
  const { stdout } = await run(`${home}/app/node_modules/.bin/roomcast`, ['--version'])
  expect(stdout.trim()).toBe(version)
})

test('the page comes with it, and the SDK that it runs on', async () => {
  const program = spawn(`${home}/app/node_modules/.bin/roomcast`, ['--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const [url] = /http:\S+/.exec(await firstLine(program)) ?? []
    for (const [path, sign] of [
      ['', '<!doctype html>'],
      ['app.js', "from './connection.js'"],
      ['style.css', ':root'],
      ['centrifuge.js', 'globalThis.Centrifuge'],
    ] as const) {
      const response = await fetch(new URL(path, url))
      expect([response.status, (await response.text()).includes(sign)], path).toEqual([200, true])
    }
  } finally {
    if (program.exitCode === null && program.kill()) await once(program, 'exit')
  }
})

test('core has no dependencies', async () => {
  const manifest = await manifestOf('@roomcast/core')
  for (const kind of ['dependencies', 'peerDependencies', 'optionalDependencies', 'bundledDependencies']) {
    expect(manifest[kind], kind).toBeUndefined()
  }
  expect(await readdir(`${home}/app/node_modules/@roomcast/core`)).not.toContain('node_modules')
})

/** What may be in a package, whatever it is called. `src` is there for the source maps. */
const PARTS = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/,
  /^dist\/[a-z\d/-]+\.(js|d\.ts)(\.map)?$/,
  /^src\/[a-z\d/-]+\.ts$/,
]
/** And what one has besides. */
const OWN_PARTS: Record<string, RegExp> = { roomcast: /^(page\/[a-z-]+\.(html|css|js|svg)|grafana\/roomcast\.json)$/ }

describe.each(Object.keys(PACKAGES))('%s', (name) => {
  const folder = (): string => `${home}/app/node_modules/${name}`
  const has = async (): Promise<string[]> =>
    (await readdir(folder(), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => relative(folder(), join(entry.parentPath, entry.name)).replaceAll(sep, '/'))

  test('its manifest is for those who install it', async () => {
    const manifest = await manifestOf(name)
    expect(JSON.stringify(manifest.exports)).not.toContain('@roomcast/source')
    expect(JSON.stringify(manifest)).not.toContain('workspace:')
    // Nothing runs where it is installed.
    expect(manifest.scripts ?? {}).toEqual({})
  })

  test('it carries what it needs and nothing else', async () => {
    const files = await has()
    const parts = [...PARTS, ...(OWN_PARTS[name] ? [OWN_PARTS[name]] : [])]
    expect(files.filter((file) => !parts.some((part) => part.test(file)))).toEqual([])
    expect(files.filter((file) => /\btests?\b|\bspec\b|\bfixtures?\b/.test(file))).toEqual([])
    for (const part of parts)
      expect(
        files.some((file) => part.test(file)),
        String(part),
      ).toBe(true)
    expect(files).toEqual(expect.arrayContaining(['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md']))
    for (const file of ['LICENSE', 'CHANGELOG.md']) {
      expect(await readFile(join(folder(), file), 'utf8')).toBe(await readFile(join(workspace, file), 'utf8'))
    }
  })

  test('every source is built, with its types and maps, and nothing is left of sources that went', async () => {
    const files = await has()
    const sources = files
      .filter((file) => file.startsWith('src/'))
      .map((file) => file.slice('src/'.length, -'.ts'.length))
    const built = sources.flatMap((source) =>
      ['.js', '.js.map', '.d.ts', '.d.ts.map'].map((end) => `dist/${source}${end}`),
    )
    expect(files.filter((file) => file.startsWith('dist/')).toSorted()).toEqual(built.toSorted())
  })

  test('what its exports and its bin name is there', async () => {
    const { exports, bin = {} } = (await manifestOf(name)) as {
      exports: Record<string, string | Record<string, string>>
      bin?: Record<string, string>
    }
    const named = [...Object.values(exports), bin].flatMap((entry) =>
      typeof entry === 'string' ? entry : Object.values(entry),
    )
    const files = await has()
    expect(named.filter((path) => !files.includes(path.replace(/^\.\//, '')))).toEqual([])
    for (const [path, entry] of Object.entries(exports)) {
      if (typeof entry !== 'string') expect(Object.keys(entry), path).toEqual(['types', 'default'])
    }
  })

  test('its size', async () => {
    const files = await has()
    const sizes = await Promise.all(files.map(async (file) => (await stat(join(folder(), file))).size))
    const tarball = (await readdir(home)).find((file) =>
      file.startsWith(`${name.replace('@', '').replace('/', '-')}-0`),
    )!
    const kib = (bytes: number): string => `${Math.ceil(bytes / 1024)} KiB`
    const packed = (await stat(join(home, tarball))).size
    const unpacked = sizes.reduce((sum, size) => sum + size, 0)
    console.log(`${name}: ${kib(packed)} packed, ${kib(unpacked)} unpacked, ${files.length} files`)
    expect(packed).toBeLessThan(MAX_PACKED_BYTES)
  })
})

async function manifestOf(name: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(`${home}/app/node_modules/${name}/package.json`, 'utf8'))
}

/** Runs a program and talks to it: an echo, and a room of two. */
async function converse(file: string): Promise<void> {
  const program = spawn(process.execPath, [file], { cwd: `${home}/app`, stdio: ['ignore', 'pipe', 'inherit'] })
  const clients: WebSocket[] = []
  try {
    const url = `ws://localhost:${await firstLine(program)}`
    clients.push(await connect(url), await connect(url))
    const [one, two] = clients as [WebSocket, WebSocket]
    one.send(Buffer.from('echo'))
    expect(await message(one)).toEqual('binary echo')
    const heard = [message(one), message(two)]
    one.send('hello')
    expect(await Promise.all(heard)).toEqual(['text hello 1', 'text hello 1'])
  } finally {
    for (const client of clients) client.terminate()
    if (program.exitCode === null && program.kill()) await once(program, 'exit')
  }
}

async function connect(url: string): Promise<WebSocket> {
  const client = new WebSocket(url)
  await once(client, 'open')
  return client
}

async function message(client: WebSocket): Promise<string> {
  const [data, isBinary] = await once(client, 'message')
  return `${isBinary ? 'binary' : 'text'} ${data}`
}

async function firstLine(program: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: program.stdout! })) return line
  throw new Error('the program ended before it printed its port')
}
