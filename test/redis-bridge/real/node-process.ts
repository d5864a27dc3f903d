// A node in a process of its own, as its parent holds it: commands that are answered, and the history it writes.

import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { NodeLog } from '../history.ts'
import { type Command, clock, type NodeOptions, type NodeRecord, type NodeStats } from '../node/records.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const MAIN = `${ROOT}node_modules/.cache/redis-node/redis-bridge/node/main.js`
const PATIENCE_MS = 30_000

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Builds what the processes run; nothing to do when it is up to date. */
export function buildNodes(): void {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-b', 'test/redis-bridge/node'], { cwd: ROOT })
}

export class NodeProcess implements NodeLog {
  readonly name: string
  readonly records: NodeRecord[] = []
  /** What it says on stderr. */
  complaints = ''
  killedAt?: number
  closed = false
  readonly #child: ChildProcess
  readonly #answers = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  readonly #fd: number
  #ids = 0
  #offset = 0
  #rest = ''

  constructor(options: NodeOptions) {
    this.name = options.name
    this.#fd = openSync(options.file, 'a+')
    // Nothing of the environment of the test runner, which would change how modules are found.
    const env = { PATH: process.env.PATH }
    this.#child = fork(MAIN, [JSON.stringify(options)], {
      env,
      execArgv: ['--no-warnings'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    running.add(this.#child)
    this.#child.stderr!.on('data', (chunk: Buffer) => {
      this.complaints += chunk
    })
    this.#child.on('message', ({ id, value, error }: { id: number; value: unknown; error?: string }) => {
      const answer = this.#answers.get(id)
      this.#answers.delete(id)
      if (error === undefined) answer?.resolve(value)
      else answer?.reject(new Error(error))
    })
    this.#child.once('exit', (code, signal) => {
      running.delete(this.#child)
      for (const { reject } of this.#answers.values()) {
        reject(new Error(`${this.name} ended with ${signal ?? code}: ${this.complaints}`))
      }
    })
  }

  tell(command: { do: 'stats' } & Command): Promise<NodeStats>
  tell(command: Command): Promise<unknown>
  async tell(command: Command): Promise<unknown> {
    const id = ++this.#ids
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`${this.name} did not answer to ${command.do}`)), PATIENCE_MS)
        this.#answers.set(id, { resolve, reject })
        this.#child.send({ id, command })
      })
    } finally {
      clearTimeout(timer)
    }
  }

  /** Reads what was written since. */
  read(): this {
    const chunk = Buffer.alloc(1 << 16)
    for (;;) {
      const length = readSync(this.#fd, chunk, 0, chunk.length, this.#offset)
      if (length === 0) return this
      this.#offset += length
      const lines = (this.#rest + chunk.toString('latin1', 0, length)).split('\n')
      this.#rest = lines.pop()!
      for (const line of lines) this.records.push(JSON.parse(line))
    }
  }

  /** The newest status. */
  get status(): string {
    const found = this.read().records.findLast((record) => record.what === 'status')
    return found?.what === 'status' ? found.status : 'connecting'
  }

  /** The process stops working and keeps its connections, until `thaw`. */
  freeze(): void {
    this.#child.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.killedAt ??= clock()
    this.#child.kill('SIGKILL')
    await gone
    this.read()
  }

  /** Ends it as a deploy does. @returns its exit code */
  async terminate(): Promise<number | null> {
    this.closed = true
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    const [code] = await gone
    this.read()
    return code
  }
}
