// What the server counts and ends by is its own record. A socket is the user's object: whatever a program without types
// puts on it, or takes the names of its methods for, is that program's own affair.

import type { HandshakeRequest, Socket } from '@roomcast/core'
import { accept } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { cleanUp } from '../support/core-server.ts'
import { eventually, inTime } from '../support/log.ts'
import { closePlaces, PLACES } from './places.ts'

afterEach(async () => {
  await cleanUp()
  closePlaces()
})

describe.each(PLACES)('$name', (place) => {
  test.each(['203.0.113.9', undefined, null, 7, { ip: 'x' }])(
    'remoteAddress set to %s: places are given back',
    async (value) => {
      const server = await place.serve({
        maxConnectionsPerAddress: 2,
        handler: {
          opened: (socket) => void Object.assign(socket, { remoteAddress: value, path: value, subprotocol: value }),
        },
      })
      for (let i = 0; i < 4; i++) {
        const { client } = await server.connect()
        client.socket.destroy()
        await server.closed.count(i + 1)
      }
      expect(server.server.stats()).toMatchObject({ sockets: 0, rejections: {} })
      expect(server.errors.all).toEqual([])
    },
  )
})

const [own] = PLACES

test.each<[string, (socket: Socket) => unknown]>([
  ['are functions', (socket) => Object.assign(socket, { close() {}, terminate() {} })],
  ['are none', (socket) => Object.assign(socket, { close: null, terminate: null })],
  ['and readyState says closed', (socket) => Object.defineProperty(socket, 'readyState', { value: 'closed' })],
])('close and terminate of the socket %s of the user’s: drain and close end it all the same', async (_, change) => {
  const server = await own!.serve({ handler: { opened: (socket) => void change(socket) } })
  const { client } = await server.connect()
  expect([...server.server.sockets]).toHaveLength(1)
  expect(await inTime(server.server.drain({ deadlineMs: 50 }), 'drain()')).toEqual({ closed: 0, terminated: 1 })
  await client.ended()
  const other = await own!.serve({ handler: { opened: (socket) => void change(socket) } })
  const pair = await other.connect()
  void pair.client.answerClose()
  await inTime(other.server.close(), 'close()')
  expect(other.infos).toMatchObject([{ code: 1001 }])
})

test('the list of subprotocols in the request: what is put in it was not offered', async () => {
  const server = await own!.serve({
    handler: {
      handshake({ subprotocols }: HandshakeRequest) {
        ;(subprotocols as string[]).splice(0, 1, 'mine')
        return accept(undefined, { subprotocol: 'mine' })
      },
    },
  })
  const { headers } = await server.answer({ headers: { 'Sec-WebSocket-Protocol': 'theirs' } })
  expect(headers['sec-websocket-protocol']).toBeUndefined()
  await eventually(() => server.errors.length === 1)
  expect(server.errors.all).toMatchObject([{ error: expect.any(RangeError), where: 'handshake' }])
})
