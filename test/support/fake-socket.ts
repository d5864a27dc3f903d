// A socket with no network under it: it records what was written and answers as it is told. It keeps core's promises on
// `readyState` and `onClosing`, so registries can be tested against it by the million.

import type { Framed, Opcode, Payload, ReadyState, Socket, WriteResult } from '@roomcast/core'
import { frame } from '@roomcast/core'

/** One message of a frame: text as a string, binary as bytes. */
export function messageOf({ bytes }: Framed): string | Buffer {
  const length = bytes[1]!
  const payload = bytes.subarray(length < 126 ? 2 : length === 126 ? 4 : 10)
  return bytes[0] === 0x81 ? payload.toString() : payload
}

export class FakeSocket<S = undefined> implements Socket<S> {
  state: S
  readyState: ReadyState = 'open'
  readonly bufferedBytes = 0
  readonly path = '/'
  readonly remoteAddress = '127.0.0.1'
  readonly subprotocol = ''
  /** What writes answer while the socket is open; `'closed'` makes it close, as a slow consumer does. */
  answer: WriteResult = 'ok'
  /** What was accepted. */
  readonly frames: Framed[] = []
  /** Calls of `close` that took effect. */
  readonly closes: { code: number; reason: string }[] = []
  /** The closing listeners there are, and how many were ever given. */
  readonly listeners: Set<() => void> = new Set()
  listenersGiven = 0

  constructor(...[state]: undefined extends S ? [state?: S] : [state: S]) {
    this.state = state as S
  }

  get messages(): (string | Buffer)[] {
    return this.frames.map(messageOf)
  }

  write(data: Payload | Framed, opcode?: Opcode): WriteResult {
    const framed = frame(data, opcode)
    if (this.readyState !== 'open') return 'closed'
    if (this.answer === 'closed') this.close(4008, 'slow consumer')
    else if (this.answer !== 'dropped') this.frames.push(framed)
    return this.answer
  }

  ping(): WriteResult {
    return this.readyState === 'open' ? 'ok' : 'closed'
  }

  close(code = 1000, reason = ''): void {
    if (this.readyState !== 'open') return
    this.closes.push({ code, reason })
    this.#leaveOpen('closing')
  }

  terminate(): void {
    if (this.readyState === 'open') this.#leaveOpen('closed')
    this.readyState = 'closed'
  }

  pause(): void {}

  resume(): void {}

  onClosing(listener: () => void): () => void {
    this.listenersGiven++
    if (this.readyState !== 'open') {
      listener()
      return () => {}
    }
    // A function of its own, so that the same listener can be given twice.
    const entry = (): void => listener()
    this.listeners.add(entry)
    return () => this.listeners.delete(entry)
  }

  #leaveOpen(state: ReadyState): void {
    this.readyState = state
    for (const listener of this.listeners) {
      this.listeners.delete(listener)
      listener()
    }
  }
}

/** So many open sockets. */
export function fakeSockets(count: number): FakeSocket[] {
  return Array.from({ length: count }, () => new FakeSocket())
}
