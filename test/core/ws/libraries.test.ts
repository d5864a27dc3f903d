// The second table of core's README: libraries that are put on a WebSocketServer of ws work on the facade, in their newest
// versions and with their own clients.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { WebSocketServer } from '@roomcast/core/ws'
import { createTRPCClient, createWSClient, wsLink } from '@trpc/client'
import { initTRPC } from '@trpc/server'
import { applyWSSHandler } from '@trpc/server/adapters/ws'
import { createClient } from 'graphql-ws'
import { useServer } from 'graphql-ws/use/ws'
import { Server as SocketIo } from 'socket.io'
import { io } from 'socket.io-client'
import { afterEach, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { inTime, Log } from '../../support/log.ts'
import { endSides, listen, track } from './sides.ts'

afterEach(endSides)

interface Library {
  /** The first cells of its row: the package with its major version, and how the facade comes in. */
  row: readonly [name: string, how: string]
  /** What is tested, which is the last cell. */
  claims: Readonly<Record<string, () => Promise<void>>>
}

/** A server on a port of its own, and its URL. */
async function servePort() {
  const wss = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  track(wss as never)
  await once(wss, 'listening')
  return { wss, url: `ws://127.0.0.1:${(wss.address() as AddressInfo).port}` }
}

// graphql-ws is given what node resolves, and takes no schema of another copy; Vitest would import another file of it.
const require = createRequire(import.meta.url)
const { GraphQLObjectType, GraphQLSchema, GraphQLString }: typeof import('graphql') = require('graphql')

const schema = new GraphQLSchema({
  query: new GraphQLObjectType({ name: 'Query', fields: { hello: { type: GraphQLString, resolve: () => 'world' } } }),
  subscription: new GraphQLObjectType({
    name: 'Subscription',
    fields: {
      greetings: {
        type: GraphQLString,
        async *subscribe() {
          for (const greetings of ['hi', 'bonjour', 'hola']) yield { greetings }
        },
      },
    },
  }),
})

async function serveGraphQl() {
  const { wss, url } = await servePort()
  const closed = new Log<string>('closed')
  const server = useServer({ schema, onClose: (_, code, reason) => closed.push(`${code} ${reason}`) }, wss as never)
  const connect = (more = {}) => createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0, ...more })
  return { url, server, closed, connect }
}

async function answers(client: ReturnType<typeof createClient>, query: string): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const { data } of client.iterate({ query })) all.push(data)
  return all
}

const graphql: Library = {
  row: ['graphql-ws 6', '`useServer({ schema }, wss)`, of `graphql-ws/use/ws`'],
  claims: {
    async 'queries and subscriptions'() {
      const { connect, closed } = await serveGraphQl()
      const client = connect()
      expect(await answers(client, '{ hello }')).toEqual([{ hello: 'world' }])
      const greetings = ['hi', 'bonjour', 'hola'].map((one) => ({ greetings: one }))
      expect(await answers(client, 'subscription { greetings }')).toEqual(greetings)
      await closed.find((told) => told === '1000 Normal Closure')
    },
    async 'its refusals'() {
      const { url, closed } = await serveGraphQl()
      const without = new WebSocket(url)
      expect((await once(without, 'close'))[0]).toBe(4406)
      const junk = new WebSocket(url, 'graphql-transport-ws')
      await once(junk, 'open')
      junk.send('junk')
      expect((await once(junk, 'close'))[0]).toBe(4400)
      expect(await closed.count(2)).toEqual(['4406 Subprotocol not acceptable', '4400 Invalid message received'])
    },
    async 'the end'() {
      const { server, connect } = await serveGraphQl()
      const events = new Log<unknown>('events')
      connect({
        lazy: false,
        onNonLazyError() {},
        on: {
          connected: () => events.push('connected'),
          closed: ({ code }: { code: number }) => events.push(code),
        },
      })
      await events.at(0)
      await server.dispose()
      expect(await events.at(1)).toBe(1001)
    },
  },
}

function createRouter(ended: Log<string>) {
  const t = initTRPC.context<{ token: string | undefined }>().create()
  return t.router({
    hello: t.procedure.input(String).query(({ input, ctx }) => `hello ${input}, ${ctx.token}`),
    ticks: t.procedure.subscription(async function* ({ signal }) {
      for (let n = 0; !signal?.aborted; n++) {
        yield n
        await new Promise((resolve) => setImmediate(resolve))
      }
      ended.push('ended')
    }),
  })
}

async function serveTrpc() {
  const { wss, url } = await servePort()
  const ended = new Log<string>('ended')
  const events = new Log<string>('events')
  const router = createRouter(ended)
  const createContext = ({ info }: { info: { connectionParams: Record<string, unknown> | null } }) => ({
    token: info.connectionParams?.token as string | undefined,
  })
  const handler = applyWSSHandler({ wss: wss as never, router, createContext })
  const socket = createWSClient({
    url,
    WebSocket: WebSocket as never,
    connectionParams: { token: 'secret' },
    retryDelayMs: () => 0,
    onOpen: () => events.push('open'),
  })
  const client = createTRPCClient<typeof router>({ links: [wsLink({ client: socket })] })
  return { handler, client, socket, ended, events }
}

const trpc: Library = {
  row: ['@trpc/server 11', '`applyWSSHandler({ wss, router, createContext })`, of `@trpc/server/adapters/ws`'],
  claims: {
    async 'queries and subscriptions'() {
      const { client, socket, ended } = await serveTrpc()
      expect(await client.hello.query('leto')).toBe('hello leto, secret')
      const ticks = new Log<number>('ticks')
      const subscription = client.ticks.subscribe(undefined, { onData: (n) => ticks.push(n) })
      expect((await ticks.count(3)).slice(0, 3)).toEqual([0, 1, 2])
      subscription.unsubscribe()
      await ended.at(0)
      await socket.close()
    },
    async 'a peer that leaves ends its subscriptions'() {
      const { client, socket, ended } = await serveTrpc()
      const ticks = new Log<number>('ticks')
      client.ticks.subscribe(undefined, { onData: (n) => ticks.push(n) })
      await ticks.at(0)
      void socket.close()
      await ended.at(0)
    },
    async 'reconnecting at its word'() {
      const { handler, client, socket, events } = await serveTrpc()
      expect(await client.hello.query('leto')).toBe('hello leto, secret')
      handler.broadcastReconnectNotification()
      await events.count(2)
      expect(await client.hello.query('again')).toBe('hello again, secret')
      await socket.close()
    },
  },
}

class Engine extends WebSocketServer {
  constructor({ maxPayload }: { maxPayload: number }) {
    super({ noServer: true, maxMessageBytes: maxPayload })
  }
}

async function serveSocketIo() {
  const web = createServer()
  const server = new SocketIo(web, { wsEngine: Engine, maxHttpBufferSize: 2_000_000 })
  const events = new Log<string>('events')
  server.on('connection', (socket) => {
    socket.conn.on('upgrade', ({ name }) => events.push(`upgraded to ${name}`))
    socket.on('disconnect', (reason) => events.push(reason))
    socket.on('echo', (value, callback) => callback(value))
    socket.on('say', (value) => {
      socket.join('room')
      server.to('room').emit('said', value)
    })
  })
  const url = `http://127.0.0.1:${await listen(web)}`
  const connect = (...transports: string[]) => io(url, { transports, forceNew: true, reconnection: false })
  return { server, events, connect }
}

const socketIo: Library = {
  row: [
    'socket.io 4',
    '`new Server(http, { wsEngine })`: a class whose constructor calls `super({ noServer: true, maxMessageBytes: maxPayload })`',
  ],
  claims: {
    async 'text and bytes, acknowledged'() {
      const { server, connect } = await serveSocketIo()
      const client = connect('websocket')
      for (const value of ['héllo', { x: [1] }, Buffer.alloc(70_000, 7)]) {
        expect(await client.emitWithAck('echo', value)).toEqual(value)
      }
      await server.close()
    },
    async 'its upgrade from polling, its rooms'() {
      const { server, events, connect } = await serveSocketIo()
      const clients = [connect('polling', 'websocket'), connect('websocket')]
      await events.find((event) => event === 'upgraded to websocket')
      const said = clients.map((client) => {
        const log = new Log<string>('said')
        client.on('said', (value) => log.push(value))
        client.emit('say', 'hello')
        return log
      })
      for (const log of said) expect(await log.at(0)).toBe('hello')
      await server.close()
    },
    async 'the end'() {
      const { server, events, connect } = await serveSocketIo()
      const client = connect('websocket')
      await client.emitWithAck('echo', 1)
      const gone = new Promise((resolve) => client.on('disconnect', resolve))
      await server.close()
      expect(await gone).toBe('transport close')
      expect(await events.at(0)).toBe('server shutting down')
    },
  },
}

const LIBRARIES = [graphql, trpc, socketIo]

describe.each(LIBRARIES)('$row.0', ({ claims }) => {
  test.each(Object.entries(claims))('%s', async (_, claim) => {
    await inTime(claim(), 'the claim', 15_000)
  })
})

test('core’s README has these rows, for the versions that are installed', () => {
  const workspace = fileURLToPath(new URL('../../..', import.meta.url))
  const readme = readFileSync(`${workspace}packages/core/README.md`, 'utf8')
  const [, table = ''] = /\n\| library +\| how +\| tested +\|\n\|[-| ]+\|\n((?:\|.*\|\n)+)/.exec(readme) ?? []
  const rows = table
    .trim()
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
  const expected = LIBRARIES.map(({ row, claims }) => [...row, Object.keys(claims).join('; ')])
  expect(rows.map((cells) => cells.slice(1, -1))).toEqual(expected)
  const { devDependencies } = JSON.parse(readFileSync(`${workspace}package.json`, 'utf8'))
  for (const { row } of LIBRARIES) {
    const [name = '', version] = row[0].split(' ')
    expect(devDependencies[name]).toMatch(new RegExp(`^\\^${version}\\.`))
  }
})
