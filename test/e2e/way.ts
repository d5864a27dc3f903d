// The way between a browser and a server, that a test can break: another server at its end, cut, or gone without a word.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** A TCP proxy on a port of its own. */
export class Way {
  readonly #server: Server
  readonly #pairs = new Set<readonly [near: Socket, far: Socket]>()
  #isSilent = false
  /** Connections ever taken. */
  taken = 0
  /** The port it leads to; undefined: nowhere, and who comes is cut off. */
  to: number | undefined

  private constructor(to: number) {
    this.to = to
    this.#server = createServer((socket) => this.#take(socket))
  }

  static async start(to: number): Promise<Way> {
    const way = new Way(to)
    way.#server.listen(0, '127.0.0.1')
    await once(way.#server, 'listening')
    return way
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Nothing passes any more, and nobody is told. */
  silence(): void {
    this.#isSilent = true
    for (const pair of this.#pairs) for (const socket of pair) socket.pause()
  }

  /** Who comes from now on gets through; what was silenced stays so. */
  heal(): void {
    this.#isSilent = false
  }

  /** Ends what is there. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
  }

  async close(): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #take(near: Socket): void {
    this.taken++
    if (this.to === undefined) return void near.destroy()
    const far = connect(this.to, '127.0.0.1')
    const pair = [near, far] as const
    this.#pairs.add(pair)
    for (const [from, to] of [pair, [far, near] as const]) {
      from.on('error', () => {})
      from.on('close', () => {
        this.#pairs.delete(pair)
        to.destroy()
      })
      if (this.#isSilent) from.pause()
      else from.on('data', (chunk: Buffer) => to.write(chunk))
    }
  }
}
