// Vite's dev server: a plugin attaches, beside the listener of Vite's own that serves its hot replacement of modules.

import { writeFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from '@roomcast/core/ws'
import { createServer } from 'vite'
import { temporaryFolder } from '../../../support/core-server.ts'
import { Log } from '../../../support/log.ts'
import type { Framework } from './framework.ts'

export const vite: Framework = {
  name: 'vite 8, its dev server',
  how: 'a plugin: `configureServer({ httpServer })` attaches with `new WebSocketServer({ server: httpServer, pathname })`',
  leavesOthers: true,
  own: { path: '/', protocol: 'vite-hmr', first: /^\{"type":"connected"/ },
  async start() {
    const closed = new Log<string>('closed')
    const root = await temporaryFolder()
    await writeFile(`${root}/index.html`, 'page')
    let wss: WebSocketServer | undefined
    const server = await createServer({
      root,
      configFile: false,
      logLevel: 'silent',
      optimizeDeps: { noDiscovery: true },
      server: { port: 0, host: '127.0.0.1' },
      plugins: [
        {
          name: 'sockets',
          configureServer({ httpServer }) {
            wss = new WebSocketServer({ server: httpServer as Server, pathname: '/ws' })
            wss.on('connection', (ws) => {
              ws.on('message', (data, isBinary) => {
                if (`${data}` === 'enough') ws.close(4002, 'enough')
                else ws.send(data, { binary: isBinary })
              })
              ws.on('close', (code, reason) => closed.push(`${code} ${reason}`))
            })
          },
        },
      ],
    })
    await server.listen()
    return {
      port: (server.httpServer!.address() as AddressInfo).port,
      closed,
      async stop() {
        await wss?.close()
        await server.close()
      },
    }
  },
}
