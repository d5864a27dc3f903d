// What a program written for npm's ws finds here as it is there: each script runs against both, and both must come to
// what stands in the script. Where they differ is in differences.test.ts.

import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { createWebSocketStream } from '@roomcast/core/ws'
import { afterEach, describe, expect, test } from 'vitest'
import WebSocket, { createWebSocketStream as createTheirStream } from 'ws'
import { Op } from '../../support/client-frames.ts'
import { cleanUp } from '../../support/core-server.ts'
import { eventually, nextTurn } from '../../support/log.ts'
import { RawClient, describe as short } from '../../support/raw-client.ts'
import { endSides, listen, SIDES, type Side, type SideName, side, track } from './sides.ts'

afterEach(async () => {
  endSides()
  await cleanUp()
})

type Script = (side: Side) => Promise<{ is: unknown; expected: unknown }>

const SCRIPTS: Record<string, Script> = {
  async 'an upgrade is taken within the call, and "connection" is the caller’s to emit'({ wss, web, port, log }) {
    web.removeAllListeners('upgrade')
    wss.on('connection', () => log.push('connection'))
    web.on('upgrade', (request, socket, head) => {
      log.push('before')
      wss.handleUpgrade(request, socket, head, (ws, again) => log.push(['open', ws.readyState, again === request]))
      log.push(['after', wss.clients.size])
    })
    const client = await RawClient.connect({ port })
    await client.upgrade()
    return { is: log.all, expected: ['before', ['open', 1, true], ['after', 1]] }
  },

  async 'messages: bytes for text too, isBinary tells'({ connect, log }) {
    const { client, ws } = await connect()
    ws.on('message', (data, isBinary) => log.push([Buffer.isBuffer(data), `${data}`, isBinary]))
    client.say('', 'héllo')
    client.send(
      { opcode: Op.BINARY, payload: 'bytes' },
      { opcode: Op.TEXT, payload: 'in ', fin: false },
      { opcode: Op.CONTINUATION, payload: 'pieces' },
    )
    const texts = [
      ['', false],
      ['héllo', false],
      ['bytes', true],
      ['in pieces', false],
    ]
    return { is: await log.count(4), expected: texts.map(([text, isBinary]) => [true, text, isBinary]) }
  },

  async 'send: strings and numbers are text, bytes of any kind binary, unless told'({ connect }) {
    const { client, ws } = await connect()
    const bytes = Buffer.from('-bytes-').subarray(1, 6)
    ws.send('text')
    ws.send('')
    ws.send(7)
    ws.send(bytes)
    ws.send(new Uint8Array(bytes))
    ws.send(new DataView(bytes.buffer, bytes.byteOffset, bytes.length))
    ws.send(new Uint8Array(bytes).buffer)
    ws.send('text', { binary: true })
    ws.send(bytes, { binary: false, compress: false })
    const frames = await client.frames.count(9)
    return {
      is: frames.map(short),
      expected: ['text text', 'text', 'text 7', ...Array(4).fill('binary bytes'), 'binary text', 'text bytes'],
    }
  },

  async 'callbacks of send, ping and pong: later, in their order, with nothing'({ connect, log }) {
    const { client, ws } = await connect()
    const push = (name: string) => (error?: Error) => log.push([name, error ?? 'sent'])
    ws.send('a', push('a'))
    ws.send('b', { binary: true }, push('b'))
    ws.ping('c', false, push('c'))
    ws.pong(undefined, undefined, push('d'))
    log.push('sent')
    await log.count(5)
    const frames = await client.frames.count(4)
    return {
      is: [log.all, frames.map(short)],
      expected: [
        ['sent', ...'abcd'.split('').map((name) => [name, 'sent'])],
        ['text a', 'binary b', 'ping c', 'pong'],
      ],
    }
  },

  async 'send, ping and pong on a socket that is not open: no throw, the callback is told'({ connect, log }) {
    const { client, ws } = await connect()
    ws.close()
    ws.send('lost')
    for (const method of ['send', 'ping', 'pong'] as const) {
      ws[method]('lost', ((error?: Error) => log.push([method, error instanceof Error])) as never)
    }
    log.push(ws.readyState)
    await client.answerClose()
    await log.count(4)
    return {
      is: [log.all, client.frames.all.map(({ opcode }) => opcode)],
      expected: [[2, ['send', true], ['ping', true], ['pong', true]], [Op.CLOSE]],
    }
  },

  async 'the peer closes: code and reason, closed, no client any more'({ connect, wss, log }) {
    const { client, ws } = await connect()
    ws.on('error', () => log.push('error'))
    ws.on('close', (code, reason) => {
      log.push([code, Buffer.isBuffer(reason), `${reason}`, ws.readyState, wss.clients.size])
    })
    client.sendClose(4001, 'bye')
    await log.count(1)
    return {
      is: [log.all, await client.close()],
      expected: [[[4001, true, 'bye', 3, 0]], { code: 4001, reason: 'bye' }],
    }
  },

  async 'the peer closes without a code'({ connect, log }) {
    const { client, ws } = await connect()
    ws.on('close', (code, reason) => log.push([code, `${reason}`]))
    client.sendClose()
    await log.count(1)
    return { is: [log.all, (await client.close()).code], expected: [[[1005, '']], 1005] }
  },

  async 'the peer is gone, without a Close: 1006 and no error'({ connect, log }) {
    for (const leave of ['reset', 'end'] as const) {
      const { client, ws } = await connect()
      ws.on('error', () => log.push('error'))
      ws.on('close', (code, reason) => log.push([code, `${reason}`]))
      if (leave === 'reset') client.reset()
      else client.socket.end()
    }
    return {
      is: await log.count(2),
      expected: [
        [1006, ''],
        [1006, ''],
      ],
    }
  },

  async 'close(code, reason), the reason as text or bytes; again is nothing'({ connect, log }) {
    const told: unknown[] = []
    for (const reason of ['why', Buffer.from('wh€')]) {
      const { client, ws } = await connect()
      ws.on('close', (code, text) => log.push([code, `${text}`]))
      ws.close(4000, reason)
      log.push(ws.readyState)
      ws.close(1001)
      const close = await client.close()
      client.sendClose(close.code, close.reason)
      told.push(close)
      await log.count(told.length * 2)
    }
    return {
      is: [log.all, told],
      expected: [
        [2, [4000, 'why'], 2, [4000, 'wh€']],
        [
          { code: 4000, reason: 'why' },
          { code: 4000, reason: 'wh€' },
        ],
      ],
    }
  },

  async 'what is sent before close goes out first'({ connect }) {
    const { client, ws } = await connect()
    ws.send('last')
    ws.close(1001)
    await client.answerClose()
    return { is: client.frames.all.map(short), expected: ['text last', 'close 1001'] }
  },

  async 'terminate: 1006, at once for the peer'({ connect, log }) {
    const { client, ws } = await connect()
    ws.on('error', () => log.push('error'))
    ws.on('close', (code) => log.push(code))
    ws.terminate()
    log.push(ws.readyState)
    ws.terminate()
    await client.ended()
    await log.count(2)
    return { is: [log.all, client.frames.length], expected: [[2, 1006], 0] }
  },

  async 'a caller’s mistakes throw, and harm nothing'({ connect }) {
    const { client, ws } = await connect()
    const threw = (call: () => void): boolean => {
      try {
        call()
        return false
      } catch {
        return true
      }
    }
    const is = [
      ...[999, 1004, 1005, 1006, 1015, 2999, 5000].map((code) => threw(() => ws.close(code))),
      threw(() => ws.close(1000, 'x'.repeat(124))),
      threw(() => ws.ping('x'.repeat(126))),
      threw(() => ws.pong('x'.repeat(126))),
      threw(() => ws.send({} as never)),
    ]
    ws.send('unharmed')
    return { is: [is, await client.message()], expected: [Array(11).fill(true), 'unharmed'] }
  },

  async 'pings and pongs of the peer are told; a ping is answered by itself'({ connect, log }) {
    const { client, ws } = await connect()
    ws.on('ping', (data) => log.push(['ping', Buffer.isBuffer(data), `${data}`]))
    ws.on('pong', (data) => log.push(['pong', Buffer.isBuffer(data), `${data}`]))
    client.send({ opcode: Op.PING, payload: 'p' }, { opcode: Op.PONG, payload: 'q' })
    await log.count(2)
    return {
      is: [log.all, short(await client.frame())],
      expected: [
        [
          ['ping', true, 'p'],
          ['pong', true, 'q'],
        ],
        'pong p',
      ],
    }
  },

  async 'events as in a browser: data, code and reason, target, type'({ connect, log }) {
    const { client, ws } = await connect()
    ws.addEventListener('message', ({ data, type, target }) => {
      log.push([typeof data === 'string' ? data : Buffer.isBuffer(data), type, target === ws])
    })
    ws.onmessage = ({ data }) => log.push(typeof data)
    ws.addEventListener('close', ({ code, reason, wasClean, type }) => log.push([code, reason, wasClean, type]))
    client.say('text')
    client.send({ opcode: Op.BINARY, payload: 'bytes' })
    await log.count(4)
    client.sendClose(4001, 'bye')
    await log.count(5)
    return {
      is: log.all,
      expected: [['text', 'message', true], 'string', [true, 'message', true], 'object', [4001, 'bye', true, 'close']],
    }
  },

  async 'listeners as in a browser: once, objects, the same twice, taken away, replaced'({ connect, log }) {
    const { client, ws } = await connect()
    const listener = ({ data }: { data: unknown }): void => void log.push(['twice', data])
    const gone = (): void => void log.push('gone')
    const object = { handleEvent: ({ data }: { data: unknown }) => log.push(['object', data]) }
    ws.addEventListener('message', listener)
    ws.addEventListener('message', listener)
    ws.addEventListener('message', ({ data }) => log.push(['once', data]), { once: true })
    ws.addEventListener('message', object as never)
    ws.addEventListener('message', gone)
    ws.removeEventListener('message', gone)
    ws.onmessage = gone
    ws.onmessage = listener
    client.say('1')
    await log.count(4)
    ws.removeEventListener('message', object as never)
    ws.removeEventListener('message', listener)
    log.push([ws.onmessage === listener, ws.onerror])
    client.say('2')
    await log.count(6)
    ws.onmessage = null
    log.push(ws.listenerCount('message'))
    return {
      is: log.all,
      expected: [['twice', '1'], ['once', '1'], ['object', '1'], ['twice', '1'], [true, null], ['twice', '2'], 0],
    }
  },

  async 'on, once, off'({ connect, log }) {
    const { client, ws } = await connect()
    const off = (): void => void log.push('off')
    ws.on('message', off).off('message', off)
    ws.once('message', (data) => log.push(`once ${data}`))
    ws.on('message', (data) => log.push(`on ${data}`))
    client.say('1', '2')
    return { is: await log.count(3), expected: ['once 1', 'on 1', 'on 2'] }
  },

  async 'binaryType: arraybuffer, for bytes alone'({ connect, log }) {
    const { client, ws } = await connect()
    const was = ws.binaryType
    ws.binaryType = 'arraybuffer'
    ws.on('message', (data) => log.push([data instanceof ArrayBuffer, Buffer.from(data as ArrayBuffer).toString()]))
    client.send({ opcode: Op.BINARY, payload: 'bytes' }, { opcode: Op.TEXT, payload: 'text' })
    await log.count(2)
    return {
      is: [was, ws.binaryType, log.all],
      expected: [
        'nodebuffer',
        'arraybuffer',
        [
          [true, 'bytes'],
          [false, 'text'],
        ],
      ],
    }
  },

  async 'pause and resume'({ connect, log }) {
    const { client, ws } = await connect()
    ws.on('message', (data) => log.push(`${data}`))
    ws.pause()
    log.push(ws.isPaused)
    client.say('held')
    for (let turn = 0; turn < 20; turn++) await nextTurn()
    log.push(ws.isPaused)
    ws.resume()
    log.push(ws.isPaused)
    return { is: await log.count(4), expected: [true, true, false, 'held'] }
  },

  async 'constants, of the class and of each socket'({ connect, wss }) {
    const { ws } = await connect()
    const ofClass = ws.constructor as typeof WebSocket
    const names = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'] as const
    return {
      is: [names.map((name) => ws[name]), names.map((name) => ofClass[name]), wss.clients.has(ws), ws.protocol],
      expected: [[0, 1, 2, 3], [0, 1, 2, 3], true, ''],
    }
  },

  async 'a broken rule: error, then close'({ connect, log }) {
    for (const frame of [
      { opcode: Op.TEXT, payload: Buffer.of(0xff) },
      { opcode: 3, payload: '' },
    ]) {
      const { client, ws } = await connect()
      ws.on('error', (error) => log.push(['error', error instanceof Error && error.message !== '']))
      ws.on('close', () => log.push('close'))
      client.send(frame)
      log.push((await client.close()).code)
      client.socket.end()
    }
    await log.count(6)
    const codes = log.all.filter((entry) => typeof entry === 'number')
    const events = log.all.filter((entry) => typeof entry !== 'number')
    return {
      is: [codes, events],
      expected: [
        [1007, 1002],
        [['error', true], 'close', ['error', true], 'close'],
      ],
    }
  },

  async 'headers: what listeners push goes out'({ wss, port, log }) {
    wss.on('headers', (headers, request) => {
      log.push([headers[0], request.url])
      headers.push('X-One: 1', 'set-cookie: a=1', 'set-cookie: b=2')
    })
    const client = await RawClient.connect({ port })
    const { headers, head } = await client.upgrade({ url: '/path' })
    return {
      is: [log.all, headers['x-one'], head.match(/^set-cookie: .*$/gim)],
      expected: [[['HTTP/1.1 101 Switching Protocols', '/path']], '1', ['set-cookie: a=1', 'set-cookie: b=2']],
    }
  },

  async 'the same socket twice throws'({ wss, web, port, log }) {
    web.removeAllListeners('upgrade')
    web.on('upgrade', (request, socket, head) => {
      wss.handleUpgrade(request, socket, head, () => {})
      try {
        wss.handleUpgrade(request, socket, head, () => {})
      } catch (error) {
        log.push(error instanceof Error)
      }
    })
    const client = await RawClient.connect({ port })
    await client.upgrade()
    return { is: log.all, expected: [true] }
  },

  async 'what is no handshake is refused, and nobody called'({ wss, port, log }) {
    wss.on('connection', () => log.push('connection'))
    const statuses: number[] = []
    for (const key of [null, 'short']) {
      const client = await RawClient.connect({ port })
      statuses.push((await client.upgrade({ headers: { 'Sec-WebSocket-Key': key } })).status)
      await client.ended()
    }
    return { is: [statuses, log.all, wss.clients.size], expected: [[400, 400], [], 0] }
  },

  async 'close: "close" once all are gone, and nobody new'({ wss, port, connect, log }) {
    const { ws } = await connect()
    wss.on('close', () => log.push(['close', wss.clients.size]))
    wss.close((error) => log.push(['callback', error]))
    const late = await RawClient.connect({ port })
    log.push((await late.upgrade()).status)
    ws.terminate()
    await log.count(3)
    wss.close((error) => log.push(['again', error instanceof Error]))
    await log.find((entry) => Array.isArray(entry) && entry[0] === 'again')
    const [status, ...events] = log.all.filter((entry) => JSON.stringify(entry) !== '["close",0]')
    return {
      is: [status, events],
      expected: [
        503,
        [
          ['callback', undefined],
          ['again', true],
        ],
      ],
    }
  },

  async 'port: listening, the address, "connection" with its request, 426 for others'({ Server, log }) {
    const wss = track(new Server({ port: 0, host: '127.0.0.1' }, () => log.push('callback')))
    wss.on('connection', (ws, request) => {
      log.push([request.url, wss.clients.has(ws)])
      ws.on('message', (data) => ws.send(`${data}!`))
    })
    log.push(wss.address()?.valueOf() === null)
    wss.on('listening', () => log.push('listening'))
    await log.find((entry) => entry === 'listening')
    const { port, address, family } = wss.address() as AddressInfo
    const client = await RawClient.connect({ port })
    await client.upgrade({ url: '/room?x=1' })
    client.say('hi')
    const { status } = await fetch(`http://127.0.0.1:${port}/`)
    return {
      is: [log.all.slice(1), address, family, await client.message(), status],
      expected: [['callback', 'listening', ['/room?x=1', true]], '127.0.0.1', 'IPv4', 'hi!', 426],
    }
  },

  async 'port that cannot be had: "error"'({ Server, log }) {
    const taken = createTcpServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const wss = track(new Server({ port: (taken.address() as AddressInfo).port, host: '127.0.0.1' }))
    const [error] = await once(wss, 'error')
    taken.close()
    log.push(error.code)
    return { is: log.all, expected: ['EADDRINUSE'] }
  },

  async 'server: attached, and let go'({ Server, log }) {
    const web = createServer((_, response) => response.end('page'))
    const wss = track(new Server({ server: web }))
    wss.on('connection', (ws, request) => {
      log.push(request.url)
      ws.on('message', (data) => ws.send(`${data}!`))
    })
    const port = await listen(web)
    const client = await RawClient.connect({ port })
    await client.upgrade({ url: '/chat' })
    client.say('hi')
    const said = await client.message()
    const same = (wss.address() as AddressInfo).port === port
    const closed = once(wss, 'close')
    for (const ws of wss.clients) ws.terminate()
    wss.close()
    await closed
    const page = await (await fetch(`http://127.0.0.1:${port}/`)).text()
    return {
      is: [log.all, said, same, page, web.listenerCount('upgrade')],
      expected: [['/chat'], 'hi!', true, 'page', 0],
    }
  },

  async 'a client of ws, compressed both ways'({ name, Server, log }) {
    const compression = name === 'ws' ? { perMessageDeflate: { threshold: 1 } } : { compression: { thresholdBytes: 1 } }
    const wss = track(new Server({ port: 0, host: '127.0.0.1', ...compression }))
    wss.on('connection', (ws) => {
      ws.on('message', (data) => {
        ws.send(`${data}`)
        ws.send(`${data}`, { compress: false })
      })
    })
    await once(wss, 'listening')
    const client = new WebSocket(`ws://127.0.0.1:${(wss.address() as AddressInfo).port}`)
    client.on('message', (data) => log.push(`${data}`))
    await once(client, 'open')
    const text = 'once more '.repeat(500)
    client.send(text)
    await log.count(2)
    client.terminate()
    return { is: [client.extensions.split(';')[0], log.all], expected: ['permessage-deflate', [text, text]] }
  },

  async 'handleProtocols, given or set later: one of those offered, or none; not asked where none is'({ Server, log }) {
    const web = createServer()
    const wss = track(new Server({ server: web, handleProtocols: () => 'b' }))
    wss.on('connection', (ws) => log.push(`'${ws.protocol}'`))
    const port = await listen(web)
    const offer = async (offered: string | null): Promise<void> => {
      const client = await RawClient.connect({ port })
      const { headers } = await client.upgrade({ headers: { 'Sec-WebSocket-Protocol': offered } })
      log.push(headers['sec-websocket-protocol'])
    }
    await offer('a, b')
    wss.options.handleProtocols = (protocols, request) => {
      log.push([[...protocols], request.url])
      return protocols.has('c') && 'c'
    }
    await offer('a, c')
    await offer('a')
    await offer(null)
    return {
      is: log.all,
      expected: [
        ...["'b'", 'b'],
        ...[[['a', 'c'], '/'], "'c'", 'c'],
        ...[[['a'], '/'], "''", undefined],
        ...["''", undefined],
      ],
    }
  },

  async 'shouldHandle: tells by the path; overridden, in the object or its class, it decides'({ name, Server, log }) {
    const wss = track(new Server({ noServer: true, [name === 'ws' ? 'path' : 'pathname']: '/chat' }))
    for (const url of ['/chat?x=1', '/other']) log.push(wss.shouldHandle({ url } as IncomingMessage))
    class Picky extends Server {
      override shouldHandle({ url }: IncomingMessage): boolean {
        return url === '/yes'
      }
    }
    const { shouldHandle } = Picky.prototype
    for (const One of [Picky, Server]) {
      const picky = track(new One({ port: 0, host: '127.0.0.1' }))
      if (One === Server) Object.assign(picky, { shouldHandle })
      await once(picky, 'listening')
      for (const url of ['/yes', '/no']) {
        const client = await RawClient.connect({ port: (picky.address() as AddressInfo).port })
        log.push((await client.upgrade({ url })).status)
      }
    }
    return { is: log.all, expected: [true, false, 101, 400, 101, 400] }
  },

  async 'a socket that is not open: any close is nothing, and errors say its state'({ connect, log }) {
    const { client, ws } = await connect()
    const ended = once(ws, 'close')
    ws.close(4000)
    ws.close(1006)
    ws.send('lost', (error) => log.push(error?.message))
    await client.answerClose()
    await ended
    ws.close(1006, 'x'.repeat(200))
    ws.send('lost', (error) => log.push(error?.message))
    const of = (state: string): string => `WebSocket is not open: readyState ${state}`
    return { is: await log.count(2), expected: [of('2 (CLOSING)'), of('3 (CLOSED)')] }
  },

  async 'a ping of what is no text and no bytes throws'({ connect }) {
    const { client, ws } = await connect()
    const is = ['ping', 'pong'].flatMap((method) =>
      [{}, true, new URL('http://localhost')].map((data) => {
        try {
          ws[method as 'ping'](data)
          return 'sent'
        } catch (error) {
          return (error as Error).name
        }
      }),
    )
    ws.ping(new Uint8Array([65]).buffer)
    return { is: [is, short(await client.frame())], expected: [Array(6).fill('TypeError'), 'ping A'] }
  },

  async 'off takes what on added, removeEventListener what addEventListener did'({ connect, log }) {
    const { client, ws } = await connect()
    const listener = (): void => void log.push('heard')
    ws.addEventListener('message', listener)
    ws.off('message', listener)
    log.push(ws.listenerCount('message'))
    ws.on('message', listener)
    ws.removeEventListener('message', listener)
    log.push(ws.listenerCount('message'))
    client.say('x')
    return { is: await log.count(3), expected: [1, 1, 'heard'] }
  },

  async 'events that somebody emits by hand come to listeners as in a browser'({ connect, log }) {
    const { ws } = await connect()
    ws.onmessage = ({ data }) => log.push(data)
    ws.onerror = ({ message }) => log.push(message)
    ws.onclose = ({ code, reason, wasClean }) => log.push([code, reason, wasClean])
    ws.emit('message', Buffer.from('m'), false)
    ws.emit('error', new Error('e'))
    ws.emit('close', 1000, Buffer.from('r'))
    const [message, error, [code, reason]] = log.all as [string, string, unknown[]]
    return { is: [message, error, code, reason], expected: ['m', 'e', 1000, 'r'] }
  },

  async 'closed before it listens: it never does'({ Server, log }) {
    const wss = new Server({ port: 0, host: '127.0.0.1' }, () => log.push('listening'))
    await new Promise<void>((resolve) => wss.close(() => resolve()))
    await nextTurn()
    return { is: log.all, expected: [] }
  },

  async 'a stream: chunks out and in, end closes, the peer’s end is its end, destroy is at once'({
    name,
    connect,
    log,
  }) {
    const streamOf = (name === 'ws' ? createTheirStream : createWebSocketStream) as typeof createTheirStream
    const { client, ws } = await connect()
    const stream = streamOf(ws, { encoding: 'utf8' })
    stream.on('data', (text) => log.push(text))
    client.send({ opcode: Op.BINARY, payload: 'in' })
    stream.write('out')
    await log.count(1)
    const over = once(stream, 'close')
    stream.end('last')
    const frames = await client.frames.count(2).then((all) => all.slice(0, 2))
    await client.answerClose()
    client.socket.end()
    await over

    const { client: other, ws: second } = await connect()
    const ended = streamOf(second)
    const end = once(ended.resume(), 'end')
    other.sendClose(1000)
    other.socket.end()
    await end
    const finished = once(ended, 'close')
    ended.end()
    await finished

    const { client: third, ws: last } = await connect()
    const destroyed = streamOf(last)
    destroyed.on('error', ({ message }) => log.push(message))
    const gone = new Promise((resolve) => destroyed.on('close', resolve))
    destroyed.destroy(new Error('mine'))
    await Promise.all([third.ended(), gone])
    return {
      is: [log.all, frames.map(short)],
      expected: [
        ['in', 'mine'],
        ['binary out', 'binary last'],
      ],
    }
  },

  async 'a stream that is not read does not read'({ name, connect }) {
    const streamOf = (name === 'ws' ? createTheirStream : createWebSocketStream) as typeof createTheirStream
    const { client, ws } = await connect()
    const stream = streamOf(ws)
    const all = 32 * 65_536
    for (let sent = 0; sent < all; sent += 65_536) client.send({ opcode: Op.BINARY, payload: Buffer.alloc(65_536) })
    await eventually(() => ws.isPaused, 'paused')
    const waits = stream.readableLength < all
    let bytes = 0
    for await (const chunk of stream) {
      bytes += chunk.length
      if (bytes === all) break
    }
    return { is: [waits, bytes, stream.destroyed], expected: [true, all, true] }
  },

  async 'what came with the handshake is heard by who listens behind a promise'({ wss, port, log }) {
    wss.on('connection', (ws) => {
      void Promise.resolve()
        .then(() => {})
        .then(() => ws.on('message', (data) => log.push(`${data}`)))
    })
    const client = await RawClient.connect({ port })
    client.ask()
    await client.response()
    client.say('soon')
    return { is: await log.count(1), expected: ['soon'] }
  },

  async 'clients: those that are not gone'({ connect, wss }) {
    const { client } = await connect()
    const { ws } = await connect()
    const { size } = wss.clients
    client.reset()
    await eventually(() => wss.clients.size === 1, 'one client less')
    return { is: [size, wss.clients.has(ws)], expected: [2, true] }
  },
}

describe.each(Object.entries(SCRIPTS))('%s', (_, script) => {
  test.each(Object.keys(SIDES) as SideName[])('%s', async (name) => {
    const { is, expected } = await script(await side(name))
    expect(is).toEqual(expected)
  })
})
