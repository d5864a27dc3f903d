// The server under soak, in a process of its own with --expose-gc: rooms by `join`, `say` and `leave`, on a port of its own
// and attached to an http server. On demand it says what is left in it, and at the end it closes everything and must end by
// itself.

import type { EventEmitter } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, Socket as TcpSocket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { queryObjects } from 'node:v8'
import { createChannels } from '@roomcast/channels'
import { createServer, type Handler, type Socket } from '@roomcast/core'

/** What is in the process after a forced garbage collection. */
export interface Sample {
  /** The JavaScript heap and what it holds outside of it. */
  heapBytes: number
  /** By the servers' own count, and by going through them. */
  sockets: number
  pendingHandshakes: number
  channels: number
  /** Objects of the garbage-collected heap: TCP sockets, the library's sockets, timers. */
  tcpSocketObjects: number
  socketObjects: number
  timerObjects: number
  /** On the http server and on the process. */
  listeners: number
  /** What keeps the event loop alive, by kind. */
  resources: Record<string, number>
  /** Sockets that came and went. */
  closed: number
  errors: string[]
}

type Any = abstract new (...args: never[]) => unknown

const channels = createChannels()
const errors: string[] = []
/** The class of the library's sockets, which it does not export. */
let SocketClass: Any | undefined

const handler: Handler<undefined, undefined> = {
  opened(socket) {
    SocketClass = socket.constructor as Any
  },
  message(socket, data) {
    const [verb = '', room = '', text = ''] = data.toString().split(' ')
    if (verb === 'join') socket.write(channels.join(room, socket))
    else if (verb === 'say') channels.broadcast(room, text)
    else socket.write(`${channels.leave(room, socket)}`)
  },
}
const onError = (error: unknown): void => void errors.push(String(error))
const own = createServer({ port: 0, host: '127.0.0.1', handler, onError })
const http = createHttpServer()
const attached = createServer({ server: http, handler, onError })
// Node opens it when the first TCP connection breaks: before anything is counted, that is now.
process.stderr.on('error', () => {})
const Timer = setTimeout(() => {}, 0).constructor as Any

async function sample(): Promise<Sample> {
  // What ended in this turn is let go of in the next ones; objects with finalizers take two collections.
  for (let i = 0; i < 4; i++) {
    await turn()
    globalThis.gc?.()
  }
  const { heapUsed, external } = process.memoryUsage()
  const [a, b] = [own.stats(), attached.stats()]
  const resources: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1
  return {
    heapBytes: heapUsed + external,
    sockets: a.sockets + b.sockets + count(own.sockets) + count(attached.sockets),
    pendingHandshakes: a.pendingHandshakes + b.pendingHandshakes,
    channels: channels.channelCount,
    tcpSocketObjects: live(TcpSocket),
    socketObjects: SocketClass === undefined ? 0 : live(SocketClass),
    timerObjects: live(Timer),
    listeners: listenersOf(http) + listenersOf(process),
    resources,
    closed: [a, b].flatMap(({ closes }) => Object.values(closes)).reduce((sum, n) => sum + n, 0),
    errors,
  }
}

function count(sockets: Iterable<Socket>): number {
  return [...sockets].length
}

function live(Class: Any): number {
  return queryObjects(Class as never, { format: 'count' }) as unknown as number
}

function listenersOf(emitter: EventEmitter): number {
  return emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0)
}

/** The parent is gone: nobody asks any more. */
function onOrphaned(): void {
  process.exit(1)
}

async function close(): Promise<void> {
  await Promise.all([own.close(), attached.close(), channels.close()])
  http.close()
  process.off('disconnect', onOrphaned)
  process.disconnect()
}

process.on('disconnect', onOrphaned)
process.on('message', async (question: 'sample' | 'close') => {
  if (question === 'sample') process.send?.(await sample())
  else await close()
})
const { port } = await own.listen()
await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', () => resolve()))
process.send?.({ ports: [port, (http.address() as AddressInfo).port] })
