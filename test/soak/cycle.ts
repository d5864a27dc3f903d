// One cycle of a client, as bytes: connect, handshake, join two rooms, say something and hear it, leave, close. Every tenth
// ends rudely instead: no leave, no Close, a TCP reset.

import { Buffer } from 'node:buffer'
import { connect } from 'node:net'
import { clientFrame, closeBody, Op, serverFrame } from '../support/client-frames.ts'
import { inTime } from '../support/log.ts'
import { handshakeText } from '../support/raw-client.ts'

const HANDSHAKE = handshakeText()
const RUDE_EVERY = 10
const ROOMS = 50

function text(...messages: string[]): Buffer {
  return Buffer.concat(messages.map((payload) => clientFrame({ opcode: Op.TEXT, payload })))
}

function heard(...messages: string[]): Buffer {
  return Buffer.concat(messages.map((payload) => serverFrame(0x81, payload)))
}

function endOfHead(bytes: Buffer): number {
  const at = bytes.indexOf('\r\n\r\n')
  return at < 0 ? -1 : at + 4
}

/** @throws Error when an answer is wrong or does not come. */
export async function runCycle(port: number, number: number): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  let received: Buffer = Buffer.alloc(0)
  let notify = (): void => {}
  socket.on('error', () => {})
  socket.on('close', () => notify())
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
    notify()
  })
  /** Sends, and takes what comes back up to where `ends` says; -1: not yet. */
  const exchange = async (sent: string | Buffer, ends: (bytes: Buffer) => number): Promise<Buffer> => {
    socket.write(sent)
    const end = await inTime(
      new Promise<number>((resolve, reject) => {
        notify = () => {
          const at = ends(received)
          if (at >= 0) resolve(at)
          else if (socket.destroyed) reject(new Error(`cycle ${number} was cut off`))
        }
        notify()
      }),
      `the next answer of cycle ${number}`,
    )
    const answer = received.subarray(0, end)
    received = received.subarray(end)
    return answer
  }
  const expect = async (sent: Buffer, answer: Buffer): Promise<void> => {
    const got = await exchange(sent, (bytes) => (bytes.length >= answer.length ? answer.length : -1))
    if (!got.equals(answer)) throw new Error(`cycle ${number} got ${got.toString('latin1')}`)
  }
  try {
    const head = await exchange(HANDSHAKE, endOfHead)
    if (!head.toString('latin1').startsWith('HTTP/1.1 101 ')) throw new Error(`cycle ${number} got ${head}`)
    // One room of its own, and one that others are in: what they say there is not for this client to wait for.
    const [own, shared] = [`own-${number}`, `shared-${number % ROOMS}`]
    await expect(text(`join ${own}`, `say ${own} hello-${number}`), heard('joined', `hello-${number}`))
    await expect(text(`join ${shared}`), heard('joined'))
    if (number % RUDE_EVERY === 0) {
      socket.resetAndDestroy()
    } else {
      await expect(text(`leave ${shared}`, `leave ${own}`), heard('true', 'true'))
      const close = closeBody(1000)
      await expect(clientFrame({ opcode: Op.CLOSE, payload: close }), serverFrame(0x88, close))
    }
    await inTime(closed, `the end of cycle ${number}`)
  } finally {
    socket.destroy()
  }
}
