// A release against a real registry on this machine: the steps of release.yml, by their own scripts, check, pack and publish a
// copy of the packages, and each package is installed from there alone, as somebody does who has nothing of ours yet.

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { missing } from '../support/missing.ts'
import { hasRegistry, type Registry, startRegistry } from '../support/registry.ts'
import { run, scriptOf, workflow } from '../support/release-workflow.ts'

missing(!hasRegistry, 'NO VERDACCIO FOUND: a release is NOT tried. The step clients of .ci/run installs it.')

const exec = promisify(execFile)
const workspace = fileURLToPath(new URL('../..', import.meta.url))
const { check, publish } = workflow.jobs
/** In the order in which they are published. */
const NAMES = [
  '@roomcast/core',
  '@roomcast/channels',
  '@roomcast/rooms',
  '@roomcast/centrifuge',
  '@roomcast/redis-bridge',
  'roomcast',
]
const folderOf = (name: string): string => name.replace('@roomcast/', '')
const VERSION = '7.0.0'
const DRAFT = '7.1.0-rc.1'
const TIMEOUT_MS = 120_000

/** Other tests write into the packages meanwhile: what packing adds, and copies of sources under names with a dot. */
const isLasting = (path: string): boolean => !/[/\\](?:CHANGELOG\.md|\.without-[^/\\]*)$/.test(path)

/** What a registry tells of a package. */
interface Packument {
  'dist-tags': Record<string, string>
  versions: Record<string, { dependencies?: Record<string, string> }>
}

describe.skipIf(!hasRegistry)('a release', { timeout: TIMEOUT_MS }, () => {
  let home: string
  let registry: Registry
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'roomcast-release-'))
    registry = await startRegistry(join(home, 'registry'))
  })
  afterAll(async () => {
    await registry?.stop()
    rmSync(home, { recursive: true, force: true })
  })

  /** A copy of what is packed, as if it had been checked out at the commit of this version. */
  function checkout(version: string): string {
    const folder = join(home, `checkout-${version}`)
    mkdirSync(folder)
    symlinkSync(join(workspace, 'node_modules'), join(folder, 'node_modules'))
    for (const name of ['packages', 'package.json', 'pnpm-workspace.yaml', 'pnpm-lock.yaml', 'LICENSE']) {
      cpSync(join(workspace, name), join(folder, name), { recursive: true, verbatimSymlinks: true, filter: isLasting })
    }
    for (const name of NAMES) {
      const file = join(folder, 'packages', folderOf(name), 'package.json')
      writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), version }))
    }
    const changes = readFileSync(join(workspace, 'CHANGELOG.md'), 'utf8')
    writeFileSync(join(folder, 'CHANGELOG.md'), changes.replace(/^## .*$/m, `## ${version}, 2027-01-02`))
    return folder
  }

  /** Packs a version, and hands the tarballs on as the two actions for artifacts do.
   * @returns the folder in which it is published. */
  async function packed(version: string): Promise<string> {
    const from = checkout(version)
    const { status, stderr } = await run(scriptOf(check, 'Pack'), from, {})
    expect([status, stderr]).toEqual([0, expect.any(String)])
    const folder = join(home, `publish-${version}`)
    mkdirSync(folder)
    renameSync(join(from, 'tarballs'), join(folder, 'tarballs'))
    return folder
  }

  /** The step itself, but for provenance, which only the runner of a public repository can prove. */
  function publishFrom(folder: string, version: string) {
    const script = scriptOf(publish, 'Publish')
    expect(script.match(/ --provenance\b/g)).toHaveLength(1)
    const env = { ...registry.env, GITHUB_REF_NAME: `v${version}` }
    return run(script.replace(' --provenance', ''), folder, env)
  }

  const known = async (name: string): Promise<Packument | undefined> => {
    const response = await fetch(registry.url + name.replace('/', '%2f'))
    return response.ok ? ((await response.json()) as Packument) : undefined
  }
  const knownOf = (names: string[]) => Promise.all(names.map(known))

  test('the check lets the tag of the version pass, with a date in the CHANGELOG, and nothing else', async () => {
    const folder = checkout('6.0.0')
    const judge = async (tag: string): Promise<unknown> => {
      const { status, stdout } = await run(scriptOf(check, 'The tag'), folder, { GITHUB_REF_NAME: tag })
      return [status, stdout.trim()]
    }
    expect(await judge('v6.0.0')).toEqual([0, '## 6.0.0, 2027-01-02'])
    expect(await judge('v6.0.1')).toEqual([1, 'packages/centrifuge/package.json has 6.0.0, the tag is v6.0.1'])
    const file = join(folder, 'CHANGELOG.md')
    writeFileSync(file, readFileSync(file, 'utf8').replace('2027-01-02', 'unreleased'))
    expect(await judge('v6.0.0')).toEqual([1, 'CHANGELOG.md has no section for 6.0.0, or it says unreleased'])
  })

  test('one that broke off is finished by the next run, and a third run does nothing', async () => {
    expect(await knownOf(NAMES)).toEqual(NAMES.map(() => undefined))
    const folder = await packed(VERSION)
    const tarballs = join(folder, 'tarballs')
    expect(readdirSync(tarballs).toSorted()).toEqual(
      NAMES.map((name) => `${name.replace('@', '').replace('/', '-')}-${VERSION}.tgz`).toSorted(),
    )
    const lost = `roomcast-centrifuge-${VERSION}.tgz`
    renameSync(join(tarballs, lost), join(home, lost))
    expect((await publishFrom(folder, VERSION)).status).not.toBe(0)
    const there = (await knownOf(NAMES)).map((each) => each !== undefined)
    expect(there).toEqual([true, true, true, false, false, false])

    renameSync(join(home, lost), join(tarballs, lost))
    const second = await publishFrom(folder, VERSION)
    expect([second.status, second.stdout.match(/^.* is there$/gm)]).toEqual([
      0,
      NAMES.slice(0, 3).map((name) => `${name}@${VERSION} is there`),
    ])
    const all = await knownOf(NAMES)
    for (const each of all) expect(each!['dist-tags']).toEqual({ latest: VERSION })
    expect(all.at(-1)!.versions[VERSION]!.dependencies).toMatchObject({ '@roomcast/core': `^${VERSION}` })

    const third = await publishFrom(folder, VERSION)
    expect([third.status, third.stdout]).toEqual([0, NAMES.map((name) => `${name}@${VERSION} is there\n`).join('')])
    expect(await knownOf(NAMES)).toEqual(all)
  })

  test('a version that is a draft goes out under a tag of its own, and nobody gets it unasked', async () => {
    const { status, stderr } = await publishFrom(await packed(DRAFT), DRAFT)
    expect([status, stderr]).toEqual([0, expect.any(String)])
    for (const each of await knownOf(NAMES)) expect(each!['dist-tags']).toEqual({ latest: VERSION, next: DRAFT })
  })

  describe.each(NAMES)('%s, installed alone', (name) => {
    let app: string
    beforeAll(async () => {
      app = join(home, `app-${folderOf(name)}`)
      mkdirSync(app)
      await exec('npm', ['install', '--no-audit', '--no-fund', name], options(app))
    }, TIMEOUT_MS)

    test('nothing that it needs is missing, and nothing runs where it is installed', async () => {
      const { stdout } = await exec('npm', ['ls', '--all', '--json'], options(app))
      const tree = JSON.parse(stdout) as { problems?: string[]; dependencies: Record<string, { version: string }> }
      expect(tree.problems).toBeUndefined()
      expect(tree.dependencies[name]!.version).toBe(VERSION)
      const lock = JSON.parse(readFileSync(join(app, 'package-lock.json'), 'utf8')) as {
        packages: Record<string, { hasInstallScript?: boolean }>
      }
      const scripts = Object.entries(lock.packages).filter(([, { hasInstallScript }]) => hasInstallScript)
      // It only looks at who asked for which version.
      expect(scripts.map(([path]) => path).filter((path) => path !== 'node_modules/protobufjs')).toEqual([])
    })

    test('it has what it was packed with, and the README of the repository', () => {
      const folder = join(app, 'node_modules', name)
      const strays = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
        /(?:^|\/)(?:\.|tests?\b|tsconfig|node_modules)|\.test\.|\.tsbuildinfo$/.test(path),
      )
      expect(strays).toEqual([])
      // Whose links test/packages/manifests.test.ts follows.
      const readme = join('packages', folderOf(name), 'README.md')
      expect(readFileSync(join(folder, 'README.md'), 'utf8')).toBe(readFileSync(join(workspace, readme), 'utf8'))
    })

    test('every entry point is imported, required and typed', async () => {
      const { exports } = JSON.parse(readFileSync(join(app, 'node_modules', name, 'package.json'), 'utf8')) as {
        exports: Record<string, unknown>
      }
      const entries = Object.keys(exports)
        .filter((path) => !path.endsWith('.json'))
        .map((path) => name + path.slice(1))
      const asked = `for (const name of ${JSON.stringify(entries)}) if (Object.keys(await import(name)).length === 0) throw name`
      await exec(process.execPath, ['--input-type=module', '-e', asked], options(app))
      const required = entries.map((entry) => `require('${entry}')`).join(';')
      await exec(process.execPath, ['--input-type=commonjs', '-e', required], options(app))
      const imports = entries.map(
        (entry, i) =>
          `import * as entry${i} from '${entry}'\nexport const names${i}: (keyof typeof entry${i})[] = []\n`,
      )
      writeFileSync(join(app, 'typed.mts'), imports.join(''))
      const compilerOptions = {
        module: 'nodenext',
        target: 'es2022',
        strict: true,
        skipLibCheck: false,
        noEmit: true,
        typeRoots: [join(workspace, 'node_modules/@types')],
        types: ['node'],
      }
      writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['typed.mts'] }))
      const tsc = join(workspace, 'node_modules/typescript/bin/tsc')
      const { stdout } = await exec(process.execPath, [tsc, '-p', app], options(app)).catch((error) => error)
      expect(stdout).toBe('')
    })
  })

  test('npx runs the program where nothing is installed, and it serves', async () => {
    const folder = join(home, 'nothing')
    mkdirSync(folder)
    const npx = (...args: string[]) => exec('npx', ['--yes', 'roomcast', ...args], options(folder))
    expect((await npx('--version')).stdout.trim()).toBe(VERSION)
    writeFileSync(join(folder, 'roomcast.json'), '{ "client": { "insecure": true } }')
    expect((await npx('check-config', 'roomcast.json')).stderr).toBe('')
    writeFileSync(join(folder, 'wrong.json'), '{ "client": { "insecure": 7 } }')
    expect(await npx('check-config', 'wrong.json').catch((error) => error.code)).toBe(2)

    // npx does not pass a signal on: the group of both gets it.
    const program = spawn('npx', ['--yes', 'roomcast', '--port', '0'], {
      ...options(folder),
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    try {
      const [line] = (await once(createInterface({ input: program.stdout! }), 'line')) as [string]
      const response = await fetch(new URL('healthz', /http:\S+/.exec(line)![0]))
      expect(await response.json()).toEqual({ status: 'alive' })
    } finally {
      process.kill(-program.pid!, 'SIGTERM')
      await once(program, 'exit')
    }
  })

  function options(cwd: string) {
    return { cwd, env: { ...process.env, ...registry.env } }
  }
})
