// The handler of every server of the campaign, and its account: who was opened, who was closed. The request says in its
// query what the handshake does (`do`) and which scenario it belongs to (`n`); a message says what the socket does.

import { Buffer } from 'node:buffer'
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import { bin, type Handler, type HandshakeResult, reject, type Socket } from '@roomcast/core'

export interface State {
  readonly n: number
  /** Frames of a flood that are still to be written. */
  left: number
}

/** Thrown on purpose: the only error that `onError` may hear. */
export class OnPurpose extends Error {}

const FRAME = bin(Buffer.alloc(65_536, 'flood'))
const FLOOD_FRAMES = 128
const HANG_MS = 200
const CLOSED_MS = 20

/** Decisions that the parent makes: lookups wait for them, so that it is known what came first. */
export class Decisions {
  readonly #made = new Set<number>()
  readonly #waiting = new Map<number, (() => void)[]>()

  forget(): void {
    this.#made.clear()
  }

  make(n: number): void {
    this.#made.add(n)
    for (const resolve of this.#waiting.get(n) ?? []) resolve()
    this.#waiting.delete(n)
  }

  /** Resolves when it is made, and when all that had arrived by then has been read. */
  async made(n: number): Promise<void> {
    if (!this.#made.has(n)) {
      await new Promise<void>((resolve) => this.#waiting.set(n, [...(this.#waiting.get(n) ?? []), resolve]))
    }
    await turn()
    await turn()
  }
}

/** Who was opened and closed, over all servers of the process. */
export class Account {
  readonly #opened = new Map<number, number>()
  readonly #closed = new Map<number, number>()
  /** Whose `closed` callback's promise is pending. */
  readonly pendingClosed = new Set<number>()

  opened(n: number): void {
    this.#opened.set(n, (this.#opened.get(n) ?? 0) + 1)
  }

  closed(n: number): void {
    this.#closed.set(n, (this.#closed.get(n) ?? 0) + 1)
  }

  /** What a sample tells of it; bystanders have numbers below zero. */
  lists(): { open: number[]; closedWrongly: number[]; opened: number[] } {
    const opened = [...this.#opened.keys()].filter((n) => n >= 0)
    const open = opened.filter((n) => this.#opened.get(n)! > (this.#closed.get(n) ?? 0))
    const closedWrongly = [...this.#closed.keys()].filter((n) => this.#closed.get(n)! > (this.#opened.get(n) ?? 0))
    return { open, closedWrongly, opened }
  }

  /** Forgets those who came and went. */
  forget(): void {
    for (const [n, times] of this.#opened) {
      if (this.#closed.get(n) !== times) continue
      this.#opened.delete(n)
      this.#closed.delete(n)
    }
  }
}

export function createHandler(account: Account, decisions: Decisions): Handler<undefined, State> {
  return {
    handshake({ query }) {
      return decide(query.get('do') ?? 'accept', { n: Number(query.get('n')), left: 0 }, decisions)
    },
    opened(socket) {
      account.opened(socket.state.n)
    },
    message(socket, data, opcode) {
      const text = data.length < 32 ? data.toString() : ''
      return act(socket, text) ?? void socket.write(data, opcode)
    },
    drained: flood,
    async closed(socket) {
      account.closed(socket.state.n)
      account.pendingClosed.add(socket.state.n)
      await wait(CLOSED_MS)
      account.pendingClosed.delete(socket.state.n)
    },
  }
}

function decide(what: string, state: State, decisions: Decisions): HandshakeResult<State> {
  const [verb, status] = what.split('-')
  const later = async <T>(result: () => T): Promise<T> => {
    await decisions.made(state.n)
    return result()
  }
  if (verb === 'reject') return reject(Number(status), 'on_purpose')
  if (verb === 'throw') throw new OnPurpose('handshake')
  if (verb === 'never') return new Promise<State>(() => {})
  if (verb === 'later') return later(() => state)
  if (verb === 'laterreject') return later(() => reject(Number(status), 'on_purpose'))
  if (verb === 'laterthrow') {
    return later(() => {
      throw new OnPurpose('handshake, later')
    })
  }
  return state
}

/** What a message asks for; undefined: nothing, it is echoed. */
function act(socket: Socket<State>, text: string): Promise<unknown> | true | undefined {
  if (text === 'hang') return wait(HANG_MS)
  if (text === 'hang for ever') return new Promise(() => {})
  if (text === 'throw') throw new OnPurpose('message')
  if (text === 'close') socket.close(4000, 'asked for')
  else if (text === 'terminate') socket.terminate()
  else if (text === 'overflow') while (socket.write(FRAME) !== 'closed');
  else if (text === 'flood') {
    socket.state.left = FLOOD_FRAMES
    flood(socket)
  } else return undefined
  return true
}

/** Writes as much as is taken, and goes on when that is gone. */
function flood(socket: Socket<State>): void {
  while (socket.state.left > 0 && socket.readyState === 'open') {
    socket.state.left--
    if (socket.write(FRAME) !== 'ok') return
  }
}
