// A node in a process of its own, as its parent holds it.

import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { NodeCommand, NodeOptions, NodeState } from '../../rooms-node/words.ts'

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url))
const MAIN = `${ROOT}node_modules/.cache/redis-rooms-node/redis-bridge/rooms-node/main.js`
const PATIENCE_MS = 40_000

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Builds what the processes run; nothing to do when it is up to date. */
export function buildRoomsNodes(): void {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-b', 'test/redis-bridge/rooms-node'], {
    cwd: ROOT,
  })
}

export class RoomsNode {
  port = 0
  /** It takes clients. */
  up = true
  readonly #child: ChildProcess
  readonly #answers = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  #complaints = ''
  #ids = 0

  private constructor(options: NodeOptions) {
    this.#child = fork(MAIN, [JSON.stringify(options)], {
      // Nothing of the environment of the test runner, which would change how modules are found.
      env: { PATH: process.env.PATH },
      execArgv: ['--no-warnings'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    running.add(this.#child)
    this.#child.stderr!.on('data', (chunk: Buffer) => {
      this.#complaints += chunk
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
        reject(new Error(`a node ended with ${signal ?? code}: ${this.#complaints}`))
      }
    })
  }

  static async start(options: NodeOptions): Promise<RoomsNode> {
    const node = new RoomsNode(options)
    node.port = (await node.tell({ do: 'port' })) as number
    return node
  }

  tell(command: { do: 'stats' } & NodeCommand): Promise<NodeState>
  tell(command: NodeCommand): Promise<unknown>
  async tell(command: NodeCommand): Promise<unknown> {
    const id = ++this.#ids
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`a node did not answer to ${command.do}`)), PATIENCE_MS)
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

  async kill(): Promise<void> {
    this.up = false
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }

  /** Ends it as a deploy does. @returns its exit code */
  async terminate(): Promise<number | null> {
    this.up = false
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    const [code] = await gone
    return code
  }
}
