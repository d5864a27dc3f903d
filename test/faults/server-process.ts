// The server's process, seen from the campaign: questions and answers, what it complained of, and its end.

import { type ChildProcess, fork } from 'node:child_process'
import { inTime } from '../support/log.ts'
import type { Address, Break, Leaving, Left, Place, Question, Sample, Trouble } from './place.ts'

/** The longest that an answer may take: a drain with its deadline, on a busy machine. */
const ANSWER_MS = 10_000
const MAX_SAID = 4000

export class ServerProcess {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (reply: unknown) => void>()
  readonly #onEnd = new Set<() => void>()
  /** Resolves with its exit code or signal. */
  readonly exit: Promise<number | string>
  /** Errors and warnings that reached it. */
  readonly troubles: string[] = []
  /** How it ended; null: it lives. */
  ended: string | null = null
  #said = ''
  #questions = 0
  #places = 0

  /** @param program the built server.js. */
  constructor(program: URL, broken?: Break) {
    this.#child = fork(program, broken === undefined ? [] : [broken], {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.#child.stderr!.on('data', (data) => {
      this.#said = `${this.#said}${data}`.slice(-MAX_SAID)
    })
    this.#child.on('message', (message: Trouble | { id: number; reply: unknown }) => {
      if ('trouble' in message) this.troubles.push(message.trouble)
      else this.#waiting.get(message.id)?.(message.reply)
    })
    this.#child.on('error', () => {})
    this.exit = new Promise((resolve) => {
      // After 'exit' and the last of its output.
      this.#child.once('close', (code, signal) => {
        const [error] = /^\w*Error: .*/m.exec(this.#said) ?? [this.#said.trim()]
        this.ended = `the server’s process ended (${code ?? signal}): ${error}`
        resolve(code ?? signal ?? '')
        for (const listener of this.#onEnd) listener()
      })
    })
  }

  async open(place: Place): Promise<{ id: number; address: Address }> {
    const id = ++this.#places
    return { id, address: (await this.#ask({ open: id, place })) as Address }
  }

  async leave(id: number, how: Leaving): Promise<Left> {
    return (await this.#ask({ leave: id, how })) as Left
  }

  async shut(id: number): Promise<void> {
    await this.#ask({ shut: id })
  }

  async sample(): Promise<Sample> {
    return (await this.#ask({ sample: true })) as Sample
  }

  async forget(): Promise<void> {
    await this.#ask({ forget: true })
  }

  decide(n: number): void {
    this.#send({ decide: n })
  }

  finish(): void {
    this.#send({ finish: true })
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #send(message: object): void {
    // It may have ended within this turn, which 'close' tells.
    if (this.#child.connected) this.#child.send(message, () => {})
  }

  async #ask(question: Question): Promise<unknown> {
    if (this.ended !== null) throw new Error(this.ended)
    const id = ++this.#questions
    const reply = new Promise((resolve, reject) => {
      const onEnd = (): void => reject(new Error(this.ended!))
      this.#onEnd.add(onEnd)
      this.#waiting.set(id, (value) => {
        this.#waiting.delete(id)
        this.#onEnd.delete(onEnd)
        resolve(value)
      })
    })
    this.#send({ id, ...question })
    return inTime(reply, `the answer of the server’s process to ${JSON.stringify(question)}`, ANSWER_MS)
  }
}
