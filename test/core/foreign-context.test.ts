// Clients that others wrote and that keep their compression context as they come: Jetty's and Tornado's do whatever the
// server answers, and Netty's refuses an answer that it did not offer. Each sends messages, some of them again, and gets
// them back as they were.

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import { cleanUp, serve } from '../support/core-server.ts'
import { missing } from '../support/missing.ts'

afterEach(cleanUp)

const run = promisify(execFile)
const inSupport = (name: string): string => fileURLToPath(new URL(`../support/${name}`, import.meta.url))
/** What .ci/run fetched from Maven and PyPI. */
const inCache = (name: string): string => fileURLToPath(new URL(`../../node_modules/.cache/${name}`, import.meta.url))

const BASE = 'permessage-deflate; server_no_context_takeover'

/** A server that echoes, a client at it, and how that ended. */
async function echo(command: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<{ answer: string }> {
  const host = await serve({
    compression: { thresholdBytes: 0, maxBytes: 1_000_000 },
    origin: 'any',
    handler: { message: (socket, data, opcode) => socket.write(data, opcode) },
  })
  const url = `ws://127.0.0.1:${(host.target as { port: number }).port}/`
  const { stdout } = await run(command, [...args, url], { timeout: 30_000, env: { ...process.env, ...env } })
  expect(await host.info()).toEqual({ code: 1000, reason: '', by: 'peer' })
  expect(host.errors.all).toEqual([])
  // The second time a message is a few bytes: it refers to the first.
  const { bytesIn, bytesOut } = host.server.stats()
  expect(bytesIn).toBeLessThan(bytesOut / 2)
  return { answer: stdout.trim() }
}

const JARS = inCache('java-clients')
const hasJava =
  existsSync(join(JARS, 'jetty-websocket-jetty-client-12.1.14.jar')) && (await works('java', ['-version']))
missing(
  !hasJava,
  'NO JETTY AND NETTY FOUND: a context that they keep is NOT tested. The step clients of .ci/run fetches them.',
)

describe.skipIf(!hasJava)('Java', () => {
  test.each(['jetty', 'netty'])(
    '%s',
    async (name) => {
      const args = ['-XX:TieredStopAtLevel=1', '-cp', join(JARS, '*'), inSupport('java-clients/EchoClient.java'), name]
      expect(await echo('java', args)).toEqual({ answer: BASE })
    },
    40_000,
  )
})

const env = { PYTHONPATH: inCache('tornado') }
const hasTornado = await works('python3', ['-c', 'import tornado'], env)
missing(!hasTornado, 'NO TORNADO FOUND: a context that it keeps is NOT tested. The step clients of .ci/run fetches it.')

test.skipIf(!hasTornado)(
  'Tornado',
  async () => {
    const { answer } = await echo('python3', [inSupport('tornado-client.py')], env)
    expect(answer).toBe(`${BASE}; client_max_window_bits=12`)
  },
  40_000,
)

/** Does the command end well? */
function works(command: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<boolean> {
  return run(command, args, { timeout: 10_000, env: { ...process.env, ...env } }).then(
    () => true,
    () => false,
  )
}
