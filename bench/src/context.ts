// What it costs to understand clients that keep their compression context: memory for each connection that has sent more
// than its window holds, and CPU for each message, beside clients that keep none. All clients send the same JSON messages,
// so one zlib stream of ours compresses for all of them.

import { once } from 'node:events'
import net from 'node:net'
import { constants, createDeflateRaw, deflateRawSync } from 'node:zlib'
import { ask, firstLine, SERVER_CORE, startChild, stopChild } from './child.ts'
import { jsonOf } from './deflated.ts'
import { failuresOf, ratio, type Series, spread, type Table, timesText } from './report.ts'
import type { Held, ServerSample } from './servers/serve.ts'

/** What a client may keep, what it offers for that, and its window. */
export const CONTEXTS = {
  none: { offer: 'permessage-deflate; client_no_context_takeover', windowBits: 15, keeps: false },
  '12 bits': { offer: 'permessage-deflate; client_max_window_bits', windowBits: 12, keeps: true },
  '15 bits': { offer: 'permessage-deflate', windowBits: 15, keeps: true },
} as const

export type ContextName = keyof typeof CONTEXTS

/** What one connection comes to. */
export interface ContextCosts extends Held {
  /** Of the server's process, all of it: the reading too. */
  cpuUsPerMessage: number
  bytesPerMessage: number
}

const WARM_UP_CLIENTS = 200
const CLIENTS = 1000
/** Together more than 32 KiB. */
const MESSAGES = 50
const MESSAGE_BYTES = 1040

/** Measures one kind of client once, in a new process. */
export async function measureContext(name: ContextName): Promise<ContextCosts> {
  const frames = await framesOf(name)
  const server = startChild('./servers/context.js', { args: [], core: SERVER_CORE, runtimeArgs: ['--expose-gc'] })
  const sockets: net.Socket[] = []
  try {
    const { port } = JSON.parse(await firstLine(server)) as { port: number }
    const connect = async (count: number): Promise<net.Socket[]> => {
      const some: net.Socket[] = []
      for (let i = 0; i < count; i++) some.push(await openSocket(port, CONTEXTS[name].offer))
      sockets.push(...some)
      return some
    }
    const say = async (some: readonly net.Socket[]): Promise<void> => {
      const wanted = (await ask<number>(server, 'messages')) + some.length * frames.length
      for (const frame of frames) {
        for (const socket of some) socket.write(frame)
        await new Promise(setImmediate)
      }
      while ((await ask<number>(server, 'messages')) < wanted) await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await say(await connect(WARM_UP_CLIENTS))
    const before = await ask<Held>(server, 'held')
    const clients = await connect(CLIENTS)
    const began = await ask<ServerSample>(server, 'sample')
    await say(clients)
    const ended = await ask<ServerSample>(server, 'sample')
    const after = await ask<Held>(server, 'held')
    return {
      heapBytes: (after.heapBytes - before.heapBytes) / CLIENTS,
      externalBytes: (after.externalBytes - before.externalBytes) / CLIENTS,
      rssBytes: (after.rssBytes - before.rssBytes) / CLIENTS,
      cpuUsPerMessage: ((ended.cpuMs - began.cpuMs) * 1000) / (CLIENTS * frames.length),
      bytesPerMessage: Buffer.concat(frames).length / frames.length,
    }
  } finally {
    // The server first: the side that closes keeps the pair of ports for a minute.
    await stopChild(server)
    for (const socket of sockets) socket.destroy()
  }
}

/** What it comes to, as a table. */
export function contextTable(about: string, all: readonly Series<ContextCosts>[]): Table {
  const heads = ['context', 'heap + outside KiB', 'RSS KiB', 'CPU µs/message', 'CPU, of none', 'B/message']
  const [none] = all
  const lines = all.map((series) => {
    const cell = (figure: (costs: ContextCosts) => number, scale: number, digits: number): string =>
      spread(series.rounds.map(figure), scale, digits)
    return [
      series.server,
      cell(({ heapBytes, externalBytes }) => heapBytes + externalBytes, 1 / 1024, 1),
      cell(({ rssBytes }) => rssBytes, 1 / 1024, 1),
      cell(({ cpuUsPerMessage }) => cpuUsPerMessage, 1, 1),
      timesText(none && ratio(series, none, ({ cpuUsPerMessage }) => cpuUsPerMessage)),
      cell(({ bytesPerMessage }) => bytesPerMessage, 1, 0),
    ]
  })
  return { name: 'context', about, lines: [heads, ...lines], notes: failuresOf(all) }
}

/** The frames that one client sends. */
async function framesOf(name: ContextName): Promise<Buffer[]> {
  const { windowBits, keeps } = CONTEXTS[name]
  const stream = createDeflateRaw({ windowBits })
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  const frames: Buffer[] = []
  for (let number = 0; number < MESSAGES; number++) {
    const json = jsonOf(0, number, MESSAGE_BYTES)
    if (keeps) {
      stream.write(json)
      await new Promise<void>((resolve) => stream.flush(constants.Z_SYNC_FLUSH, resolve))
    } else {
      chunks.push(deflateRawSync(json, { windowBits, finishFlush: constants.Z_SYNC_FLUSH }))
    }
    frames.push(frameOf(Buffer.concat(chunks.splice(0)).subarray(0, -4)))
  }
  stream.close()
  return frames
}

/** A compressed text as a frame, masked with zeros. */
function frameOf(payload: Buffer): Buffer {
  const { length } = payload
  const size = length < 126 ? [0x80 | length] : [0x80 | 126, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([0xc1, ...size, 0, 0, 0, 0]), payload])
}

async function openSocket(port: number, offer: string): Promise<net.Socket> {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
  socket.write(
    `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n' +
      `Sec-WebSocket-Extensions: ${offer}\r\n\r\n`,
  )
  const [head] = (await once(socket, 'data')) as [Buffer]
  if (!head.includes('permessage-deflate')) throw new Error(`handshake refused: ${head}`)
  return socket.resume()
}
