// Inside an Express app that has sessions: the cookie that a browser has anyway says who connects, and a function decides
// who may be in which room.

import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { createRoomcast, refuse } from 'roomcast'

/** Sessions by the value of the cookie; yours are in a database. */
const sessions = new Map<string, { user: string; teams: string[] }>()
const sessionOf = (cookies = '') => sessions.get(/(?:^|; )sid=([\w-]+)/.exec(cookies)?.[1] ?? '')

const app = express().use(express.json())
app.post('/login', (request, response) => {
  const sid = randomUUID()
  sessions.set(sid, request.body as { user: string; teams: string[] })
  response.cookie('sid', sid, { httpOnly: true, sameSite: 'lax' }).json({})
})

const http = app.listen(Number(process.env.PORT ?? 4545))
await once(http, 'listening')

const roomcast = createRoomcast({
  server: http,
  namespaces: { team: { presence: true, joinLeave: true, forcePushJoinLeave: true } },
  authenticate({ headers }) {
    const session = sessionOf(headers.cookie)
    return session && { user: session.user, info: { name: session.user } }
  },
  subscribe(client, room) {
    const [, team = ''] = room.split(':')
    const isIn = [...sessions.values()].some(({ user, teams }) => user === client.user && teams.includes(team))
    return isIn ? {} : refuse(403, 'not your team')
  },
  publish: (client, _room, data) => ({ ...(data as object), by: client.user }),
})

// What the app itself has to say.
app.post('/teams/:team/news', async (request, response) => {
  await roomcast.rooms.publish(`team:${request.params.team}`, JSON.stringify(request.body))
  response.json({})
})
app.post('/logout', async (request, response) => {
  const session = sessionOf(request.headers.cookie)
  if (session !== undefined) await roomcast.rooms.disconnect(session.user, { code: 4501, reason: 'logged out' })
  response.clearCookie('sid').json({})
})

const { port } = http.address() as AddressInfo
console.log(`ws://localhost:${port}/connection/websocket`)
