// A program of the tests in a process of its own, which does what it is told and answers each command.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

const PATIENCE_MS = 40_000

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export class ToldProcess<Command extends { do: string }> {
  readonly name: string
  /** What it says on stderr. */
  complaints = ''
  readonly #child: ChildProcess
  readonly #answers = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  #ids = 0

  /** @param options what the program reads as JSON from its first argument. */
  constructor(name: string, program: string, options: unknown) {
    this.name = name
    this.#child = fork(program, [JSON.stringify(options)], {
      // Nothing of the environment of the test runner, which would change how modules are found.
      env: { PATH: process.env.PATH },
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
        reject(new Error(`${name} ended with ${signal ?? code}: ${this.complaints}`))
      }
    })
  }

  get pid(): number {
    return this.#child.pid!
  }

  get isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

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

  /** The process stops working and keeps its connections, until `thaw`. */
  freeze(): void {
    this.#child.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    if (this.isOver) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }

  /** Ends it as a deploy does. @returns its exit code */
  async terminate(): Promise<number | null> {
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    const [code] = await gone
    return code
  }
}
