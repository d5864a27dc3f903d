// The two sides of a comparison: npm's ws, and the facade in its place. A script is written once, in ws's types, and run
// against both. Call `endSides` after each test.

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer as Ours } from '@roomcast/core/ws'
import { type ServerOptions, WebSocketServer as Theirs, type WebSocket } from 'ws'
import { Log } from '../../support/log.ts'
import { type HandshakeText, RawClient } from '../../support/raw-client.ts'

export const SIDES = { ws: Theirs, facade: Ours as unknown as typeof Theirs } as const
export type SideName = keyof typeof SIDES

/** One side under test: a server behind an http server, and its clients. */
export interface Side {
  name: SideName
  Server: typeof Theirs
  wss: Theirs
  web: Server
  port: number
  /** A client and the socket it is to the server. */
  connect(handshake?: HandshakeText): Promise<{ client: RawClient; ws: WebSocket }>
  /** What happened, in its order. */
  log: Log<unknown>
}

const servers = new Set<Server>()
const wsServers = new Set<Theirs>()

/** Ends what the tests of one side left. */
export function endSides(): void {
  for (const wss of wsServers) {
    for (const client of wss.clients) client.terminate()
    wss.close()
  }
  wsServers.clear()
  for (const web of servers) {
    web.closeAllConnections()
    web.close()
  }
  servers.clear()
}

export function track(wss: Theirs): Theirs {
  wsServers.add(wss)
  return wss
}

export async function listen(web: Server): Promise<number> {
  servers.add(web)
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
  return (web.address() as AddressInfo).port
}

/** A server of `name` with `noServer`, whose upgrades come from an http server. */
export async function side(name: SideName, options: ServerOptions = {}): Promise<Side> {
  const Server = SIDES[name]
  const wss = track(new Server({ noServer: true, ...options }))
  const web = createServer()
  const opened = new Log<WebSocket>('opened')
  web.on('upgrade', (request, socket, head) => {
    wss.handleUpgrade(request, socket, head, (ws) => {
      opened.push(ws)
      wss.emit('connection', ws, request)
    })
  })
  const port = await listen(web)
  return {
    ...{ name, Server, wss, web, port, log: new Log<unknown>('what happened') },
    async connect(handshake = {}) {
      const index = opened.length
      const client = await RawClient.connect({ port })
      const { status } = await client.upgrade(handshake)
      if (status !== 101) throw new Error(`the handshake came to ${status}`)
      return { client, ws: await opened.at(index) }
    },
  }
}
