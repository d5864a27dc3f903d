// What a registry shows of each package, and whom it lets install it: the manifests agree with each other and with the
// repository, and every dependency runs on every Node that ours name.

import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { satisfies } from 'semver'
import { describe, expect, test } from 'vitest'
import { readPage } from '../docs/markdown.ts'

const workspace = fileURLToPath(new URL('../..', import.meta.url))
const PACKAGES = readdirSync(join(workspace, 'packages'))
/** The first version of each line that ours say they run on. */
const NODES = ['20.19.0', '22.0.0', '24.0.0', '26.0.0']

interface Manifest {
  name: string
  version: string
  description?: string
  homepage?: string
  bugs?: { url: string }
  repository?: { type: string; url: string; directory?: string }
  keywords?: string[]
  license?: string
  engines?: { node?: string }
  files?: string[]
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
  peerDependenciesMeta?: Record<string, { optional?: boolean }>
}

function manifestIn(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
}

const folderOf = (name: string): string => join(workspace, 'packages', name)
/** The one place that says where the repository is. */
const root = manifestIn(workspace)
const repository = root.repository!.url.replace(/^git\+|\.git$/g, '')

describe.each(PACKAGES)('%s', (name) => {
  const manifest = manifestIn(folderOf(name))

  test('says where it comes from, as all do', () => {
    expect(manifest.repository).toEqual({ ...root.repository, directory: `packages/${name}` })
    expect(manifest.homepage).toBe(`${repository}/tree/main/packages/${name}#readme`)
    expect(manifest.bugs).toEqual({ url: `${repository}/issues` })
    expect([manifest.license, manifest.engines]).toEqual([root.license, root.engines])
  })

  test('can be found: a sentence, and words that are not said twice', () => {
    expect(manifest.description).toMatch(/^[A-Z].{20,120}[^.]$/)
    expect(manifest.keywords).toContain('websocket')
    expect(new Set(manifest.keywords).size).toBe(manifest.keywords!.length)
  })

  test('has the version of the newest section of the CHANGELOG, and a part of its own in it', () => {
    const [, version, body] = /^## (\d+\.\d+\.\d+(?:-[\w.]+)?)[^\n]*\n(.*?)(?=^## |$(?![\s\S]))/ms.exec(
      readFileSync(join(workspace, 'CHANGELOG.md'), 'utf8'),
    )!
    expect(manifest.version).toBe(version)
    expect(body).toContain(`\n### ${manifest.name}\n`)
  })

  test('its README begins with what it is and how it is installed, with what it wants beside it', () => {
    const readme = readFileSync(join(folderOf(name), 'README.md'), 'utf8')
    const install = ['npm install', manifest.name, ...Object.keys(manifest.peerDependencies ?? {})].join(' ')
    const [title, , code] = readme.split('\n\n')
    expect([title, code]).toEqual([`# ${manifest.name}`, `\`\`\`sh\n${install}\n\`\`\``])
  })

  test('links of its README lead somewhere, on GitHub and on npm', () => {
    // npm resolves them as GitHub does, from `repository.directory`, at the newest commit.
    const tree = `${repository}/blob/HEAD/`
    const { links } = readPage(`packages/${name}/README.md`)
    const lost = links.filter(({ target }) => {
      const { href } = new URL(target, `${tree}${manifest.repository!.directory}/README.md`)
      if (!href.startsWith(tree)) return !href.startsWith('https://')
      const [path, anchor] = href.slice(tree.length).split('#') as [string, string?]
      const file = join(workspace, decodeURIComponent(path))
      if (!existsSync(file)) return true
      return anchor !== undefined && !readPage(decodeURIComponent(path)).anchors.has(decodeURIComponent(anchor))
    })
    expect(lost).toEqual([])
  })

  test(`what it needs runs on Node ${NODES.join(', ')}`, () => {
    const needed = neededBy(folderOf(name))
    expect(needed.map((each) => each.name)).toEqual(expect.arrayContaining(Object.keys(manifest.dependencies ?? {})))
    const refused = needed.flatMap(({ name, version, engines }) =>
      NODES.filter((node) => engines?.node !== undefined && !satisfies(node, engines.node)).map(
        (node) => `${name}@${version} wants ${engines!.node}, not ${node}`,
      ),
    )
    expect(refused).toEqual([])
  })
})

test('the four lines of Node are those that our own engines let in', () => {
  expect(NODES.filter((node) => !satisfies(node, root.engines!.node!))).toEqual([])
})

/** Every package that is installed with it, as installed here, without itself. */
function neededBy(folder: string, found = new Map<string, Manifest>()): Manifest[] {
  const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = manifestIn(folder)
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
    const at = installed(name, folder)
    if (at === undefined) {
      const mayLack = optionalDependencies?.[name] !== undefined || peerDependenciesMeta?.[name]?.optional
      if (!mayLack) throw new Error(`${name} of ${folder} is not installed`)
    } else if (!found.has(at)) {
      found.set(at, manifestIn(at))
      neededBy(at, found)
    }
  }
  return [...found.values()]
}

/** Where node would find it from a folder. */
function installed(name: string, from: string): string | undefined {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name)
    if (existsSync(join(candidate, 'package.json'))) return realpathSync(candidate)
  }
  return undefined
}
