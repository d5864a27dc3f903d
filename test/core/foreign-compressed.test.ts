// Compressed connections with clients that others wrote: npm's ws, undici, Chromium and Python's websockets. Each sends
// messages, gets them back as they were, and says that the extension was agreed.

import { Buffer } from 'node:buffer'
import { execFile } from 'node:child_process'
import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { WebSocket as UndiciWebSocket } from 'undici'
import { afterEach, describe, expect, test } from 'vitest'
import WsClient, { type PerMessageDeflateOptions } from 'ws'
import { findChromium, launchChromium } from '../support/chromium.ts'
import { cleanUp, serve, type TestOptions, TestServer } from '../support/core-server.ts'
import { Log } from '../support/log.ts'
import { missing } from '../support/missing.ts'

afterEach(cleanUp)

const run = promisify(execFile)

const MESSAGES: (string | Buffer)[] = [
  'short',
  '',
  'leto atreides '.repeat(400),
  'ümläut 🙂 '.repeat(2000),
  Buffer.alloc(0),
  Buffer.from(Array.from({ length: 10_000 }, (_, i) => i & 0xff)),
  Buffer.from(Array.from({ length: 3000 }, (_, i) => (i * i * 31) >> 3)),
  'x'.repeat(300_000),
]
const TOTAL = MESSAGES.reduce((sum, message) => sum + Buffer.byteLength(message), 0)

const ECHO: TestOptions<undefined, undefined> = {
  compression: { thresholdBytes: 0, maxBytes: 1_000_000 },
  origin: 'any',
  handler: {
    message: (socket, data, opcode) => socket.write(data, opcode),
  },
}

/** A server that echoes, and its address. */
async function echoing(): Promise<{ host: TestServer<undefined, undefined>; url: string }> {
  const host = await serve(ECHO)
  return { host, url: `ws://127.0.0.1:${(host.target as { port: number }).port}/` }
}

/** It ended as a client ends, and nothing was caught. */
const clean = ({ errors, infos }: TestServer<undefined, undefined>): void => {
  expect(errors.all).toEqual([])
  expect(infos).toEqual([{ code: 1000, reason: '', by: 'peer' }])
}

/** What a client is answered that lets us choose its window. */
const TWELVE = '; client_max_window_bits=12'

describe('npm ws', () => {
  const table: [string, PerMessageDeflateOptions | true, string][] = [
    ['as it is', true, TWELVE],
    ['clientNoContextTakeover', { clientNoContextTakeover: true, threshold: 0 }, '; client_no_context_takeover'],
    ['serverNoContextTakeover', { serverNoContextTakeover: true }, TWELVE],
    ['everything compressed', { threshold: 0 }, TWELVE],
  ]
  for (let bits = 8; bits <= 15; bits++) {
    const answered = bits === 15 ? 15 : Math.min(bits, 9)
    table.push([
      `server window ${bits}`,
      { serverMaxWindowBits: bits, threshold: 0 },
      `; server_max_window_bits=${answered}${TWELVE}`,
    ])
    const client = `; client_max_window_bits=${Math.min(bits, 12)}`
    table.push([`client window ${bits}`, { clientMaxWindowBits: bits, threshold: 0 }, client])
  }

  test.each(table)('%s', async (_, perMessageDeflate, answer) => {
    const { host, url } = await echoing()
    const client = new WsClient(url, { perMessageDeflate })
    const back = new Log<string | Buffer>('messages')
    const ends = new Log<unknown>('ends')
    let head = ''
    client.on('upgrade', ({ headers }) => {
      head = headers['sec-websocket-extensions'] ?? ''
    })
    client.on('message', (data: Buffer, isBinary) => back.push(isBinary ? data : data.toString()))
    client.on('error', (error) => ends.push(error))
    client.on('close', (code) => ends.push(code))
    client.on('open', () => {
      for (const message of MESSAGES) client.send(message)
    })
    expect(await Promise.race([back.count(MESSAGES.length), ends.at(0)])).toEqual(MESSAGES)
    expect(client.extensions).toBe('permessage-deflate')
    expect(head).toBe(`permessage-deflate; server_no_context_takeover${answer}`)
    const { bytesIn, bytesOut } = host.server.stats()
    expect(bytesIn).toBeLessThan(TOTAL / 10)
    expect(bytesOut).toBeLessThan(TOTAL / 10)
    client.close(1000)
    await host.closed.at(0)
    expect(await ends.at(0)).toBe(1000)
    clean(host)
  })
})

test('undici', async () => {
  const { host, url } = await echoing()
  const client = new UndiciWebSocket(url)
  client.binaryType = 'arraybuffer'
  const back = new Log<string | Buffer>('messages')
  const ends = new Log<number>('ends')
  client.addEventListener('message', ({ data }) => back.push(typeof data === 'string' ? data : Buffer.from(data)))
  client.addEventListener('close', ({ code }) => ends.push(code))
  client.addEventListener('open', () => {
    for (const message of MESSAGES) client.send(message)
  })
  expect(await Promise.race([back.count(MESSAGES.length), ends.at(0)])).toEqual(MESSAGES)
  expect(client.extensions).toContain('permessage-deflate')
  expect(host.server.stats().bytesOut).toBeLessThan(TOTAL / 10)
  client.close(1000)
  await host.closed.at(0)
  clean(host)
})

const chromium = findChromium()
missing(chromium === undefined, 'NO CHROMIUM FOUND: compression with a browser is NOT tested. Install chromium.')

test.skipIf(chromium === undefined)(
  'Chromium',
  async () => {
    const http = createHttpServer((_, response) => {
      response.setHeader('content-type', 'text/html; charset=utf-8')
      response.end('<!doctype html><title>echo</title>')
    })
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    const { port } = http.address() as AddressInfo
    const host = new TestServer({ ...ECHO, origin: 'same', server: http })
    const browser = await launchChromium(chromium!)
    try {
      const page = await browser.newPage()
      page.setDefaultTimeout(10_000)
      await page.goto(`http://127.0.0.1:${port}/`)
      const sent = MESSAGES.map((message) => (typeof message === 'string' ? message : [...message]))
      const result = await page.evaluate(echoInPage, sent)
      expect(result.extensions).toContain('permessage-deflate')
      expect(result.code).toBe(1000)
      expect(result.back).toEqual(sent)
      const { bytesIn, bytesOut } = host.server.stats()
      expect(bytesIn).toBeLessThan(TOTAL / 10)
      expect(bytesOut).toBeLessThan(TOTAL / 10)
      await host.closed.at(0)
      clean(host)
    } finally {
      await browser.close()
      await cleanUp()
      http.close()
      http.closeAllConnections()
    }
  },
  40_000,
)

/** Runs in the page: sends everything, and says what came back. */
function echoInPage(
  messages: (string | number[])[],
): Promise<{ extensions: string; code: number; back: (string | number[])[] }> {
  return new Promise((resolve) => {
    const back: (string | number[])[] = []
    const client = new WebSocket(location.href.replace('http', 'ws'))
    client.binaryType = 'arraybuffer'
    client.onopen = () => {
      for (const message of messages) client.send(typeof message === 'string' ? message : new Uint8Array(message))
    }
    client.onmessage = ({ data }) => {
      back.push(typeof data === 'string' ? data : [...new Uint8Array(data)])
      if (back.length === messages.length) client.close(1000)
    }
    client.onclose = ({ code }) => resolve({ extensions: client.extensions, code, back })
  })
}

const PYTHON = '/usr/bin/python3'
const SCRIPT = fileURLToPath(new URL('../support/python-websockets.py', import.meta.url))
const hasPython = await run(PYTHON, ['-c', 'import websockets'], { timeout: 10_000 }).then(
  () => true,
  () => false,
)
missing(!hasPython, 'NO PYTHON WEBSOCKETS FOUND: compression with it is NOT tested. Install python3-websockets.')

describe.skipIf(!hasPython)('python3-websockets', () => {
  const BASE = 'permessage-deflate; server_no_context_takeover'
  test.each<[string, string[], string]>([
    // What it offers by itself depends on its version: nothing, or 12 bits.
    ['as it is', [], BASE],
    ['windows of 12', ['12', '12'], `${BASE}; server_max_window_bits=9${TWELVE}`],
    ['windows of 8 and 15', ['8', '15'], `${BASE}; server_max_window_bits=8${TWELVE}`],
    ['windows of 9', ['9', '9'], `${BASE}; server_max_window_bits=9; client_max_window_bits=9`],
    ['windows of 15', ['15', '15'], `${BASE}; server_max_window_bits=15${TWELVE}`],
  ])('%s', async (_, bits, answer) => {
    const { host, url } = await echoing()
    const { stdout } = await run(PYTHON, [SCRIPT, url, ...bits], { timeout: 15_000 })
    expect(bits.length === 0 ? stdout.slice(0, answer.length) : stdout.trim()).toBe(answer)
    const { bytesIn, bytesOut } = host.server.stats()
    expect(bytesIn).toBeLessThan(TOTAL / 5)
    expect(bytesOut).toBeLessThan(TOTAL / 5)
    await host.closed.at(0)
    clean(host)
  })
})
