// A client of permessage-deflate that keeps its context as real ones do: one zlib stream for all of its messages, flushed at
// the end of each (RFC 7692 §7.2.1).

import { Buffer } from 'node:buffer'
import { constants, createDeflateRaw, type DeflateRaw, type ZlibOptions } from 'node:zlib'

export class KeepingClient {
  readonly #deflate: DeflateRaw
  readonly #chunks: Buffer[] = []

  constructor(options: Pick<ZlibOptions, 'windowBits' | 'level' | 'memLevel' | 'strategy'> = {}) {
    this.#deflate = createDeflateRaw(options)
    this.#deflate.on('data', (chunk: Buffer) => this.#chunks.push(chunk))
  }

  /** The payload of its next message, compressed. */
  async compress(message: string | Uint8Array): Promise<Buffer> {
    this.#deflate.write(message)
    await new Promise<void>((resolve) => this.#deflate.flush(constants.Z_SYNC_FLUSH, resolve))
    return Buffer.concat(this.#chunks.splice(0)).subarray(0, -4)
  }

  /** Forgets what it sent, as a client may at any time. */
  async forget(): Promise<void> {
    await new Promise<void>((resolve) => this.#deflate.flush(constants.Z_FULL_FLUSH, resolve))
    this.#chunks.length = 0
    this.#deflate.reset()
  }

  close(): void {
    this.#deflate.close()
  }
}
