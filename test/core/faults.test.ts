// Faults that were found while these tests were written, each with its smallest input.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createServer } from '@roomcast/core'
import { afterEach, describe, expect, test } from 'vitest'
import { cleanUp, temporaryFolder, track } from '../support/core-server.ts'
import { eventually } from '../support/log.ts'
import { attachTo, closePlaces, host, places } from './places.ts'

afterEach(async () => {
  await cleanUp()
  closePlaces()
})

test.each([false, true])('https, a listener that does nothing (it was first: %s): 404 in time', async (before) => {
  const web = await host({ tls: true })
  if (before) web.on('upgrade', () => {})
  const server = attachTo(web, { pathname: '/ours', handshakeTimeoutMs: 150 }, true)
  if (!before) web.on('upgrade', () => {})
  expect((await server.answer({ url: '/x' })).status).toBe(404)
  expect(server.server.stats().limits).toEqual({ handshakeTimeoutMs: 1 })
})

describe('over a unix socket, 2 MiB in one turn to a peer that reads', () => {
  test.each([
    ['64 of 32 KiB', 64, 32_768],
    ['two of 1 MiB', 2, 1_048_576],
  ])('%s: all accepted, all there', async (_, count, size) => {
    const server = await places('unix socket')[0]!.serve()
    const { client, socket } = await server.connect()
    const results = Array.from({ length: count }, () => socket.write(Buffer.alloc(size)))
    expect(results.filter((result) => result === 'closed')).toEqual([])
    await eventually(() => client.frameBytes >= count * size, 'all of it')
  })
})

test('a stale socket file, taken by four servers at once: one of them listens', async () => {
  const folder = await temporaryFolder()
  for (let round = 0; round < 20; round++) {
    const unix = join(folder, `${round}`)
    const script = `require('net').createServer().listen(${JSON.stringify(unix)}, () => process.kill(process.pid, 9))`
    await once(spawn(process.execPath, ['-e', script], { stdio: 'ignore' }), 'exit')
    const all = Array.from({ length: 4 }, () => track(createServer({ unix, handler: { message() {} } })))
    const results = await Promise.allSettled(all.map((server) => server.listen()))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    await Promise.all(all.map((server) => server.close()))
  }
})
