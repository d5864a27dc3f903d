// The processes of a run: the echo server, and the suite's fuzzing clients, each with a list of cases and a folder of its
// own. None outlives this process, and none can keep it waiting for ever.

import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** The name under which the suite reports about the server. */
export const AGENT = 'roomcast'

const START_TIMEOUT_MS = 20_000
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))

/** A server to test. */
export interface EchoServer {
  port: number
  /** Ends it. Resolves with what was wrong when it had ended before. */
  stop(): Promise<string | undefined>
}

/** Starts the echo server on a free port. Rejects when it does not start.
 * @param options `compression`: permessage-deflate is on; `defaults`: no limit is raised for the suite. */
export async function startEchoServer(options: { compression: boolean; defaults: boolean }): Promise<EchoServer> {
  const file = fileURLToPath(new URL('./echo-server.js', import.meta.url))
  const args = (['compression', 'defaults'] as const).filter((name) => options[name]).map((name) => `--${name}`)
  const child = track(fork(file, args))
  const port = await new Promise<number>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the echo server does not start')), START_TIMEOUT_MS)
    child.once('message', (message) => resolve(message as number))
    child.once('exit', (code) => reject(new Error(`the echo server ended at its start (exit ${code})`)))
    child.once('message', () => clearTimeout(timer)).once('exit', () => clearTimeout(timer))
  })
  return {
    port,
    async stop() {
      const { exitCode, signalCode } = child
      if (exitCode !== null || signalCode !== null) return `the echo server ended early (${signalCode ?? exitCode})`
      child.kill('SIGKILL')
      await once(child, 'exit')
      return undefined
    },
  }
}

/** One fuzzing client. */
export interface Part {
  /** The Python of the suite's environment. */
  python: string
  ids: readonly string[]
  port: number
  /** Where its report goes; there is nothing in it yet. */
  folder: string
  /** The suite itself has no limit: a silent server would cost five seconds in each case. */
  timeLimitMs: number
  /** Called when a case begins. */
  onCase: () => void
}

/** Runs one fuzzing client. What it printed is in its folder, in `log.txt`.
 * @returns what went wrong, or undefined when it ended by itself; the verdicts are in its report alone. */
export async function runPart(part: Part): Promise<string | undefined> {
  const { python, ids, port, folder, timeLimitMs, onCase } = part
  mkdirSync(folder, { recursive: true })
  const spec = join(folder, 'spec.json')
  const servers = [{ agent: AGENT, url: `ws://127.0.0.1:${port}` }]
  writeFileSync(spec, JSON.stringify({ outdir: folder, servers, cases: ids }))

  // Started this way and not by the wstest script, which refuses to run when wsaccel is absent.
  const run = 'from autobahntestsuite.wstest import run; run()'
  const child = track(
    spawn(python, ['-u', '-c', run, '-m', 'fuzzingclient', '-s', spec], { stdio: ['ignore', 'pipe', 'pipe'] }),
  )
  const log = createWriteStream(join(folder, 'log.txt'))
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => log.write(chunk))
  createInterface({ input: child.stdout }).on('line', (line) => line.startsWith('Running test case') && onCase())

  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    child.kill('SIGKILL')
  }, timeLimitMs)
  try {
    const [code, signal] = await once(child, 'close')
    log.end()
    if (isLate) return `not done after ${Math.round(timeLimitMs / 1000)} s`
    return code === 0 ? undefined : `the suite ended with ${signal ?? `exit ${code}`}, see ${join(folder, 'log.txt')}`
  } finally {
    clearTimeout(timer)
  }
}

function track<C extends ChildProcess>(child: C): C {
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}
