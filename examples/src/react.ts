// Serves react-chat.tsx, and the room that it talks in. Whoever says to be leto gets leto's token: it is a demo for this
// machine; login.ts asks for a password.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import express from 'express'
import { SignJWT } from 'jose'
import { createRoomcast } from 'roomcast'

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL('react-chat.js', import.meta.url))],
  bundle: true,
  minify: true,
  write: false,
  define: { 'process.env.NODE_ENV': '"production"' },
})
const page = '<!doctype html><title>Chat</title><div id="root"></div><script src="/chat.js"></script>'

const SECRET = process.env.TOKEN_SECRET ?? 'only for trying it out'

const app = express()
app.get('/', (_request, response) => void response.send(page))
app.get('/chat.js', (_request, response) => void response.type('js').send(outputFiles[0]!.text))
app.get('/token', async (request, response) => {
  const jwt = new SignJWT().setSubject(String(request.query.user)).setProtectedHeader({ alg: 'HS256' })
  response.send(await jwt.setExpirationTime('10m').sign(new TextEncoder().encode(SECRET)))
})

const http = app.listen(Number(process.env.PORT ?? 4545), '127.0.0.1')
await once(http, 'listening')

createRoomcast({
  server: http,
  tokens: { hmacSecretKey: SECRET },
  namespaces: {
    // private:chat#leto,paul is for these two.
    private: {
      allowUserLimitedChannels: true,
      presence: true,
      joinLeave: true,
      forcePushJoinLeave: true,
      historySize: 100,
      historyTtlMs: 3_600_000,
      forceRecovery: true,
      allowPublishForSubscriber: true,
      allowPresenceForSubscriber: true,
      allowHistoryForSubscriber: true,
    },
  },
})

const { port } = http.address() as AddressInfo
console.log(`ws://localhost:${port}/connection/websocket`)
