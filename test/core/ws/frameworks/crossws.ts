// crossws, on which h3 and Nitro stand: its adapter for node takes a WebSocketServer.

import { createServer } from 'node:http'
import { WebSocketServer } from '@roomcast/core/ws'
import nodeAdapter from 'crossws/adapters/node'
import { Log } from '../../../support/log.ts'
import { type Framework, listening } from './framework.ts'

export const crossws: Framework = {
  name: 'crossws 0.4 (h3, Nitro)',
  how: '`nodeAdapter({ wss, hooks })`; its `drain` hook, which looks into the TCP stream, is not called',
  async start() {
    const closed = new Log<string>('closed')
    const wss = new WebSocketServer({ noServer: true })
    const adapter = nodeAdapter({
      wss: wss as never,
      hooks: {
        upgrade({ url }) {
          if (new URL(url).pathname !== '/ws') throw new Response('', { status: 404 })
        },
        message(peer, message) {
          if (message.text() === 'enough') peer.close(4002, 'enough')
          else peer.send(message.rawData)
        },
        close: (_, { code, reason }) => closed.push(`${code} ${reason}`),
      },
    })
    const web = createServer((_, response) => response.end('page'))
    web.on('upgrade', (request, socket, head) => void adapter.handleUpgrade(request, socket, head))
    return {
      port: await listening(web),
      closed,
      async stop() {
        await adapter.close(1001, 'server is closing')
        await wss.close()
        web.close()
      },
    }
  },
}
