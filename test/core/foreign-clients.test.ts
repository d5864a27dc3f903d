// Clients that others wrote: npm's ws and undici (the WebSocket of node and, by its specification, of browsers), over TCP,
// TLS and a unix socket.

import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { join } from 'node:path'
import { type Handler, reject } from '@roomcast/core'
import { Agent, WebSocket as UndiciWebSocket } from 'undici'
import { afterEach, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { cleanUp, serve, type TestOptions, type TestServer, TLS, temporaryFolder } from '../support/core-server.ts'
import { Log } from '../support/log.ts'

const echo: Partial<Handler<undefined, undefined>> = {
  message(socket, data, opcode) {
    const text = data.toString()
    if (opcode === 'text' && text.startsWith('close ')) socket.close(Number(text.slice(6)), 'as you wish')
    else if (text === 'ping me') socket.ping('ping payload')
    else if (text === 'terminate') socket.terminate()
    else socket.write(data, opcode)
  },
}

/** What both kinds of client can do. */
interface Client {
  send(data: string | Uint8Array): void
  close(code?: number, reason?: string): void
  /** Messages as they came: text as a string, binary as hex. */
  readonly messages: Log<string>
  readonly closed: Promise<{ code: number; reason: string }>
  readonly protocol: string
}

const clients: { terminate(): void }[] = []
const agents: Agent[] = []

afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate()
  await cleanUp()
  await Promise.all(agents.splice(0).map((agent) => agent.destroy()))
})

async function ws(
  url: string,
  protocols: string[] = [],
  options: WebSocket.ClientOptions = {},
): Promise<Client & { ws: WebSocket }> {
  const socket = new WebSocket(url, protocols, { rejectUnauthorized: false, ...options })
  clients.push(socket)
  const messages = new Log<string>('messages')
  socket.on('message', (data: Buffer, binary: boolean) =>
    messages.push(binary ? data.toString('hex') : data.toString()),
  )
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })),
  )
  await once(socket, 'open')
  return {
    ws: socket,
    send: (data) => socket.send(data),
    close: (code, reason) => socket.close(code, reason),
    messages,
    closed,
    protocol: socket.protocol,
  }
}

async function undici(url: string, protocols: string[] = []): Promise<Client> {
  const agent = new Agent({ connect: { rejectUnauthorized: false } })
  agents.push(agent)
  const socket = new UndiciWebSocket(url, { protocols, dispatcher: agent })
  socket.binaryType = 'arraybuffer'
  const messages = new Log<string>('messages')
  socket.addEventListener('message', ({ data }) =>
    messages.push(typeof data === 'string' ? data : Buffer.from(data as ArrayBuffer).toString('hex')),
  )
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.addEventListener('close', ({ code, reason }) => resolve({ code, reason })),
  )
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve())
    socket.addEventListener('error', (event) => reject(event.error ?? new Error('failed')))
  })
  return {
    send: (data) => socket.send(data as string),
    close: (code, reason) => socket.close(code, reason),
    messages,
    closed,
    protocol: socket.protocol,
  }
}

const LOCAL = { port: 0, host: '127.0.0.1' }

const PLACES: {
  over: string
  dial: typeof ws | typeof undici
  start: () => Promise<{ test: TestServer; url: string }>
}[] = [
  ...([ws, undici] as const).flatMap((dial) => [
    { over: `${dial.name} over TCP`, dial, start: () => started({ ...LOCAL }) },
    { over: `${dial.name} over TLS`, dial, start: () => started({ ...LOCAL, tls: TLS }) },
  ]),
  {
    over: 'ws over a unix socket',
    dial: ws,
    async start() {
      const unix = join(await temporaryFolder(), 's')
      return { ...(await started({ unix })), url: `ws+unix:${unix}:/` }
    },
  },
]

async function started(options: TestOptions<undefined, undefined>): Promise<{ test: TestServer; url: string }> {
  const test = await serve({ subprotocols: ['chat'], ...options, handler: echo })
  const { target } = test
  const url = 'port' in target ? `${target.tls === true ? 'wss' : 'ws'}://127.0.0.1:${target.port}/` : ''
  return { test, url }
}

describe.each(PLACES)('$over', ({ dial, start }) => {
  test('text and binary of every size, in order', async () => {
    const { test, url } = await start()
    const client = await dial(url)
    const sent: (string | Buffer)[] = ['', 'a', 'zwölf ☃ 𝄞', Buffer.alloc(0), Buffer.of(0, 255)]
    for (const size of [125, 126, 127, 65_535, 65_536, 65_537, 1_048_576])
      sent.push('x'.repeat(size), Buffer.alloc(size, 7))
    for (const data of sent) client.send(data)
    await client.messages.count(sent.length)
    expect(client.messages.all).toEqual(sent.map((data) => (typeof data === 'string' ? data : data.toString('hex'))))
    expect(test.server.stats()).toMatchObject({ messagesIn: sent.length, messagesOut: sent.length })
  })

  test('the client closes: with a code, and without', async () => {
    const { test, url } = await start()
    for (const [args, info] of [
      [[1000, 'bye'], { code: 1000, reason: 'bye' }],
      [[4321, 'gründe'], { code: 4321, reason: 'gründe' }],
      [[], { code: 1005, reason: '' }],
    ] as [[number?, string?], { code: number; reason: string }][]) {
      const client = await dial(url)
      client.close(...args)
      expect(await client.closed).toEqual(info)
      expect(await test.info(test.opened.length - 1)).toEqual({ ...info, by: 'peer' })
    }
  })

  test.each([1000, 1001, 1011, 1012, 3000, 4999])('the server closes with %i', async (code) => {
    const { test, url } = await start()
    const client = await dial(url)
    client.send(`close ${code}`)
    expect(await client.closed).toEqual({ code, reason: 'as you wish' })
    expect(await test.info()).toEqual({ code, reason: 'as you wish', by: 'server' })
  })

  test('the server terminates: 1006 there, too', async () => {
    const { test, url } = await start()
    const client = await dial(url)
    client.send('terminate')
    expect(await client.closed).toMatchObject({ code: 1006 })
    expect(await test.info()).toEqual({ code: 1006, reason: '', by: 'server' })
  })

  test('subprotocols', async () => {
    const { url } = await start()
    expect((await dial(url, ['other', 'chat'])).protocol).toBe('chat')
    expect((await dial(url)).protocol).toBe('')
  })

  test('a ping is answered by the client, by itself', async () => {
    const { test, url } = await start()
    const client = await dial(url)
    const before = test.server.stats().bytesIn
    client.send('ping me')
    client.send('after')
    await client.messages.count(1)
    // The pong carries the payload back: header and mask, 6 bytes, and 12 of it.
    await expect.poll(() => test.server.stats().bytesIn - before).toBe(13 + 11 + 18)
  })

  test('a message that is too big: 1009', async () => {
    const { test, url } = await start()
    for (const [i, bytes] of [1_048_577, 16 * 1_048_576].entries()) {
      const client = await dial(url)
      client.send(Buffer.alloc(bytes))
      expect((await client.closed).code).toBe(1009)
      expect(await test.info(i)).toMatchObject({ code: 1009, by: 'server' })
    }
  })

  test('many messages of one turn, both ways', async () => {
    const { test, url } = await start()
    const client = await dial(url)
    const texts = Array.from({ length: 5000 }, (_, i) => `message ${i}`)
    for (const text of texts) client.send(text)
    await client.messages.count(5000)
    expect(client.messages.all).toEqual(texts)
    expect(test.texts).toEqual(texts)
  })

  test('server.close()', async () => {
    const { test, url } = await start()
    const all = await Promise.all([dial(url), dial(url), dial(url)])
    await test.server.close()
    for (const client of all) expect(await client.closed).toEqual({ code: 1001, reason: 'server is closing' })
    expect(test.infos.map(({ code }) => code)).toEqual([1001, 1001, 1001])
  })
})

describe('ws, what only it can do', () => {
  test('fragments, pings between them, pongs that nobody asked for', async () => {
    const { test, url } = await started({ ...LOCAL })
    const { ws: socket, messages } = await ws(url)
    const pong = once(socket, 'pong')
    socket.send('frag', { fin: false })
    socket.ping('between')
    socket.send('men', { fin: false })
    socket.pong('unasked')
    socket.send('', { fin: false })
    socket.send('ted', { fin: true })
    socket.send(Buffer.of(1), { fin: false, binary: true })
    socket.send(Buffer.of(2), { fin: true, binary: true })
    await messages.count(2)
    expect(messages.all).toEqual(['fragmented', '0102'])
    expect(String((await pong)[0])).toBe('between')
    expect(test.errors.all).toEqual([])
  })

  test('a ping of the server reaches it with its payload', async () => {
    const { url } = await started({ ...LOCAL })
    const { ws: socket } = await ws(url)
    const ping = once(socket, 'ping')
    socket.send('ping me')
    expect(String((await ping)[0])).toBe('ping payload')
  })

  test('its offer of permessage-deflate is declined, and it goes on', async () => {
    const { url } = await started({ ...LOCAL })
    const { ws: socket, messages, send } = await ws(url, [], { perMessageDeflate: true })
    expect(socket.extensions).toBe('')
    send('plain'.repeat(1000))
    await messages.count(1)
  })

  test('frames that are not masked: 1002', async () => {
    const { test, url } = await started({ ...LOCAL })
    const { ws: socket, closed } = await ws(url)
    socket.send('not masked', { mask: false })
    expect((await closed).code).toBe(1002)
    expect(await test.info()).toMatchObject({ code: 1002, by: 'server' })
  })

  test('a refused handshake is told with its status and Error header', async () => {
    const test = await serve<undefined, undefined>({
      handler: { handshake: () => reject(401, 'invalid_token', { body: 'who?' }) },
    })
    const { port } = test.target as { port: number }
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
    socket.on('error', () => {})
    clients.push(socket)
    const [, response] = await once(socket, 'unexpected-response')
    expect(response.statusCode).toBe(401)
    expect(response.headers.error).toBe('invalid_token')
    let body = ''
    for await (const chunk of response) body += chunk
    expect(body).toBe('who?')
  })

  test('terminate of the client: 1006 by network', async () => {
    const { test, url } = await started({ ...LOCAL })
    const { ws: socket } = await ws(url)
    socket.terminate()
    expect(await test.info()).toEqual({ code: 1006, reason: '', by: 'network' })
  })

  test('an Origin of the same host and port is let in, of another port not', async () => {
    const { test } = await started({ ...LOCAL })
    const { port } = test.target as { port: number }
    await ws(`ws://127.0.0.1:${port}/`, [], { origin: `http://127.0.0.1:${port}` })
    await expect(ws(`ws://127.0.0.1:${port}/`, [], { origin: `http://127.0.0.1:${port + 1}` })).rejects.toThrow('403')
  })
})
