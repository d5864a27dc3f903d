// One TCP connection as short as can be: some writes, and everything that came back until the server ended it. And the
// bystander: a client that behaves, on the same server all the time, whose messages must all come back.

import { Buffer } from 'node:buffer'
import { connect, type Socket } from 'node:net'
import { clientFrame, Op, serverFrame } from '../support/client-frames.ts'
import { inTime } from '../support/log.ts'
import { handshakeText } from '../support/raw-client.ts'

export interface Visit {
  readonly port: number
  /** What is sent, each in a write of its own. */
  readonly writes: readonly Buffer[]
  /** Bytes to come before we end our side; default: we end it after the last write. */
  readonly waitFor?: number
}

/** All that the server sent, and 'fin' where it ended the connection, 'reset' where it broke it. */
export interface Seen {
  readonly bytes: Buffer
  readonly end: 'fin' | 'reset'
}

/** @throws Error when the bytes or the end do not come in time. */
export async function visit({ port, writes, waitFor }: Visit): Promise<Seen> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  const chunks: Buffer[] = []
  let end: Seen['end'] = 'fin'
  let length = 0
  let written = false
  const finish = (): void => {
    if (written && length >= (waitFor ?? 0)) socket.end()
  }
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('error', () => {
    end = 'reset'
  })
  socket.on('data', (chunk) => {
    chunks.push(chunk)
    length += chunk.length
    finish()
  })
  // The server was first: ours follows.
  socket.on('end', () => socket.end())
  try {
    for (const bytes of writes) {
      if (socket.writable) socket.write(bytes)
      await new Promise((resolve) => setImmediate(resolve))
    }
    written = true
    finish()
    await inTime(closed, `the end of a connection that sent ${Buffer.concat(chunks).toString('hex')}`)
  } finally {
    socket.destroy()
  }
  return { bytes: Buffer.concat(chunks), end }
}

/** A client of an echo server that stays. It connects when it is first heard, and again after `end`. */
export class Bystander {
  readonly #port: number
  #socket: Socket | null = null
  #received: Buffer = Buffer.alloc(0)
  #count = 0
  #notify = (): void => {}

  constructor(port: number) {
    this.#port = port
  }

  /** Says something and gets it back: null. What went wrong otherwise. */
  async wrong(): Promise<string | null> {
    const text = `bystander ${this.#count++}`
    const echo = serverFrame(0x81, text)
    try {
      const socket = this.#socket ?? (await this.#connect())
      socket.write(clientFrame({ opcode: Op.TEXT, payload: text }))
      await this.#until(text, (bytes) => bytes.length >= echo.length)
    } catch (error) {
      return String(error)
    }
    if (!this.#received.equals(echo)) return `the bystander got ${this.#received.toString('hex')}`
    this.#received = Buffer.alloc(0)
    return null
  }

  end(): void {
    this.#socket?.destroy()
    this.#socket = null
    this.#received = Buffer.alloc(0)
  }

  async #connect(): Promise<Socket> {
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true })
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#notify()
    })
    socket.write(handshakeText())
    await this.#until('the answer to a bystander', (bytes) => bytes.includes('\r\n\r\n'))
    this.#received = this.#received.subarray(this.#received.indexOf('\r\n\r\n') + 4)
    return socket
  }

  #until(what: string, holds: (bytes: Buffer) => boolean): Promise<void> {
    const come = new Promise<void>((resolve) => {
      this.#notify = () => {
        if (holds(this.#received)) resolve()
      }
      this.#notify()
    })
    return inTime(come, what)
  }
}
