// The built program as a child process, for tests: started, listened to, and never left behind.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))
export const CLI: string = `${ROOT}packages/roomcast/dist/cli.js`
const PATIENCE_MS = 60_000

const running = new Set<ChildProcess>()

/** Builds the program; nothing to do when dist is up to date. */
export function build(): void {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-b', 'packages/roomcast'], { cwd: ROOT })
}

/** Ends what is still running. */
export function killAll(): void {
  for (const child of running) child.kill('SIGKILL')
  running.clear()
}

/** A run of the program. */
export interface Run {
  child: ChildProcess
  stdout: Promise<string>
  stderr: Promise<string>
  /** What came on stderr until now. */
  complaints: () => string
  exit: Promise<number | null>
}

/** Runs the program with these arguments, and no variables but these. */
export function run(args: string[], env: Record<string, string> = {}): Run {
  const { PATH = '' } = process.env
  const child = spawn(process.execPath, [CLI, ...args], { env: { PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  // A process that outlives every patience is a failure, not a leak.
  const watchdog = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
  const exit = once(child, 'exit').then(([code]) => {
    clearTimeout(watchdog)
    running.delete(child)
    return code as number | null
  })
  let complaints = ''
  child.stderr.on('data', (chunk) => {
    complaints += chunk
  })
  const stderr = once(child.stderr, 'end').then(() => complaints)
  // A test may go away as the reader of either.
  const stdout = text(child.stdout).catch(() => '')
  return { child, stdout, stderr, complaints: () => complaints, exit }
}

/** Starts the server, on a free port unless `args` say else, and reads what it prints until it listens. */
export async function start(
  args: string[] = [],
  env: Record<string, string> = {},
): Promise<Run & { port: number; said: string }> {
  const started = run(['--port', '0', '--host', '127.0.0.1', ...args], env)
  const [chunk] = (await Promise.race([
    once(started.child.stdout!, 'data'),
    started.stderr.then((complaint) => Promise.reject(new Error(complaint))),
  ])) as [Buffer]
  const said = chunk.toString()
  return { ...started, said, port: Number(/:(\d+)\//.exec(said)?.[1]) }
}
