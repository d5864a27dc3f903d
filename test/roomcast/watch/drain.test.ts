// The end with a delay: whoever sends clients here is told first, and everything goes on meanwhile. And TLS by its flags.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { connect as connectTcp } from 'node:net'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { createRoomcast } from 'roomcast'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { eventually } from '../../support/log.ts'
import { connect } from '../client.ts'
import { build, killAll, run, start } from '../program.ts'

beforeAll(build)
afterEach(killAll)

const TLS = fileURLToPath(new URL('../../support/tls/', import.meta.url))

async function ready(port: number): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${port}/readyz`)
  return [response.status, await response.json()]
}

test('readiness is red first; new clients and requests are served as before; then it drains', async () => {
  const roomcast = createRoomcast({ port: 0, host: '127.0.0.1', token: 'secret', drainDelayMs: 60_000 })
  const { port } = await roomcast.listen()
  expect(await ready(port)).toEqual([200, { status: 'ready' }])
  const member = await connect(port)
  await member.ask({ join: 'lobby' })
  const drained = roomcast.drain()
  expect(await ready(port)).toEqual([503, { status: 'draining' }])
  const late = await connect(port)
  expect(await late.ask({ join: 'lobby' })).toEqual({ joined: 'lobby' })
  const said = await fetch(`http://127.0.0.1:${port}/channels/lobby`, {
    method: 'POST',
    headers: { authorization: 'Bearer secret', 'content-type': 'application/json' },
    body: '1',
  })
  expect(await said.json()).toEqual({ delivered: 2 })
  expect(await member.next()).toEqual({ said: 1, in: 'lobby' })
  // Nobody waits for the delay who does not want to.
  await roomcast.close()
  await drained
  expect((await member.closed).code).toBe(1001)
})

test('readiness local: draining is red all the same', async () => {
  const roomcast = createRoomcast({ port: 0, host: '127.0.0.1', readiness: 'local', drainDelayMs: 60_000 })
  const { port } = await roomcast.listen()
  void roomcast.drain()
  expect(await ready(port)).toEqual([503, { status: 'draining' }])
  await roomcast.close()
})

test('--drain-delay-ms: red at once, the port closes later; a request under way is answered', async () => {
  const server = await start(['--drain-delay-ms', '3000', '--token', 'secret'])
  const { port } = server
  const client = await connect(port)
  const half = connectTcp(port, '127.0.0.1')
  const head = 'POST /channels/lobby HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\n'
  half.write(`${head}Content-Type: application/json\r\nContent-Length: 1\r\nConnection: close\r\n\r\n`)
  const answered = text(half)
  server.child.kill('SIGTERM')
  await eventually(() => /SIGTERM: draining/.test(server.complaints()))
  expect(await ready(port)).toEqual([503, { status: 'draining' }])
  expect(await client.ask({ join: 'lobby' })).toEqual({ joined: 'lobby' })
  // Half of it was here when the delay was over.
  expect(await answered).toMatch(/^HTTP\/1\.1 503 .*"draining"/s)
  expect((await client.closed).code).toBe(1012)
  expect(await server.exit).toBe(0)
  await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow()
})

test('--tls-cert and --tls-key: https and wss, and the line says so', async () => {
  const files = ['--tls-cert', `${TLS}test-only-cert.pem`, '--tls-key', `${TLS}test-only-key.pem`]
  const server = await start(files)
  expect(server.said).toMatch(/^roomcast: open https:\/\//)
  const ca = readFileSync(`${TLS}test-only-cert.pem`)
  const asked = request({ port: server.port, host: '127.0.0.1', path: '/healthz', ca, rejectUnauthorized: false }).end()
  expect(((await once(asked, 'response')) as [{ statusCode: number }])[0].statusCode).toBe(200)
  const socket = new WebSocket(`wss://127.0.0.1:${server.port}/`, { rejectUnauthorized: false })
  await once(socket, 'open')
  socket.terminate()
  const half = run(['--port', '0', ...files.slice(0, 2)])
  expect([await half.exit, await half.stderr]).toEqual([2, expect.stringMatching(/--tls-cert, --tls-key/)])
  const none = run(['--port', '0', '--tls-cert', '/nowhere', '--tls-key', '/nowhere'])
  expect([await none.exit, await none.stderr]).toEqual([2, expect.stringMatching(/--tls-cert must be PEM/)])
})
