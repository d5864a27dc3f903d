// The processes of a row, seen from the test: the victim, which runs functions that the row sends it, and the bystander.

import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Stats } from '@roomcast/core'
import { inTime } from '../../support/log.ts'
import type { Account, Command } from '../server/bystander.ts'
import type { Inside, Kit, Memory, Options, Order, Reply } from '../server/victim.ts'

const ROOT: string = fileURLToPath(new URL('../../../', import.meta.url))
const BUILT: string = `${ROOT}node_modules/.cache/threats/`
/** The longest that one function in the victim may take. */
const PATIENCE_MS = 180_000

/** Makes the options of the victim's server, in its process: a function of its arguments alone. */
export type Setup<A> = (kit: Kit, argument: A) => Options | Promise<Options>

/** Builds the two programs; nothing to do when they are up to date. */
export function build(): void {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-b', 'test/threats/server'], { cwd: ROOT })
}

/** The file URL of a built module of core. */
export function coreModule(path: string): string {
  return new URL(`../../../packages/core/dist/${path}`, import.meta.url).href
}

/** How long the main threads of these processes were ready to run and had no core, in ms; 0 where the system does not
 * tell. */
export function waitedForCore(pids: readonly number[]): number {
  try {
    const nanoseconds = pids.map((pid) => Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1]))
    return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e6
  } catch {
    return 0
  }
}

export class Victim {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  readonly #exit: Promise<unknown[]>
  /** Errors that reached the victim's process, and what it complained of. */
  readonly escaped: string[] = []
  /** Everything it printed. */
  said = ''
  port = 0
  #orders = 0

  private constructor() {
    this.#child = fork(`${BUILT}victim.js`, [], {
      execArgv: ['--expose-gc', '--max-semi-space-size=8'],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    this.#exit = once(this.#child, 'exit')
    this.#child.stdout!.on('data', (data) => (this.said += data))
    this.#child.stderr!.on('data', (data) => {
      this.said += data
      this.escaped.push(`stderr: ${data}`)
    })
    this.#child.on('message', (reply: Reply) => {
      if ('escaped' in reply) return void this.escaped.push(reply.escaped)
      const waiting = this.#waiting.get(reply.id)
      this.#waiting.delete(reply.id)
      if ('error' in reply) waiting?.reject(new Error(`in the victim: ${reply.error}`))
      else waiting?.resolve(reply.value)
    })
    this.#child.on('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the victim died: ${signal ?? code}`))
    })
  }

  /** A victim that listens. */
  static async start<A>(setup: Setup<A>, argument: A): Promise<Victim> {
    const victim = new Victim()
    victim.port = (await victim.#order(setup.toString(), argument)) as number
    return victim
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Runs `work` in the victim's process; only its source goes there. */
  run<R, A = undefined>(work: (inside: Inside, argument: A) => R | Promise<R>, argument?: A): Promise<R> {
    return this.#order(work.toString(), argument) as Promise<R>
  }

  stats(): Promise<Stats> {
    return this.run(({ server }) => server.stats())
  }

  memory(): Promise<Memory> {
    return this.run(({ memory }) => memory())
  }

  /** CPU time that the process has used, in ms. */
  cpu(): Promise<number> {
    return this.run(() => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1000
    })
  }

  /** Closes the server, after which nothing may keep the process alive. */
  async close(): Promise<void> {
    await this.run(({ server }) => server.close())
    this.#child.disconnect()
    const [code] = await inTime(this.#exit, 'the end of the victim', 10_000)
    if (code !== 0) this.escaped.push(`exit code ${code}`)
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #order(source: string, argument: unknown): Promise<unknown> {
    const id = this.#orders++
    const reply = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
    this.#child.send({ id, source, argument } satisfies Order)
    return inTime(reply, 'a reply of the victim', PATIENCE_MS)
  }
}

/** The process of the healthy clients, one for all rows of a file. */
export class Bystanders {
  readonly #child: ChildProcess = fork(`${BUILT}bystander.js`, [], { execArgv: [] })
  #count = 0

  get pid(): number {
    return this.#child.pid!
  }

  /** A healthy client of the server at `port`. */
  async start(port: number): Promise<{ attack(): Promise<unknown>; stop(): Promise<Account> }> {
    const id = this.#count++
    await this.#tell({ id, what: 'start', port })
    return {
      attack: () => this.#tell({ id, what: 'attack', port }),
      stop: async () => (await this.#tell({ id, what: 'stop', port }))!,
    }
  }

  end(): void {
    if (this.#child.connected) this.#child.disconnect()
  }

  #tell(command: Command): Promise<Account | null> {
    const reply = new Promise<Account | null>((resolve, reject) => {
      const listener = (message: { id: number; account?: Account; error?: string }): void => {
        if (message.id !== command.id) return
        this.#child.off('message', listener)
        if (message.error === undefined) resolve(message.account ?? null)
        else reject(new Error(`the bystander: ${message.error}`))
      }
      this.#child.on('message', listener)
    })
    this.#child.send(command)
    return inTime(reply, `the bystander's answer`, 60_000)
  }
}
