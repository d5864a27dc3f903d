// The server under attack, in a process of its own, with the built packages. Its parent sends it functions: one that makes
// the options of the server, others that look at it from the inside. They are self-contained, as only their source comes.
// What reaches the process as an uncaught error is reported, and is a failure of the row.

import crypto from 'node:crypto'
import http from 'node:http'
import net from 'node:net'
import { runInThisContext } from 'node:vm'
import * as channels from '@roomcast/channels'
import * as core from '@roomcast/core'

/** The path of the healthy client: a row's own handler never meets it. */
const BYSTANDER = '/bystander'

/** What functions are given of the world. */
export interface Kit {
  core: typeof core
  channels: typeof channels
  /** Loads the program, for rows about it: its modules are a heap that the others would collect, too. */
  roomcast(): Promise<typeof import('roomcast')>
  http: typeof http
  net: typeof net
  crypto: typeof crypto
  /** Any module, by its file URL. */
  load(url: string): Promise<Record<string, (...args: never[]) => unknown>>
  /** Bytes in use after garbage collection. */
  memory(): Promise<Memory>
  /** The largest t(2N)/t(N) between neighbours in `sizes`, each twice the one before; of nine tries the median. */
  linear(sizes: readonly number[], work: (size: number) => unknown): Promise<number>
  /** Notes that go from one function to the next. */
  notes: Record<string, unknown>
  errors: string[]
}

/** After garbage collection; `used` is heap and external together. */
export interface Memory {
  rss: number
  used: number
}

export type Options = Omit<core.ServerOptions<unknown, unknown>, 'handler'> & {
  handler?: Partial<core.Handler<unknown, unknown>>
}

export interface Inside extends Kit {
  server: core.Server
}

/** What the parent sends: the source of a function, and its argument. The first one makes the options. */
export interface Order {
  id: number
  source: string
  argument: unknown
}

export type Reply = { id: number; value: unknown } | { id: number; error: string } | { escaped: string }

let inside: Inside | undefined
const kit: Kit = {
  core,
  channels,
  roomcast: () => import('roomcast'),
  http,
  net,
  crypto,
  load: (url) => import(url) as ReturnType<Kit['load']>,
  memory,
  linear,
  notes: {},
  errors: [],
}

async function memory(): Promise<Memory> {
  for (let i = 0; i < 4; i++) {
    globalThis.gc!()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { rss, heapUsed, external } = process.memoryUsage()
  return { rss, used: heapUsed + external }
}

async function linear(sizes: readonly number[], work: (size: number) => unknown): Promise<number> {
  const measure = async (size: number, times: number): Promise<number> => {
    const { user, system } = process.cpuUsage()
    for (let i = 0; i < times; i++) {
      const result = work(size)
      if (result instanceof Promise) await result
    }
    const used = process.cpuUsage({ user, system })
    return (used.user + used.system) / 1000 / times
  }
  await measure(sizes.at(-1)!, 3)
  // Long enough for a clock of microseconds.
  const times = Math.ceil(5 / Math.max(0.0005, await measure(sizes[0]!, 20)))
  // Each quotient is of two times measured one right after the other: a core that is slow or fast for a while is so for
  // both. Where it changes between them, that one quotient is off, and the median is not.
  const quotients: number[][] = sizes.slice(1).map(() => [])
  for (let round = 0; round < 9; round++) {
    const took: number[] = []
    for (const size of sizes) took.push(await measure(size, times))
    for (const [i, found] of quotients.entries()) found.push(took[i + 1]! / took[i]!)
  }
  return Math.max(...quotients.map((found) => found.sort((a, b) => a - b)[4]!))
}

/** The row's handler for everybody but the bystander, who is echoed. */
function sparing(row: Partial<core.Handler<unknown, unknown>>): core.Handler<unknown, unknown> {
  const isBystander = ({ path }: { path: string }): boolean => path === BYSTANDER
  const echo: core.Handler<unknown, unknown>['message'] = (socket, data, opcode) => void socket.write(data, opcode)
  const handler: core.Handler<unknown, unknown> = {
    message: (socket, data, opcode) =>
      row.message === undefined || isBystander(socket) ? echo(socket, data, opcode) : row.message(socket, data, opcode),
    opened: (socket) => (isBystander(socket) ? undefined : row.opened?.(socket)),
    drained: (socket) => (isBystander(socket) ? undefined : row.drained?.(socket)),
    closed: (socket, info) => (isBystander(socket) ? undefined : row.closed?.(socket, info)),
  }
  if (row.init !== undefined) handler.init = row.init
  const { handshake } = row
  if (handshake !== undefined) {
    handler.handshake = (request, state) => (isBystander(request) ? core.accept(state) : handshake(request, state))
  }
  return handler
}

async function begin(make: (kit: Kit, argument: unknown) => Options | Promise<Options>, argument: unknown) {
  const { handler = {}, ...options } = await make(kit, argument)
  const place = options.server === undefined && options.unix === undefined ? { port: 0, host: '127.0.0.1' } : {}
  const server = core.createServer<unknown, unknown>({
    onError: (error) => void kit.errors.push(String(error)),
    ...place,
    ...options,
    handler: sparing(handler),
  })
  inside = { ...kit, server }
  if (options.server === undefined) return (await server.listen()).port
  const attached = options.server
  await new Promise<void>((resolve) => attached.listen({ port: 0, host: '127.0.0.1' }, resolve))
  return (attached.address() as net.AddressInfo).port
}

async function obey({ source, argument }: Order): Promise<unknown> {
  const work = runInThisContext(`(${source})`)
  return inside === undefined ? begin(work, argument) : work(inside, argument)
}

const send = (reply: Reply): void => void process.send?.(reply)

for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error: unknown) => send({ escaped: `${event}: ${error}` }))
}
process.on('message', (order: Order) => {
  obey(order).then(
    (value) => send({ id: order.id, value }),
    (error: unknown) => send({ id: order.id, error: error instanceof Error ? `${error.stack}` : String(error) }),
  )
})
