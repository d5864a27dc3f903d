// Whoever reads what the program writes may go away, or have no room: the program goes on, and ends in order.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { connect } from './client.ts'
import { build, CLI, killAll, run, start } from './program.ts'

beforeAll(build)
afterEach(killAll)

/** Loaded into the program: writes in every way that node and libraries do, at SIGUSR2, and then leaves a mark. */
const WRITER = `
process.on('SIGUSR2', async () => {
  for (let i = 0; i < 3; i++) {
    process.stdout.write('a line\\n')
    process.stderr.write('a line\\n')
    console.log('a line')
    console.error('a line')
    process.emitWarning('a warning')
    process.emitWarning(new Error('an error'))
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  require('node:fs').writeFileSync(process.env.MARK, 'written')
})`

const folder = mkdtempSync(join(tmpdir(), 'roomcast-output-'))
afterAll(() => rmSync(folder, { recursive: true }))
let marks = 0

function writer(): { mark: string; env: Record<string, string> } {
  const mark = join(folder, `mark-${marks++}`)
  const code = `data:text/javascript,${encodeURIComponent(WRITER.replace('require(', 'process.getBuiltinModule('))}`
  return { mark, env: { MARK: mark, NODE_OPTIONS: `--import "${code}"` } }
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 10_000
  while (!(await holds())) {
    if (performance.now() > end) throw new Error('it did not come to hold in 10 s')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** Makes the program write, and checks that it lived through it and ends in order. */
async function writeAndEnd(child: ChildProcess, mark: string, port: number, exit: Promise<unknown>): Promise<void> {
  child.kill('SIGUSR2')
  await until(() => existsSync(mark) && readFileSync(mark, 'utf8') === 'written')
  const client = await connect(port)
  expect(await client.ask({ join: 'lobby' })).toEqual({ joined: 'lobby' })
  child.kill('SIGTERM')
  expect(await client.closed).toMatchObject({ code: 1012 })
  expect(await exit).toBe(0)
}

describe('the reader of the log goes away', () => {
  test.each([
    ['stdout', ['stdout']],
    ['stderr', ['stderr']],
    ['both', ['stdout', 'stderr']],
  ] as const)('%s: every kind of write, then a drain', async (_, streams) => {
    const { mark, env } = writer()
    const { child, port, exit } = await start([], env)
    for (const stream of streams) child[stream]!.destroy()
    await writeAndEnd(child, mark, port, exit)
  })

  test('before the first line is written: it listens all the same', async () => {
    const port = await freePort()
    const { child, exit } = run(['--port', `${port}`, '--host', '127.0.0.1'])
    child.stdout!.destroy()
    child.stderr!.destroy()
    await until(() => answers(port))
    child.kill('SIGTERM')
    expect(await exit).toBe(0)
  })

  test.each([
    ['a wrong value', ['--port', 'x'], 2],
    ['help', ['--help'], 0],
  ])('%s: the exit code is the same', async (_, args, code) => {
    const { child, exit } = run(args)
    child.stdout!.destroy()
    child.stderr!.destroy()
    expect(await exit).toBe(code)
  })
})

describe.skipIf(!existsSync('/dev/full'))('a log on a full disk', () => {
  test('nothing can be written from the start: it serves, and drains', async () => {
    const port = await freePort()
    const { mark, env } = writer()
    const full = openSync('/dev/full', 'w')
    const child = spawn(process.execPath, [CLI, '--port', `${port}`, '--host', '127.0.0.1'], {
      env: { PATH: process.env.PATH ?? '', ...env },
      stdio: ['ignore', full, full],
    })
    const exit = once(child, 'exit').then(([code]) => code as number | null)
    try {
      await until(() => answers(port))
      await writeAndEnd(child, mark, port, exit)
    } finally {
      child.kill('SIGKILL')
    }
  })
})

/** Gives the program a terminal of its own as stdout and stderr, and hangs it up at the end of stdin. */
const TERMINAL = `
import os, pty, subprocess, sys
master, slave = pty.openpty()
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, start_new_session=True)
os.close(slave)
os.read(master, 4096)
print(child.pid, flush=True)
sys.stdin.readline()
os.close(master)
print('hung up', flush=True)
print(child.wait(), flush=True)
`
const hasPython = spawnSync('python3', ['-c', 'import pty']).status === 0

describe.skipIf(!hasPython)('a terminal', () => {
  test('hangs up: it goes on, and drains', async () => {
    const port = await freePort()
    const { mark, env } = writer()
    const args = ['-c', TERMINAL, process.execPath, CLI, '--port', `${port}`, '--host', '127.0.0.1']
    const terminal = spawn('python3', args, {
      env: { PATH: process.env.PATH ?? '', ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const lines = terminal.stdout!.setEncoding('utf8')[Symbol.asyncIterator]()
    const line = async (): Promise<string> => String((await lines.next()).value).trim()
    const pid = Number(await line())
    try {
      terminal.stdin!.write('\n')
      expect(await line()).toBe('hung up')
      const signals = { kill: (signal: NodeJS.Signals) => process.kill(pid, signal) } as ChildProcess
      await writeAndEnd(signals, mark, port, line().then(Number))
    } finally {
      terminal.kill('SIGKILL')
    }
  })
})

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' })
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}
