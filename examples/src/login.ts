// A login that gives a token, and a private room. The page logs in over HTTP and connects with npm's `centrifuge`; only the
// two users whose names are in the room's can be in it.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { SignJWT } from 'jose'
import { createRoomcast } from 'roomcast'

const SECRET = process.env.TOKEN_SECRET ?? 'only for trying it out'
const PASSWORDS: Record<string, string> = { leto: 'arrakis', ghanima: 'caladan' }

const app = express().use(express.json())
app.post('/login', async (request, response) => {
  const { user, password } = request.body as { user: string; password: string }
  if (!Object.hasOwn(PASSWORDS, user) || PASSWORDS[user] !== password) {
    response.status(401).json({ error: 'wrong user or password' })
    return
  }
  const jwt = new SignJWT({ info: { name: user } }).setSubject(user).setProtectedHeader({ alg: 'HS256' })
  response.json({ token: await jwt.setExpirationTime('10m').sign(new TextEncoder().encode(SECRET)) })
})

const http = app.listen(Number(process.env.PORT ?? 4545))
await once(http, 'listening')

createRoomcast({
  server: http,
  tokens: { hmacSecretKey: SECRET },
  namespaces: {
    // dialog:#leto,ghanima is for these two.
    dialog: {
      allowUserLimitedChannels: true,
      allowPublishForSubscriber: true,
      historySize: 50,
      historyTtlMs: 3_600_000,
      forceRecovery: true,
    },
  },
})

const { port } = http.address() as AddressInfo
console.log(`ws://localhost:${port}/connection/websocket`)
