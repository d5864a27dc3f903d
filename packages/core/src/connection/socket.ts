// What a handler calls a socket, and nothing else: the machinery of the connection stays behind it.

import type { ReadyState, Socket, WriteResult } from '../handler.ts'
import type { Framed, Opcode, Payload } from '../protocol/framed.ts'

/** The connection behind a socket. */
export interface SocketOwner {
  readonly readyState: ReadyState
  readonly bufferedBytes: number
  write(data: Payload | Framed, opcode: Opcode | undefined): WriteResult
  ping(payload: string | ArrayBufferView): WriteResult
  close(code: number, reason: string): void
  terminate(): void
  pause(): void
  resume(): void
  onClosing(listener: () => void): () => void
}

export class ConnectionSocket<S> implements Socket<S> {
  state: S
  readonly path: string
  readonly remoteAddress: string
  readonly subprotocol: string
  readonly #owner: SocketOwner

  constructor(
    owner: SocketOwner,
    { state, path, remoteAddress, subprotocol }: Pick<Socket<S>, 'state' | 'path' | 'remoteAddress' | 'subprotocol'>,
  ) {
    this.#owner = owner
    this.state = state
    this.path = path
    this.remoteAddress = remoteAddress
    this.subprotocol = subprotocol
  }

  get readyState(): ReadyState {
    return this.#owner.readyState
  }

  get bufferedBytes(): number {
    return this.#owner.bufferedBytes
  }

  write(data: Payload | Framed, opcode?: Opcode): WriteResult {
    return this.#owner.write(data, opcode)
  }

  ping(payload: string | ArrayBufferView = ''): WriteResult {
    return this.#owner.ping(payload)
  }

  close(code = 1000, reason = ''): void {
    this.#owner.close(code, reason)
  }

  terminate(): void {
    this.#owner.terminate()
  }

  pause(): void {
    this.#owner.pause()
  }

  resume(): void {
    this.#owner.resume()
  }

  onClosing(listener: () => void): () => void {
    return this.#owner.onClosing(listener)
  }
}
