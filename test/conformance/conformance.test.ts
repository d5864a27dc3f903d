// Every vector against a real server, a connection for each.

import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Op } from '../support/client-frames.ts'
import { cleanUp, serve, type TestServer } from '../support/core-server.ts'
import { ACCEPT, handshakeText, KEY, type RawClient, type ServerFrame } from '../support/raw-client.ts'
import { hex } from '../vectors/frames.ts'
import { CHOICE_VECTORS } from './choice-vectors.ts'
import { CLOSE_VECTORS } from './close-vectors.ts'
import { FRAME_VECTORS } from './frame-vectors.ts'
import { HANDSHAKE_VECTORS } from './handshake-vectors.ts'
import { SERVERS, type ServerName } from './vector.ts'

const HANDSHAKES = [...HANDSHAKE_VECTORS, ...CHOICE_VECTORS]
const FRAMES = [...FRAME_VECTORS, ...CLOSE_VECTORS]
const COUNT = HANDSHAKES.length + FRAMES.length
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const PROBE = 'still there'

const servers = {} as Record<ServerName, TestServer>

beforeAll(async () => {
  for (const name of Object.keys(SERVERS) as ServerName[]) {
    servers[name] = await serve({
      ...SERVERS[name],
      subprotocols: name === 'rooms' ? SERVERS.rooms.subprotocols : [],
      handler: { message: (socket, data, opcode) => void socket.write(data, opcode) },
    })
  }
})
afterAll(cleanUp)

/** `text 6869`, `binary of 300`, `close 1002 words`. */
function said({ fin, rsv, opcode, masked, payload }: ServerFrame): string {
  const name = Object.entries(Op)
    .find(([, value]) => value === opcode)?.[0]
    .toLowerCase()
  if (!fin || rsv !== 0 || masked || name === undefined) return `a frame that no server sends: ${opcode}`
  if (opcode !== Op.CLOSE)
    return payload.length > 64 ? `${name} of ${payload.length}` : `${name} ${payload.toString('hex')}`
  if (payload.length === 0) return 'close 1005'
  const reason = payload.subarray(2)
  return reason.length === 0 ? `close ${payload.readUInt16BE()}` : `close ${payload.readUInt16BE()} ${reason}`
}

/** That the connection goes on: a ping is answered, behind all that was said before. */
async function probe(client: RawClient): Promise<void> {
  const before = client.frames.length
  client.send({ opcode: Op.PING, payload: PROBE })
  expect(said(await client.frames.at(before))).toBe(`pong ${Buffer.from(PROBE).toString('hex')}`)
}

test(`there are ${COUNT} vectors, at least 250, each with an id of its own`, () => {
  const ids = [...HANDSHAKES, ...FRAMES].map(({ id }) => id)
  expect(ids.length).toBeGreaterThanOrEqual(250)
  expect(new Set(ids).size).toBe(ids.length)
})

describe(`${HANDSHAKES.length} handshakes`, () => {
  test.each(HANDSHAKES.map((row) => [row.id, row.clause, row.what, row.status, row] as const))(
    '%s (%s) %s: %i',
    async (_id, _clause, _what, status, { server, head, headers }) => {
      const client = await servers[server].tcp()
      client.write(Buffer.from(head, 'latin1'))
      const response = await client.response()
      expect(`${response.status} ${response.headers.error ?? ''}`).toMatch(new RegExp(`^${status} `))
      for (const [name, value] of Object.entries(headers)) expect(response.headers[name], name).toBe(value ?? undefined)
      if (status === 101) {
        const key = /^sec-websocket-key:[ \t]*(\S+)/im.exec(head)![1]!
        expect(response.headers['sec-websocket-accept']).toBe(
          createHash('sha1')
            .update(key + GUID)
            .digest('base64'),
        )
        await probe(client)
        client.socket.destroy()
        return
      }
      expect(response.headers.connection).toMatch(/close/i)
      expect(await client.ended()).toBe('fin')
      expect(client.text.match(/HTTP\/1\.1 /g)).toHaveLength(1)
    },
  )
})

describe(`${FRAMES.length} sessions`, () => {
  test.each(FRAMES.map((row) => [row.id, row.clause, row.what, row] as const))(
    '%s (%s) %s',
    async (_id, _clause, _what, { server, wire, withHead, answer }) => {
      const client = await servers[server].tcp()
      const offer =
        server === 'deflate' || server === 'small' ? { 'Sec-WebSocket-Extensions': 'permessage-deflate' } : {}
      const head = handshakeText({ headers: { 'Sec-WebSocket-Key': KEY, ...offer } })
      if (withHead) client.write(head, hex(wire))
      else client.write(head)
      const { headers } = await client.response()
      expect(headers['sec-websocket-accept']).toBe(ACCEPT)
      if (!withHead) client.write(hex(wire))
      const ending = answer.at(-1)
      const frames = await client.frames.count(answer.length - 1)
      expect(frames.map(said)).toEqual(answer.slice(0, -1))
      if (ending === 'end') {
        expect(await client.ended()).toBe('fin')
        expect(client.frames.length).toBe(answer.length - 1)
      } else {
        await probe(client)
        client.socket.destroy()
      }
    },
  )
})
