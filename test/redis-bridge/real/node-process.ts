// A node in a process of its own, as its parent holds it: commands that are answered, and the history it writes.

import { execFileSync } from 'node:child_process'
import { openSync, readSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ToldProcess } from '../../support/told-process.ts'
import type { NodeLog } from '../history.ts'
import { type Command, clock, type NodeOptions, type NodeRecord, type NodeStats } from '../node/records.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const MAIN = `${ROOT}node_modules/.cache/redis-node/redis-bridge/node/main.js`

/** Builds what the processes run; nothing to do when it is up to date. */
export function buildNodes(): void {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-b', 'test/redis-bridge/node'], { cwd: ROOT })
}

export class NodeProcess extends ToldProcess<Command> implements NodeLog {
  readonly records: NodeRecord[] = []
  killedAt?: number
  closed = false
  readonly #fd: number
  #offset = 0
  #rest = ''

  constructor(options: NodeOptions) {
    super(options.name, MAIN, options)
    this.#fd = openSync(options.file, 'a+')
  }

  override tell(command: { do: 'stats' } & Command): Promise<NodeStats>
  override tell(command: Command): Promise<unknown>
  override tell(command: Command): Promise<unknown> {
    return super.tell(command)
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

  override async kill(): Promise<void> {
    if (this.isOver) return
    this.killedAt ??= clock()
    await super.kill()
    this.read()
  }

  override async terminate(): Promise<number | null> {
    this.closed = true
    const code = await super.terminate()
    this.read()
    return code
  }
}
