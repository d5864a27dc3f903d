// Every sample in the guides and READMEs works: each fenced block is in one class (classes.ts), and programs are type-checked
// and run, commands run, configurations checked, page by page (story.ts). So what somebody copies from a page works.

import { existsSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse as parseYaml } from 'yaml'
import { settle } from '../../packages/roomcast/src/options.ts'
import { readSettings } from '../../packages/roomcast/src/settings.ts'
import { missing } from '../support/missing.ts'
import { anyRedis } from '../support/redis.ts'
import { findRedis } from '../support/redis-binary.ts'
import { classOf, commandsOf, fateOf, nameOf } from './classes.ts'
import { type Compiled, compile } from './compile.ts'
import { type Block, markdownFiles, parse, ROOT, readPage } from './markdown.ts'
import { runStory } from './story.ts'
import { CHROMIUM, talkInTwoBrowsers } from './two-browsers.ts'

const all = markdownFiles().map((file) => readPage(file))
const blocks = all.flatMap((page) => page.blocks)
/** Pages whose programs and commands are run. The others are about this repository, and name commands of it only. */
const told = all.filter(({ file }) => /^(?:docs\/[^/]+|README|packages\/[^/]+\/README)\.md$/.test(file))
const of = (kind: string): Block[] => blocks.filter((block) => classOf(block) === kind)
const where = ({ file, line }: Block): string => `${file}:${line}`

const hasRedis = (await findRedis()) !== undefined
const needsRedis = (text: string): boolean => /redis:\/\/localhost:6379|REDIS_URL/.test(text)
missing(!hasRedis, 'NO REDIS FOUND: samples that need one are NOT run')
missing(CHROMIUM === undefined, 'NO CHROMIUM FOUND: the page of the first guide is NOT opened')

let redis: Awaited<ReturnType<typeof anyRedis>> | undefined
let compiled: Compiled

beforeAll(async () => {
  if (!existsSync(`${ROOT}packages/roomcast/dist/cli.js`)) {
    throw new Error('the packages are not built: run `npx --yes pnpm@12 build` first')
  }
  const toldBlocks = told.flatMap((page) => page.blocks)
  ;[redis, compiled] = await Promise.all([hasRedis ? anyRedis() : undefined, compile(toldBlocks)])
})

afterAll(async () => {
  compiled?.remove()
  await redis?.stop()
})

test('every block is in a class', () => {
  expect(blocks.length).toBeGreaterThan(100)
  expect(blocks.filter((block) => classOf(block) === undefined).map(where)).toEqual([])
})

test('every command is run, or is one of another place', () => {
  const strange = all.flatMap((page) => {
    const names = page.blocks.map((block) => nameOf(block) ?? '')
    const shells = page.blocks.filter((block) => classOf(block) === 'shell')
    const commands = shells.flatMap((block) => commandsOf(block))
    return commands
      .filter((command) => fateOf(command, names) === undefined)
      .map(({ text, line }) => `${page.file}:${line}: ${text}`)
  })
  expect(strange).toEqual([])
})

test('programs and fragments are right in their types', () => {
  expect(compiled.complaints).toEqual([])
})

describe('configurations', () => {
  test.each(of('config').map((block) => [where(block), block] as const))('%s is one of this server', (_, block) => {
    const settings = readSettings(['check-config', 'it'], {}, () => block.text)
    if (settings.kind !== 'check-config') throw new Error('message' in settings ? settings.message : settings.kind)
    expect(() => settle(settings.options)).not.toThrow()
    expect(settings.warnings).toEqual([])
  })
})

test('data can be parsed', () => {
  for (const block of of('data')) {
    const read: (text: string) => unknown = block.language === 'json' ? JSON.parse : (text) => parseYaml(text)
    expect(() => read(block.text), where(block)).not.toThrow()
  }
})

const stories = told.filter((page) => page.blocks.some((block) => ['program', 'shell'].includes(classOf(block) ?? '')))

describe.each(stories.map((page) => [page.file, page] as const))('%s', (_, page) => {
  const lacks = needsRedis(page.text) && !hasRedis
  test.skipIf(lacks)(
    'its samples run, one after the other, and print what it says',
    async () => {
      const isFirst = page.file === 'docs/getting-started.md' && CHROMIUM !== undefined
      await runStory(page, compiled, { redisUrl: redis?.url, visit: isFirst ? talkInTwoBrowsers : undefined })
    },
    60_000,
  )
})

test('the only page is the one that is opened', () => {
  expect(of('page').map(({ file }) => file)).toEqual(['docs/getting-started.md'])
})

test('the only component is the one that is opened', () => {
  expect(of('component').map(({ file }) => file)).toEqual(['docs/react.md'])
})

describe('the rules of the test itself', () => {
  const one = (info: string, text = '') => parse('x.md', `\`\`\`${info}\n${text}\n\`\`\`\n`).blocks[0]!

  test('a block that nobody knows what to do with is in no class', () => {
    for (const info of ['rust', 'ts norun', 'sh later', 'json5']) expect(classOf(one(info)), info).toBeUndefined()
    expect(classOf(one('ts fragment'))).toBe('fragment')
    expect(classOf(one('js server.js'))).toBe('program')
  })

  test('a comment below a command is what it prints, others are not', () => {
    const shell = one('sh', '# first\ncurl a \\\n  b   # so\n# {"result":{}}\n\n# then\ncurl c')
    expect(commandsOf(shell).map(({ text, prints }) => [text, prints])).toEqual([
      ['curl a \\\n  b', ['{"result":{}}']],
      ['curl c', []],
    ])
  })

  test('a command that is of no known place has no fate', () => {
    const fate = (text: string) => fateOf({ text, line: 1, prints: [] }, ['server.js'])
    expect(fate('rm -rf x')).toBeUndefined()
    expect(fate('npx --yes pnpm@12 nothing')).toBeUndefined()
    expect(fate('node examples/dist/nothing.js')).toBeUndefined()
    expect(fate('node other.js')).toBeUndefined()
    expect(fate('node server.js')).toBe('elsewhere')
    expect(fate('REDIS_URL=redis://x npx roomcast --port 1')).toBe('start')
    expect(fate('npx roomcast check-config x')).toBe('run')
  })

  test('a file that a page starts is there, and this folder compiles what it says', () => {
    expect(readFileSync(`${ROOT}test/docs/fragments.d.ts`, 'utf8')).toContain('declare global')
  })
})
