// The workflow that publishes, as rules: what it may, what runs before it, and that its own lines of shell do what they say.
// npm is a script here that writes down what it is asked.

import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { run, scriptOf, source, workflow } from '../support/release-workflow.ts'

const workspace = fileURLToPath(new URL('../..', import.meta.url))
const { check, publish } = workflow.jobs

const homes: string[] = []
afterAll(() => {
  for (const home of homes) rmSync(home, { recursive: true, force: true })
})

/** The manifests of the packages, by name. */
const manifests = Object.fromEntries(
  readdirSync(join(workspace, 'packages')).map((folder) => {
    const manifest = JSON.parse(readFileSync(join(workspace, 'packages', folder, 'package.json'), 'utf8'))
    return [manifest.name as string, manifest as { version: string; dependencies?: Record<string, string> }]
  }),
)

describe('release.yml', () => {
  test('runs for tags of a version alone, and may nothing by default', () => {
    expect(workflow.on).toEqual({ push: { tags: ['v*.*.*'] } })
    expect(workflow.permissions).toEqual({})
    expect(source).not.toMatch(/secrets\.|NODE_AUTH_TOKEN|NPM_TOKEN/)
  })

  test('every action is one commit, and says which version that is', () => {
    const uses = source.match(/^.*\buses:.*$/gm)!
    expect(uses.length).toBe([...check.steps, ...publish.steps].filter((step) => step.uses).length)
    expect(uses.filter((line) => !/uses: actions\/[a-z-]+@[\da-f]{40} # v\d+\.\d+\.\d+$/.test(line))).toEqual([])
  })

  test('what is published was tested first, by all that CI runs, where nothing can be published', () => {
    expect(publish.needs).toBe('check')
    expect(check.permissions).toEqual({ contents: 'read' })
    const order = ['The tag', '.ci/run', 'pack --pack-destination', 'upload-artifact']
    const at = order.map((sign) =>
      check.steps.findIndex(({ name, run, uses }) => `${name}\n${run}\n${uses}`.includes(sign)),
    )
    expect(at).toEqual(at.toSorted((a, b) => a - b))
    expect(at).not.toContain(-1)
  })

  test('what may publish runs npm and nothing of ours', () => {
    expect(publish.permissions).toEqual({ 'id-token': 'write' })
    expect(publish.environment).toBe('npm')
    expect(publish.steps.filter(({ uses }) => uses?.includes('checkout'))).toEqual([])
    const lines = publish.steps.flatMap(({ run }) => run ?? [])
    expect(lines.join('\n')).not.toMatch(/npx|pnpm|install/)
  })

  test('a tag that is not the version of every package, or not in the CHANGELOG, ends it', async () => {
    const home = mkdtempSync(join(tmpdir(), 'roomcast-release-'))
    homes.push(home)
    const judge = async (versions: string[], heading: string): Promise<unknown> => {
      for (const [i, version] of versions.entries()) {
        mkdirSync(join(home, `packages/${i}`), { recursive: true })
        writeFileSync(join(home, `packages/${i}/package.json`), JSON.stringify({ version }))
      }
      writeFileSync(join(home, 'CHANGELOG.md'), `# Changelog\n\n## ${heading}\n\n## 1.2.2\n`)
      const { status, stdout } = await run(scriptOf(check, 'The tag'), home, { GITHUB_REF_NAME: 'v1.2.3' })
      return [status, stdout.trim()]
    }
    expect(await judge(['1.2.3', '1.2.3'], '1.2.3, 2027-01-02')).toEqual([0, '## 1.2.3, 2027-01-02'])
    expect(await judge(['1.2.3', '1.2.3'], '1.2.3')).toEqual([0, '## 1.2.3'])
    expect(await judge(['1.2.3', '1.2.2'], '1.2.3')).toEqual([
      1,
      'packages/1/package.json has 1.2.2, the tag is v1.2.3',
    ])
    for (const heading of ['1.2.3, unreleased', '1.2.30', '1.2.4']) {
      expect(await judge(['1.2.3', '1.2.3'], heading)).toEqual([1, expect.stringContaining('no section for 1.2.3')])
    }
  })

  test('a draft is published as one', async () => {
    const published = (await publishWith('1.2.3-rc.1', 'roomcast')).filter((line) => line.startsWith('publish'))
    expect(published).toHaveLength(Object.keys(manifests).length - 1)
    for (const line of published) expect(line).toMatch(/-1\.2\.3-rc\.1\.tgz --provenance --access public --tag next$/)
  })

  test('each package is published once, with provenance, after what it needs', async () => {
    const { version } = manifests.roomcast!
    const asked = await publishWith(version, '@roomcast/channels')
    expect(asked.filter((line) => line.startsWith('view'))).toHaveLength(Object.keys(manifests).length)
    const published = asked.filter((line) => line.startsWith('publish')).map((line) => line.split(' '))
    const names = published.map(([, file]) =>
      Object.keys(manifests).find(
        (name) => file === `./tarballs/${name.replace('@', '').replace('/', '-')}-${version}.tgz`,
      ),
    )
    expect(names.toSorted()).toEqual(
      Object.keys(manifests)
        .filter((name) => name !== '@roomcast/channels')
        .toSorted(),
    )
    for (const [, , ...flags] of published) expect(flags).toEqual(['--provenance', '--access', 'public'])
    for (const [i, name] of names.entries()) {
      const needs = Object.keys(manifests[name!]!.dependencies ?? {}).filter((each) => names.includes(each))
      expect(
        needs.filter((each) => names.indexOf(each) > i),
        name,
      ).toEqual([])
    }
  })
})

/** Runs the last step with an npm that knows one package already, and returns what it was asked. */
async function publishWith(version: string, known: string): Promise<string[]> {
  const home = mkdtempSync(join(tmpdir(), 'roomcast-release-'))
  homes.push(home)
  writeFileSync(
    join(home, 'npm'),
    `#!/bin/sh\necho "$@" >> "${home}/asked"\n[ "$1 $2" != "view ${known}@${version}" ] || echo ${version}\n[ "$1" = publish ] || [ "$2" = "${known}@${version}" ]\n`,
  )
  chmodSync(join(home, 'npm'), 0o755)
  const env = { PATH: `${home}${delimiter}${process.env.PATH}`, GITHUB_REF_NAME: `v${version}` }
  const { status, stderr } = await run(scriptOf(publish, 'Publish'), home, env)
  expect([status, stderr]).toEqual([0, ''])
  return readFileSync(join(home, 'asked'), 'utf8').trimEnd().split('\n')
}
