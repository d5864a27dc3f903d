// Serves react-chat.tsx, and the room that it talks in. As it is nobody logs in: it is a demo for this machine.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import express from 'express'
import { createRoomcast } from 'roomcast'

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL('react-chat.js', import.meta.url))],
  bundle: true,
  minify: true,
  write: false,
  define: { 'process.env.NODE_ENV': '"production"' },
})
const page = '<!doctype html><title>Chat</title><div id="root"></div><script src="/chat.js"></script>'

const app = express()
app.get('/', (_request, response) => void response.send(page))
app.get('/chat.js', (_request, response) => void response.type('js').send(outputFiles[0]!.text))

const http = app.listen(Number(process.env.PORT ?? 4545), '127.0.0.1')
await once(http, 'listening')

createRoomcast({
  server: http,
  namespaces: {
    chat: {
      presence: true,
      joinLeave: true,
      forcePushJoinLeave: true,
      historySize: 100,
      historyTtlMs: 3_600_000,
      forceRecovery: true,
      allowSubscribeForClient: true,
      allowSubscribeForAnonymous: true,
      allowPublishForSubscriber: true,
      allowPublishForAnonymous: true,
      allowPresenceForSubscriber: true,
      allowPresenceForAnonymous: true,
      allowHistoryForSubscriber: true,
      allowHistoryForAnonymous: true,
    },
  },
})

const { port } = http.address() as AddressInfo
console.log(`ws://localhost:${port}/connection/websocket`)
