// Where the facade is not as npm's ws, on purpose: each row of core's README is run against both, and comes to what the
// row says of each.

import { Buffer } from 'node:buffer'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import { Op } from '../../support/client-frames.ts'
import { cleanUp } from '../../support/core-server.ts'
import { nextTurn } from '../../support/log.ts'
import { RawClient, describe as short } from '../../support/raw-client.ts'
import { endSides, listen, SIDES, type Side, type SideName, side, track } from './sides.ts'

afterEach(async () => {
  endSides()
  await cleanUp()
})

interface Difference {
  /** The row's words. */
  row: readonly [what: string, ws: string, here: string, why: string]
  run(side: Side): Promise<unknown>
  ws: unknown
  facade: unknown
}

const nameOf = (call: () => unknown): string => {
  try {
    call()
    return 'taken'
  } catch (error) {
    return (error as Error).name
  }
}

const DIFFERENCES: readonly Difference[] = [
  {
    row: [
      'options that only ws has (`maxPayload`, `path`, `verifyClient` …)',
      'taken',
      'a TypeError that names ours',
      'an option that is passed over could be the one that shuts a door',
    ],
    run: async ({ Server }) => nameOf(() => track(new Server({ noServer: true, maxPayload: 5 }))),
    ws: 'taken',
    facade: 'TypeError',
  },
  {
    row: ['`wss.options`, set later (but `handleProtocols`)', 'heeded', 'a TypeError', 'as above'],
    run: async ({ wss }) => nameOf(() => Object.assign(wss.options, { perMessageDeflate: true })),
    ws: 'taken',
    facade: 'TypeError',
  },
  {
    row: [
      '`handleUpgrade` overridden, with `port` or `server`',
      'asked',
      'a TypeError: that is `handshake`, or `shouldHandle`',
      'as above',
    ],
    async run({ Server }) {
      class Guarded extends Server {
        override handleUpgrade(...args: Parameters<typeof Server.prototype.handleUpgrade>): void {
          super.handleUpgrade(...args)
        }
      }
      return nameOf(() => track(new Guarded({ server: createServer() })))
    },
    ws: 'taken',
    facade: 'TypeError',
  },
  {
    row: [
      'a page of another origin',
      '101',
      '403, unless `origin` allows it',
      'a browser sends cookies to any host that a page names',
    ],
    async run({ port }) {
      const client = await RawClient.connect({ port })
      return (await client.upgrade({ headers: { Origin: 'https://elsewhere.example' } })).status
    },
    ws: 101,
    facade: 403,
  },
  {
    row: ['a path that is not served', '400', '404', 'HTTP’s word for it'],
    async run({ name, Server }) {
      const web = createServer()
      track(new Server({ server: web, [name === 'ws' ? 'path' : 'pathname']: '/chat' }))
      const client = await RawClient.connect({ port: await listen(web) })
      return (await client.upgrade({ url: '/other' })).status
    },
    ws: 400,
    facade: 404,
  },
  {
    row: [
      '`Sec-WebSocket-Version: 8`; 12',
      '101; 400',
      '426',
      'one protocol is spoken, that of RFC 6455, and 426 names it',
    ],
    async run({ port, log }) {
      for (const version of ['8', '12']) {
        const client = await RawClient.connect({ port })
        log.push((await client.upgrade({ headers: { 'Sec-WebSocket-Version': version } })).status)
      }
      return log.all
    },
    ws: [101, 400],
    facade: [426, 426],
  },
  {
    row: [
      "'wsClientError'",
      'its listener answers',
      'never; `wss.server.stats().rejections` counts',
      'what is refused has its answer',
    ],
    async run({ wss, port }) {
      wss.on('wsClientError', (_, stream) => stream.end('HTTP/1.1 418 Mine\r\n\r\n'))
      const client = await RawClient.connect({ port })
      return (await client.upgrade({ headers: { 'Sec-WebSocket-Key': 'short' } })).status
    },
    ws: 418,
    facade: 400,
  },
  {
    row: [
      'the subprotocol, when nothing is said',
      'the first that is offered',
      'none; `subprotocols`, `handleProtocols` name yours',
      'what nobody said he speaks is not promised',
    ],
    async run({ connect }) {
      const { ws } = await connect({ headers: { 'Sec-WebSocket-Protocol': 'chat' } })
      return ws.protocol
    },
    ws: 'chat',
    facade: '',
  },
  {
    row: [
      "'headers'",
      'for the accepted',
      'for each `handleUpgrade`, before it is judged',
      'a listener may be there for that call alone, and judging may take longer',
    ],
    async run({ wss, port, log }) {
      wss.on('headers', () => log.push('headers'))
      const client = await RawClient.connect({ port })
      await client.upgrade({ headers: { 'Sec-WebSocket-Key': 'short' } })
      return log.all
    },
    ws: [],
    facade: ['headers'],
  },
  {
    row: [
      'with `server`, its own events',
      "repeated: 'listening', 'error'",
      'not repeated',
      'the application has them itself',
    ],
    async run({ Server, log }) {
      const web = createServer()
      track(new Server({ server: web })).on('listening', () => log.push('listening'))
      await listen(web)
      return log.all
    },
    ws: ['listening'],
    facade: [],
  },
  {
    row: [
      'the largest message, by default',
      '100 MiB',
      '1 MiB (`maxMessageBytes`)',
      'what is not bounded is a peer’s to choose',
    ],
    async run({ connect, log }) {
      const { client, ws } = await connect()
      ws.on('message', (data) => log.push((data as Buffer).length))
      ws.on('error', () => {})
      ws.on('close', (code) => log.push(code))
      client.send({ opcode: Op.BINARY, payload: Buffer.alloc(2 ** 20 + 1) })
      return log.at(0)
    },
    ws: 2 ** 20 + 1,
    facade: 1009,
  },
  {
    row: [
      'a slow peer',
      'everything is kept',
      'closed with 4008 over 1 MiB (`maxBufferedBytes`)',
      'one slow peer must not take everybody’s memory',
    ],
    async run({ connect, log }) {
      const { client, ws } = await connect()
      client.socket.pause()
      ws.on('error', () => {})
      ws.on('close', (code) => log.push(code))
      for (let i = 0; i < 64 && ws.readyState === ws.OPEN; i++) {
        ws.send(Buffer.alloc(2 ** 20))
        await new Promise((resolve) => setImmediate(resolve))
      }
      const isOpen = ws.readyState === ws.OPEN
      ws.terminate()
      return [isOpen, await log.at(0)]
    },
    ws: [true, 1006],
    facade: [false, 4008],
  },
  {
    row: [
      '`bufferedAmount`, just after `send`',
      'what the kernel refused',
      'and what leaves as the turn ends',
      'each socket is written once a turn',
    ],
    async run({ connect }) {
      const { ws } = await connect()
      ws.send('four')
      return ws.bufferedAmount > 0
    },
    ws: false,
    facade: true,
  },
  {
    row: [
      '`send(…, { fin: false })`',
      'a fragment',
      'a TypeError: messages are sent whole',
      'a frame here is a whole message',
    ],
    async run({ connect }) {
      const { ws } = await connect()
      return nameOf(() => ws.send('piece', { fin: false }))
    },
    ws: 'taken',
    facade: 'TypeError',
  },
  {
    row: [
      '`send` of a list, a Blob, an ArrayBuffer that is shared, `null`, `undefined`',
      'sent, the last two as no bytes',
      'a TypeError',
      'the bytes are taken at the call, as they are',
    ],
    async run({ connect }) {
      const { ws } = await connect()
      const all = [[1, 2], ['a'], new Blob(['x']), new SharedArrayBuffer(1), null, undefined]
      return new Set(all.map((data) => nameOf(() => ws.send(data as never))))
    },
    ws: new Set(['taken']),
    facade: new Set(['TypeError']),
  },
  {
    row: ["`binaryType`: 'fragments', 'blob'", 'heeded', 'a TypeError', 'a message is one piece here'],
    async run({ connect }) {
      const { ws } = await connect()
      return nameOf(() => Object.assign(ws, { binaryType: 'fragments' }))
    },
    ws: 'taken',
    facade: 'TypeError',
  },
  {
    row: ['`close()`', 'a Close without a code (1005)', '1000', 'a normal end says so'],
    async run({ connect }) {
      const { client, ws } = await connect()
      ws.close()
      return (await client.answerClose()).code
    },
    ws: 1005,
    facade: 1000,
  },
  {
    row: ['`close(1006)`', 'a TypeError', 'a RangeError', 'of the right type, the wrong value'],
    async run({ connect }) {
      const { ws } = await connect()
      return nameOf(() => ws.close(1006))
    },
    ws: 'TypeError',
    facade: 'RangeError',
  },
  {
    row: [
      "'close', after our `close(4000)`",
      'what the peer answered, or 1006',
      '4000: the first thing that ended it',
      'it was ours, also when nobody answers',
    ],
    async run({ connect, log }) {
      const { client, ws } = await connect()
      ws.on('close', (code) => log.push(code))
      ws.close(4000)
      await client.close()
      client.sendClose(1001)
      await log.count(1)
      const silent = await connect()
      silent.ws.on('close', (code) => log.push(code))
      silent.ws.close(4000)
      silent.client.reset()
      return log.count(2)
    },
    ws: [1001, 1006],
    facade: [4000, 4000],
  },
  {
    row: [
      'messages that come after our `close()`',
      "'message'",
      'read past',
      'a socket that closes is out of its rooms, so nobody talks with it any more',
    ],
    async run({ connect, log }) {
      const { client, ws } = await connect()
      ws.on('message', (data) => log.push(`${data}`))
      ws.on('close', () => log.push('close'))
      ws.close(4000)
      client.say('late')
      await client.answerClose()
      await log.find((entry) => entry === 'close')
      return log.all
    },
    ws: ['late', 'close'],
    facade: ['close'],
  },
  {
    row: [
      'what is sent just before `terminate()`',
      'leaves',
      'is lost, and its callback told; terminate in the callback',
      'each socket is written once a turn',
    ],
    async run({ connect, log }) {
      const { client, ws } = await connect()
      ws.send('last', (error) => log.push(error instanceof Error))
      ws.terminate()
      await client.ended()
      return [await log.at(0), client.frames.all.map(short)]
    },
    ws: [false, ['text last']],
    facade: [true, []],
  },
  {
    row: ["'close', after a broken rule", '1006', 'the code it was failed with', 'what ended it is told'],
    async run({ connect, log }) {
      const { client, ws } = await connect()
      ws.on('error', () => {})
      ws.on('close', (code) => log.push(code))
      client.send({ opcode: Op.TEXT, payload: Buffer.of(0xff) })
      await client.close()
      client.socket.end()
      return log.at(0)
    },
    ws: 1006,
    facade: 1007,
  },
  {
    row: [
      "'error', after a broken rule",
      'has a `code`: WS_ERR_…',
      "has none: 'close' has it",
      'the protocol’s own code tells',
    ],
    async run({ connect, log }) {
      const { client, ws } = await connect()
      ws.on('error', (error) => log.push('code' in error && error.code))
      client.send({ opcode: 3, payload: '' })
      await client.close()
      client.socket.end()
      return log.at(0)
    },
    ws: 'WS_ERR_INVALID_OPCODE',
    facade: false,
  },
  {
    row: [
      '`wss.close()` while somebody is connected',
      'waits for him',
      'closes him with 1001',
      'so that it comes back elsewhere, and the process can end',
    ],
    async run({ wss, connect }) {
      const { client, ws } = await connect()
      wss.close()
      await nextTurn()
      if (ws.readyState === ws.OPEN) ws.send('still here')
      return short(await client.frame())
    },
    ws: 'text still here',
    facade: 'close 1001 server is closing',
  },
  {
    row: [
      '`ws._socket`, `ws.extensions`',
      'the TCP stream; what was agreed',
      'not there; `ws.socket` is core’s socket',
      'the stream is the connection’s alone',
    ],
    async run({ connect }) {
      const { ws } = await connect()
      return ['_socket' in ws, 'extensions' in ws]
    },
    ws: [true, true],
    facade: [false, false],
  },
  {
    row: [
      "a broken rule where nobody listens to 'error'",
      'the process ends',
      'that connection ends',
      'no peer ends the process',
    ],
    run: ({ name }) => lives(name, ''),
    ws: false,
    facade: true,
  },
  {
    row: [
      'a listener that throws',
      'the process ends',
      'that connection ends with 1011; `onError` hears it',
      'as above',
    ],
    run: ({ name }) =>
      lives(name, `ws.on('error', () => {}).on('ping', () => { throw new Error('the user’s mistake') })`),
    ws: false,
    facade: true,
  },
]

const workspace = fileURLToPath(new URL('../../..', import.meta.url))

/** Does a process with such listeners outlive a ping and a frame of no kind there is? */
async function lives(name: SideName, listeners: string): Promise<boolean> {
  const program = `
    import { WebSocketServer } from '${name === 'ws' ? 'ws' : '@roomcast/core/ws'}'
    import { connect } from 'node:net'
    const wss = new WebSocketServer({ port: 0, host: '127.0.0.1', ${name === 'ws' ? '' : 'onError() {}'} }, () => {
      const client = connect(wss.address().port, '127.0.0.1', () => client.write(${JSON.stringify(HANDSHAKE)}))
      client.once('data', () => client.write(Buffer.from('898000000000' + '838000000000', 'hex')))
      client.on('data', () => {})
    })
    wss.on('connection', (ws) => {
      ${listeners}
      ws.on('close', () => {
        console.log('lives')
        process.exit()
      })
    })`
  const args = ['--input-type=module', '--eval', program]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: workspace }).catch(() => ({ stdout: '' }))
  return stdout.includes('lives')
}

const HANDSHAKE = [
  'GET / HTTP/1.1',
  'Host: localhost',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13\r\n\r\n',
].join('\r\n')

describe.each(DIFFERENCES)('$row.0', ({ run, ...expected }) => {
  test.each(Object.keys(SIDES) as SideName[])('%s', async (name) => {
    expect(await run(await side(name))).toEqual(expected[name])
  })
})

test('core’s README lists these, and no others', () => {
  const readme = readFileSync(`${workspace}packages/core/README.md`, 'utf8')
  const [, table = ''] = /\n\| +\| ws +\| here +\| why +\|\n\|[-| ]+\|\n((?:\|.*\|\n)+)/.exec(readme) ?? []
  const rows = table
    .trim()
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
  expect(rows.map((cells) => cells.slice(1, -1))).toEqual(DIFFERENCES.map(({ row }) => row))
})
