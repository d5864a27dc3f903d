// A page as a story: its blocks from the first to the last, as a reader goes through them. A configuration is written to a
// file, commands are run in a shell, programs in a thread; what they are said to print must come. Ports that the page names
// stand for free ones.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { inTime, Log } from '../support/log.ts'
import { type Command, classOf, commandsOf, fateOf, nameOf } from './classes.ts'
import type { Compiled } from './compile.ts'
import { type Block, type Page, ROOT } from './markdown.ts'
import { claimsOf, fits, outputOf } from './printed.ts'

const CLI = join(ROOT, 'packages/roomcast/dist/cli.js')
const DEFAULT_PORT = 4545
const PATIENCE_MS = 20_000
const PATIENCE = { deadlineMs: PATIENCE_MS }

/** What a shell knows. Assignments are kept from command to command, as in one that stays open. */
const PRELUDE = `set -a
[ -e "$STATE" ] && . "$STATE"
[ -n "$EXEC" ] && unset ROOMCAST_TOKEN
roomcast() { $EXEC "$NODE" "$CLI" "$@"; }
npx() { while [ "$1" != roomcast ] && [ "$1" != start ]; do shift; done; shift; roomcast "$@"; }
curl() { command curl -sS --max-time 10 "$@"; }
`

interface Around {
  readonly redisUrl: string | undefined
  /** Visits what the page has started, when all its blocks have run. @param placed makes an address of the page a real one. */
  readonly visit?: ((placed: (address: string) => string) => Promise<void>) | undefined
}

/** Runs the blocks of a page.
 * @throws for the first that does not do what the page says. */
export async function runStory(page: Page, compiled: Compiled, { redisUrl, visit }: Around): Promise<void> {
  const story = new Story(page, compiled, redisUrl)
  try {
    for (const block of page.blocks) await story.run(block)
    await story.finish()
    await visit?.((address) => story.placed(address))
  } finally {
    await story.end()
  }
}

class Story {
  readonly #page: Page
  readonly #compiled: Compiled
  readonly #redisUrl: string | undefined
  readonly #folder = mkdtempSync(join(tmpdir(), 'roomcast-docs-'))
  /** Ports of the page, and those that stand for them. */
  readonly #ports = new Map<number, number>()
  readonly #children: ChildProcess[] = []
  readonly #said = new Log<string>('what programs print', PATIENCE)
  readonly #expected: { text: string; where: string }[] = []
  readonly #arrivals = new Log<number>('ports that programs listen on', PATIENCE)
  #worker: Worker | undefined
  /** Of the program that was started last. */
  #port: number | undefined

  constructor(page: Page, compiled: Compiled, redisUrl: string | undefined) {
    this.#page = page
    this.#compiled = compiled
    this.#redisUrl = redisUrl
  }

  async run(block: Block): Promise<void> {
    const kind = classOf(block)
    if (kind === 'config') writeFileSync(join(this.#folder, nameOf(block) ?? 'unnamed.json'), this.placed(block.text))
    else if (kind === 'shell') for (const command of commandsOf(block)) await this.#runCommand(command)
    else if (kind === 'program') await this.#runProgram(block)
    else if (kind === 'text') this.#expectLines(block)
    else if (kind === 'page') {
      // Beside the programs, one of which serves it.
      writeFileSync(join(dirname(this.#compiled.thread), nameOf(block)!), this.placed(block.text))
    }
  }

  /** Waits for what is still to be printed. */
  async finish(): Promise<void> {
    for (const { text, where } of this.#expected) {
      try {
        await this.#said.find((line) => fits(text, line))
      } catch {
        throw new Error(`${where}: nobody printed ${text}; printed was:\n${this.#said.all.join('\n')}`)
      }
    }
  }

  async end(): Promise<void> {
    await this.#worker?.terminate()
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const gone = once(child, 'exit')
        child.kill('SIGKILL')
        await gone
      }),
    )
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Lines of the program's log. */
  #expectLines({ text, file, line }: Block): void {
    const lines = text.split('\n').filter((line) => line.startsWith('roomcast: '))
    for (const text of lines) this.#expected.push({ text, where: `${file}:${line}` })
  }

  async #runProgram(block: Block): Promise<void> {
    const where = `${block.file}:${block.line}`
    for (const text of claimsOf(block)) this.#expected.push({ text, where })
    const file = this.#compiled.files.get(block)!
    const ports = [...block.text.matchAll(/(?:\bport: |\.listen\()(\d+)/g)].map(([, port]) => Number(port))
    const code = this.placed(readFileSync(file, 'utf8')).replaceAll(/(\bport: |\.listen\()\d+/g, '$10')
    writeFileSync(file, code)
    const worker = this.#startWorker()
    const before = this.#arrivals.length
    const outcome = new Promise<string | undefined>((resolve) => {
      worker.on('message', ({ done, failed }: { done?: string; failed?: string }) => {
        if (done !== undefined || failed !== undefined) resolve(failed)
      })
    })
    const broken = once(worker, 'error').then(([error]) => String((error as Error).stack))
    worker.postMessage({ run: pathToFileURL(file).href, variables: this.#exported() })
    const failure = await inTime(Promise.race([outcome, broken]), where, PATIENCE_MS)
    if (failure !== undefined) throw new Error(`${where}: ${failure}`)
    if (ports.length === 0) return
    await this.#arrivals.count(before + ports.length)
    for (const [index, port] of this.#arrivals.all.slice(before).entries()) {
      this.#ports.set(ports[Math.min(index, ports.length - 1)]!, port)
    }
  }

  #startWorker(): Worker {
    if (this.#worker !== undefined) return this.#worker
    const worker = new Worker(this.#compiled.thread, {
      // Built packages, as users have them: vitest would give its conditions on.
      execArgv: [],
      env: { ...process.env, NODE_OPTIONS: '', ...(this.#redisUrl && { REDIS_URL: this.#redisUrl }) },
    })
    worker.on('message', ({ said, listening }: { said?: string; listening?: number }) => {
      if (said !== undefined) for (const line of said.split('\n')) this.#said.push(this.#asWritten(line))
      if (listening !== undefined) this.#arrivals.push(listening)
    })
    worker.on('error', (error) => this.#said.push(`the programs ended: ${(error as Error).stack}`))
    worker.setMaxListeners(100)
    this.#worker = worker
    return worker
  }

  async #runCommand(command: Command): Promise<void> {
    const { text, line, prints } = command
    const where = `${this.#page.file}:${line}`
    const names = this.#page.blocks.map((block) => nameOf(block) ?? '')
    const fate = fateOf(command, names)
    if (fate === 'elsewhere') return
    if (fate === 'start') return this.#start(command, where)
    await this.#startWhatIsAsked(text)
    const before = /roomcast tail /.test(text) ? await this.#members() : undefined
    const child = this.#shell(`exec 2>&1\n${text}`, { ROOMCAST_PORT: `${this.#port ?? DEFAULT_PORT}` })
    const ended = outputOf(child)
    if (before !== undefined && (await this.#isJoined(child, before))) return this.#listenTo(child, prints, where)
    const output = await inTime(ended, where, PATIENCE_MS)
    const lines = this.#asWritten(output.text).trimEnd().split(/\r?\n/)
    const isRight =
      prints.length > 0 ? fits(prints.join('\n'), lines.join('\n')) : output.code === 0 && !/"error"/.test(output.text)
    if (!isRight) throw new Error(`${where}: printed (exit code ${output.code}):\n${lines.join('\n')}`)
  }

  /** Starts the program, until it says where it listens. */
  async #start({ text, prints }: Command, where: string): Promise<void> {
    const [, flag, variable] = /--port (\d+)|\bPORT=(\d+)/.exec(text) ?? []
    const [, config] = /--config (\S+)/.exec(text) ?? []
    const named = Number(flag ?? variable ?? this.#portOf(config) ?? DEFAULT_PORT)
    const free = text
      .replace(/--port \d+/, '--port 0')
      .replace(/\bPORT=\d+/, 'PORT=0')
      .replace(/ &$/, '')
    const child = this.#shell(free, { ROOMCAST_PORT: '0', EXEC: 'exec' })
    const lines = new Log<string>(`what the program says at ${where}`, PATIENCE)
    const hear = (chunk: Buffer): void => {
      for (const line of `${chunk}`.trimEnd().split('\n')) {
        lines.push(line)
        this.#said.push(this.#asWritten(line))
      }
    }
    child.stdout!.on('data', hear)
    child.stderr!.on('data', hear)
    const exit = once(child, 'close')
    const address = lines.until(
      () => lines.all.map((line) => /\bopen https?:\/\/[^:]+:(\d+)\//.exec(line)?.[1]).find(Boolean),
      'its address',
    )
    const port = await Promise.race([address, exit.then(() => undefined)])
    address.catch(() => {})
    if (port !== undefined) {
      this.#port = Number(port)
      this.#ports.set(named, this.#port)
      const [, token] = /token of the HTTP API: (\S+)/.exec(lines.all.join('\n')) ?? []
      if (token !== undefined) writeFileSync(this.#state, `ROOMCAST_TOKEN=${token}\n`, { flag: 'a' })
    }
    const said = this.#asWritten(lines.all.join('\n'))
    const isRight = prints.length > 0 ? fits(prints.join('\n'), said) : port !== undefined
    if (!isRight) throw new Error(`${where}: the program says:\n${said}`)
  }

  /** `tail` goes on: what it prints is awaited at the end. */
  #listenTo(child: ChildProcess, prints: readonly string[], where: string): void {
    for (const text of prints) this.#expected.push({ text, where })
    child.stdout!.on('data', (chunk: Buffer) => {
      for (const line of `${chunk}`.trimEnd().split('\n')) this.#said.push(this.#asWritten(line))
    })
  }

  /** Whether `tail` has joined: the server has one more member. Else it has ended. */
  async #isJoined(child: ChildProcess, before: number): Promise<boolean> {
    const until = performance.now() + PATIENCE_MS
    while (child.exitCode === null && performance.now() < until) {
      if ((await this.#members()) > before) return true
      await sleep(20)
    }
    return false
  }

  /** Places in rooms that clients of the program have. */
  async #members(): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/metrics`)
    return Number(/^roomcast_members (\d+)/m.exec(await response.text())?.[1])
  }

  /** A page may speak of the program that runs without saying how it was started. */
  async #startWhatIsAsked(text: string): Promise<void> {
    const [, asked] = /localhost:(\d+)/.exec(text) ?? []
    if (asked === undefined || this.#ports.has(Number(asked))) return
    await this.#start(
      { text: `roomcast --port ${asked}`, line: 0, prints: [] },
      `${this.#page.file}, a server of its own`,
    )
  }

  #shell(text: string, variables: Record<string, string>): ChildProcess {
    const keep = `\nCODE=$?; export -p | grep -vE ' (ROOMCAST_PORT|EXEC)=' > "$STATE"; exit $CODE`
    const child = spawn('bash', ['-c', `${PRELUDE}${this.placed(text)}${keep}`], {
      cwd: this.#folder,
      env: { PATH: process.env.PATH, ...this.#variables(), ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#children.push(child)
    return child
  }

  get #state(): string {
    return join(this.#folder, '.state')
  }

  #variables(): Record<string, string> {
    return { STATE: this.#state, NODE: process.execPath, CLI, EXEC: '' }
  }

  /** What the page's shell has exported, for the programs that follow. */
  #exported(): Record<string, string> {
    const text = existsSync(this.#state) ? readFileSync(this.#state, 'utf8') : ''
    return Object.fromEntries(
      [...text.matchAll(/^declare -x (TOKEN|ROOMCAST_\w+)="(.*)"$/gm)].map(([, name, value]) => [name, value]),
    )
  }

  /** The port that a configuration file names. */
  #portOf(file: string | undefined): number | undefined {
    const path = join(this.#folder, file ?? '')
    if (file === undefined || !existsSync(path)) return undefined
    return (JSON.parse(readFileSync(path, 'utf8')) as { http_server?: { port?: number } }).http_server?.port
  }

  /** A text with the addresses that stand for those of the page. */
  placed(text: string): string {
    const redis = this.#redisUrl === undefined ? text : text.replaceAll('redis://localhost:6379', this.#redisUrl)
    return redis.replaceAll(/\blocalhost:(\d+)/g, (whole, port: string) => {
      const real = this.#ports.get(Number(port))
      return real === undefined ? whole : `localhost:${real}`
    })
  }

  /** What was printed, with the addresses of the page. */
  #asWritten(text: string): string {
    const written = [...this.#ports].reduce((all, [port, real]) => all.replaceAll(`:${real}`, `:${port}`), text)
    return this.#redisUrl === undefined ? written : written.replaceAll(this.#redisUrl, 'redis://localhost:6379')
  }
}
