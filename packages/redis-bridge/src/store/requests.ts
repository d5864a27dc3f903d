// Asking every node, and answering. Which nodes there are stands in Redis: each says so every few seconds, in the first
// partition. So it is known who did not answer. Blocks stand beside it, for nodes that come later or could not be reached.

import { type Answers, type NodeAnswer, type NodeRequest, StoreUnavailableError } from '@roomcast/rooms'
import type { Clock } from '../bus/clock.ts'
import type { Routes } from '../bus/link.ts'
import { decodeJson, encodeJson, numberOf, StoreKind } from './messages.ts'
import type { Place } from './places.ts'
import { ASK, BLOCKED, GONE, HERE } from './presence-scripts.ts'

/** Answers are waited for so long; 2 s are promised. */
const ANSWERED_MS = 1900

const HERE_MS = 5000

/** Blocks in one answer. */
const BLOCKS_PER_CALL = 1000

export interface RequestsOptions {
  clock: Clock
  /** The first partition. */
  place: Place
  publishCommand: string
  routes: Routes
  home: Uint8Array
  homeHex: string
  /** Answers for this node. */
  answer(request: NodeRequest): NodeAnswer
}

type Disconnect = NodeRequest & { do: 'disconnect' }

interface Pending {
  answers: Map<string, NodeAnswer>
  /** Nodes that are there; undefined until that is known. */
  expected: readonly string[] | undefined
  done(): void
}

/** What this node asks and is asked. */
export class Requests {
  readonly #options: RequestsOptions
  readonly #pending = new Map<number, Pending>()
  #number = 0
  #cancelHere: (() => void) | undefined
  #closed = false

  constructor(options: RequestsOptions) {
    this.#options = options
  }

  ask(request: NodeRequest): Promise<Answers> {
    const { clock, place, publishCommand, routes, home, homeHex, answer } = this.#options
    const number = ++this.#number
    const { keys, calls } = place
    const envelope = encodeJson(StoreKind.REQUEST, home, number, request)
    const args: (string | number | Buffer)[] = [routes.shared(place.partition), envelope, publishCommand]
    if (request.do === 'disconnect' && request.blockMs > 0) {
      const { user, blockMs, code, reason, except } = request
      const words = { code, reason, except }
      args.push(user, Math.ceil(blockMs), JSON.stringify(words), JSON.stringify({ ...words, except: undefined }))
    }
    return new Promise((resolve, reject) => {
      const end = (): boolean => {
        cancel()
        return this.#pending.delete(number)
      }
      const tell = (): void => {
        const { answers, expected } = pending
        if (!end()) return
        if (expected === undefined) return reject(new StoreUnavailableError('Redis did not answer in time'))
        const missing = expected.filter((node) => !answers.has(node)).length
        resolve({ answers: [...answers.values()], missing })
      }
      const cancel = clock.after(ANSWERED_MS, tell)
      const pending: Pending = {
        answers: new Map(),
        expected: undefined,
        done: () => {
          if (pending.expected?.every((node) => pending.answers.has(node))) tell()
        },
      }
      this.#pending.set(number, pending)
      const asked = calls.call({ script: ASK, keys: [keys.nodes, keys.blocks, keys.blockWords], args, again: false })
      asked.then(
        (nodes) => {
          pending.answers.set(homeHex, answer(request))
          pending.expected = (nodes as Buffer[]).map(String)
          pending.done()
        },
        (error: Error) => {
          if (end()) reject(error)
        },
      )
    })
  }

  /** A request or an answer came. False: it is not valid. */
  message(kind: number, from: string, envelope: Buffer): boolean {
    const value = decodeJson(envelope)
    if (value === undefined) return false
    if (kind === StoreKind.ANSWER) {
      const pending = this.#pending.get(numberOf(envelope))
      pending?.answers.set(from, value as NodeAnswer)
      pending?.done()
      return true
    }
    if (from === this.#options.homeHex) return true
    let answer: NodeAnswer
    try {
      answer = this.#options.answer(value as NodeRequest)
    } catch {
      return false
    }
    const { place, routes, home } = this.#options
    place.calls.out?.publish([
      {
        route: routes.direct(place.partition, from),
        bytes: encodeJson(StoreKind.ANSWER, home, numberOf(envelope), answer),
        replied: () => {},
      },
    ])
    return true
  }

  /** Redis is there, for the first time or again. */
  up(): void {
    this.#here()
    void this.#learnBlocks()
  }

  close(): void {
    this.#closed = true
    this.#cancelHere?.()
    for (const { done } of this.#pending.values()) done()
  }

  /** Nobody is to wait for this node any more. */
  async gone(): Promise<void> {
    const { keys, calls } = this.#options.place
    this.#cancelHere?.()
    this.#closed = true
    await calls.call({ script: GONE, keys: [keys.nodes], args: [this.#options.homeHex], again: true })
  }

  #here(): void {
    if (this.#closed) return
    const { clock, place, homeHex } = this.#options
    this.#cancelHere?.()
    this.#cancelHere = clock.after(HERE_MS, () => this.#here())
    const { keys, calls } = place
    calls.call({ script: HERE, keys: [keys.nodes, keys.lineage], args: [homeHex], again: true }).then(
      // A Redis that was emptied does not say so by itself.
      (lineage) => calls.compare(String(lineage)),
      // Where that is not possible there is nobody who could be asked, either.
      () => {},
    )
  }

  async #learnBlocks(): Promise<void> {
    const { place, answer } = this.#options
    const { keys, calls } = place
    try {
      for (let from = 0; ; from += BLOCKS_PER_CALL) {
        const blocks = (await calls.call({
          script: BLOCKED,
          keys: [keys.blocks, keys.blockWords],
          args: [from, BLOCKS_PER_CALL],
          again: true,
        })) as [Buffer, number, Buffer][]
        if (this.#closed) return
        for (const [user, blockMs, words] of blocks) {
          const { code = 3503, reason = '', ...which } = JSON.parse(String(words) || '{}') as Partial<Disconnect>
          answer({ ...which, do: 'disconnect', user: String(user), code, reason, blockMs })
        }
        if (blocks.length < BLOCKS_PER_CALL) return
      }
    } catch {
      // When Redis is back they are asked for again.
    }
  }
}
