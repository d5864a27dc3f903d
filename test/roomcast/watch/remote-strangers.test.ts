// `roomcast top`, `tail` and `publish` against what is no server of roomcast, or one that does not answer, or was started
// anew: one line, no stack, and always an end.

import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { readSettings } from '../../../packages/roomcast/src/settings.ts'
import { build, killAll, run } from '../program.ts'

const servers: Server[] = []
beforeAll(build)
afterEach(() => {
  killAll()
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

async function listening(answer: RequestListener): Promise<{ url: string[]; server: Server }> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return { server, url: ['--url', `http://127.0.0.1:${(server.address() as AddressInfo).port}`] }
}

const KEY = ['--http_api.key', 'key']
const COMMANDS = [
  ['top', '--once', '--interval', '0.1'],
  ['top', '--once', '--interval', '0.1', ...KEY],
  ['publish', 'a', '1', ...KEY],
]

async function told(args: readonly string[]): Promise<unknown> {
  const { exit, stdout, stderr } = run([...args])
  return [await exit, await stdout, await stderr]
}

test.each(['{}', 'null', '[]', '1', '{"sockets":1}', '{"result":null}', '{"error":1}', '<html>'])(
  'who answers %s is no server of roomcast',
  async (body) => {
    const { url } = await listening((_, res) => res.end(body))
    for (const args of COMMANDS) {
      const line = expect.stringMatching(/^roomcast: http:\/\/127\.0\.0\.1:\d+ is no server of roomcast\n$/)
      expect(await told([...args, ...url]), args.join(' ')).toEqual([1, '', line])
    }
  },
)

test.each(['hello', '1', 'null'])('nor is one that says %s in a WebSocket', async (text) => {
  const { server, url } = await listening((_, res) => res.end())
  new WebSocketServer({ server }).on('connection', (socket) => socket.send(text))
  expect(await told(['tail', 'a', ...url])).toEqual([1, '', expect.stringMatching(/ is no server of roomcast\n$/)])
})

test('what it writes is one line, without control characters', async () => {
  const { url } = await listening((_, res) => {
    res.statusCode = 500
    res.end('one\ntwo\x1b[2J\x07three')
  })
  for (const args of COMMANDS) {
    expect(await told([...args, ...url])).toEqual([1, '', expect.stringMatching(/^[ -~]+ 500 one two \[2J three\n$/)])
  }
})

test('why a tail is not let in stands in the Error header', async () => {
  const { server, url } = await listening((_, res) => res.end())
  server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 403 Forbidden\r\nError: host_not_allowed\r\n\r\n'))
  const line = expect.stringMatching(/: it answers 403 host_not_allowed; without a token: give --jwt/)
  expect(await told(['tail', 'a', ...url])).toEqual([1, '', line])
})

describe('a server that never answers', () => {
  test.each([
    ['top', 0, /^$/, ['top']],
    ['tail', 0, /^$/, ['tail', 'a']],
    ['publish', 1, /^roomcast: ended before \S+ had answered\n$/, ['publish', 'a', '1', ...KEY]],
  ] as const)('%s ends with one SIGINT', async (_, code, line, args) => {
    const { server, url } = await listening(() => {})
    server.on('upgrade', () => {})
    const asked = Promise.race([once(server, 'request'), once(server, 'upgrade')])
    const { child, exit, stderr } = run([...args, ...url])
    await asked
    child.kill('SIGINT')
    expect([await exit, await stderr]).toEqual([code, expect.stringMatching(line)])
  })
})

test('top: a server that was started anew counts from 0', async () => {
  let asked = 0
  const stats = { status: 'ready', uptimeSeconds: 0, channels: 0, pendingHandshakes: 0, sockets: 0 }
  const { url } = await listening((_, res) => {
    const count = asked++ === 0 ? 1_000_000 : 0
    const counts = { messagesIn: count, messagesOut: count, bytesIn: count, bytesOut: count }
    res.end(JSON.stringify({ ...stats, ...counts, closes: {}, refusals: {}, limits: {} }))
  })
  const { stdout } = run(['top', '--once', '--interval', '0.1', ...url])
  expect(await stdout).toMatch(/\nmessages\/s {2}in 0, out 0\nbytes\/s {5}in 0, out 0\n/)
})

test.each(['check-config', 'gen-token', 'top', 'tail', 'publish'])('%s --help', (command) => {
  for (const flag of ['--help', '-h']) {
    expect(readSettings([command, flag], {}, () => '')).toEqual({ kind: 'help' })
    expect(readSettings([command, '--', flag], {}, () => '')).not.toEqual({ kind: 'help' })
  }
})
