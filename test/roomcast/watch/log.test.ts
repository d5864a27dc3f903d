// The program's log: its formats and levels, and a reader that has stopped reading.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { createLog } from '../../../packages/roomcast/src/watch/program-log.ts'
import { build, killAll, ROOT, start } from '../program.ts'

beforeAll(build)
afterEach(killAll)

test('pretty: what is said, for people; json: one object a line', () => {
  const lines: string[] = []
  const write = (line: string): void => void lines.push(line)
  createLog({ level: 'info', format: 'pretty' }, write).warn({ event: 'x', room: 'a\nb' }, 'gap in "a\\nb"')
  createLog({ level: 'info', format: 'json' }, write).error({ event: 'x', room: 'a\nb' }, 'no\nline')
  expect(lines[0]).toBe('roomcast: gap in "a\\nb"\n')
  expect(lines[1]).toMatch(/^[^\n]*\n$/)
  const { time, ...rest } = JSON.parse(lines[1]!) as Record<string, unknown>
  expect(rest).toEqual({ level: 'error', event: 'x', room: 'a\nb', msg: 'no\nline' })
  expect(new Date(time as string).toISOString()).toBe(time)
})

test.each([
  ['error', ['e']],
  ['warn', ['e', 'w']],
  ['info', ['e', 'w', 'i']],
] as const)('--log-level %s', (level, expected) => {
  const lines: string[] = []
  const log = createLog({ level, format: 'pretty' }, (line) => lines.push(line))
  log.error({}, 'e')
  log.warn({}, 'w')
  log.info({}, 'i')
  expect(lines).toEqual(expected.map((line) => `roomcast: ${line}\n`))
})

test('--log-format json: everything that the program says is an object a line', async () => {
  const server = await start(['--log-format', 'json'])
  const said = server.said
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(said.map(({ event }) => event)).toEqual(['listening', 'token'])
  expect(said[0]).toMatchObject({ level: 'info', port: server.port, msg: `open http://127.0.0.1:${server.port}/` })
  server.child.kill('SIGTERM')
  expect(await server.exit).toBe(0)
  expect(JSON.parse(await server.stderr)).toMatchObject({ level: 'warn', event: 'draining', signal: 'SIGTERM' })
})

test('a reader that has stopped: the program goes on, keeps a bounded amount, and tells how much is missing', async () => {
  const script = `
    import { complain, surviveLostReaders } from './packages/roomcast/dist/output.js'
    surviveLostReaders()
    for (let i = 0; i < 50_000; i++) complain('x'.repeat(1000))
    process.stdout.write(String(process.stderr.writableLength))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: ROOT })
  const [waits] = (await once(child.stdout, 'data')) as [Buffer]
  expect(Number(waits)).toBeGreaterThan(500_000)
  expect(Number(waits)).toBeLessThan(2 ** 21)
  const lines = (await text(child.stderr)).trimEnd().split('\n')
  const left = Number(/^roomcast: (\d+) lines were left out, as nobody read them$/.exec(lines.at(-1)!)?.[1])
  expect(left + lines.length - 1).toBe(50_000)
})
