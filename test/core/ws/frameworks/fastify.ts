// Fastify: a plugin that attaches, and closes before Fastify waits for its connections.

import type { AddressInfo } from 'node:net'
import { WebSocketServer } from '@roomcast/core/ws'
import { fastify as createFastify, type FastifyPluginAsync } from 'fastify'
import { Log } from '../../../support/log.ts'
import type { Framework } from './framework.ts'

export const fastify: Framework = {
  name: 'fastify 5',
  how: "a plugin: `new WebSocketServer({ server: app.server })`, `app.addHook('preClose', () => wss.close())`",
  async start() {
    const closed = new Log<string>('closed')
    const app = createFastify()
    const sockets: FastifyPluginAsync = async (scope) => {
      const wss = new WebSocketServer({ server: scope.server, pathname: '/ws' })
      wss.on('connection', (ws) => {
        ws.on('message', (data, isBinary) => {
          if (`${data}` === 'enough') ws.close(4002, 'enough')
          else ws.send(data, { binary: isBinary })
        })
        ws.on('close', (code, reason) => closed.push(`${code} ${reason}`))
      })
      scope.addHook('preClose', () => wss.close())
    }
    await app.register(sockets)
    app.get('/', async () => 'page')
    await app.listen({ port: 0, host: '127.0.0.1' })
    return { port: (app.server.address() as AddressInfo).port, closed, stop: () => app.close() }
  },
}
