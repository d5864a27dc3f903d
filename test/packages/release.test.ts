// The workflow that publishes, as rules: what it may, what runs before it, and that its own lines of shell do what they say.
// npm is a script here that writes down what it is asked.

import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'

const workspace = fileURLToPath(new URL('../..', import.meta.url))
const text = readFileSync(join(workspace, '.github/workflows/release.yml'), 'utf8')

interface Step {
  name?: string
  uses?: string
  run?: string
  with?: Record<string, unknown>
}
interface Job {
  needs?: string
  environment?: string
  permissions?: Record<string, string>
  steps: Step[]
}
const workflow = parse(text) as { on: unknown; permissions: unknown; jobs: { check: Job; publish: Job } }
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

/** Runs the step whose name begins so, as a runner does. */
function run(job: Job, name: string, env: Record<string, string>, cwd = workspace) {
  const step = job.steps.find((each) => each.name?.startsWith(name))!
  return spawnSync('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', step.run!], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
}

describe('release.yml', () => {
  test('runs for tags of a version alone, and may nothing by default', () => {
    expect(workflow.on).toEqual({ push: { tags: ['v*.*.*'] } })
    expect(workflow.permissions).toEqual({})
    expect(text).not.toMatch(/secrets\.|NODE_AUTH_TOKEN|NPM_TOKEN/)
  })

  test('every action is one commit, and says which version that is', () => {
    const uses = text.match(/^.*\buses:.*$/gm)!
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

  test('a tag that is not the version of every package, or not in the CHANGELOG, ends it', () => {
    const home = mkdtempSync(join(tmpdir(), 'roomcast-release-'))
    homes.push(home)
    const judge = (versions: string[], heading: string): unknown => {
      for (const [i, version] of versions.entries()) {
        mkdirSync(join(home, `packages/${i}`), { recursive: true })
        writeFileSync(join(home, `packages/${i}/package.json`), JSON.stringify({ version }))
      }
      writeFileSync(join(home, 'CHANGELOG.md'), `# Changelog\n\n## ${heading}\n\n## 1.2.2\n`)
      const { status, stdout } = run(check, 'The tag', { GITHUB_REF_NAME: 'v1.2.3' }, home)
      return [status, stdout.trim()]
    }
    expect(judge(['1.2.3', '1.2.3'], '1.2.3, 2027-01-02')).toEqual([0, '## 1.2.3, 2027-01-02'])
    expect(judge(['1.2.3', '1.2.3'], '1.2.3')).toEqual([0, '## 1.2.3'])
    expect(judge(['1.2.3', '1.2.2'], '1.2.3')).toEqual([1, 'packages/1/package.json has 1.2.2, the tag is v1.2.3'])
    for (const heading of ['1.2.3, unreleased', '1.2.30', '1.2.4']) {
      expect(judge(['1.2.3', '1.2.3'], heading)).toEqual([1, expect.stringContaining('no section for 1.2.3')])
    }
  })

  test('each package is published once, with provenance, after what it needs', () => {
    const { version } = manifests.roomcast!
    const asked = publishWith(version, '@roomcast/channels')
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
function publishWith(version: string, known: string): string[] {
  const home = mkdtempSync(join(tmpdir(), 'roomcast-release-'))
  homes.push(home)
  writeFileSync(
    join(home, 'npm'),
    `#!/bin/sh\necho "$@" >> "${home}/asked"\n[ "$1 $2" != "view ${known}@${version}" ] || echo ${version}\n[ "$1" = publish ] || [ "$2" = "${known}@${version}" ]\n`,
  )
  chmodSync(join(home, 'npm'), 0o755)
  const env = { PATH: `${home}${delimiter}${process.env.PATH}`, GITHUB_REF_NAME: `v${version}` }
  const { status, stderr } = run(publish, 'Publish', env, home)
  expect([status, stderr]).toEqual([0, ''])
  return readFileSync(join(home, 'asked'), 'utf8').trimEnd().split('\n')
}
