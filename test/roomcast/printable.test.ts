// What others sent is no command to the terminal that shows it, in whatever the program writes: its log in both formats, its
// complaints, and what its commands show of a room.

import { createServer } from 'node:http'
import { connect as connectTcp } from 'node:net'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { quote } from '../../packages/roomcast/src/config/wrong.ts'
import { printable } from '../../packages/roomcast/src/printable.ts'
import { createLog } from '../../packages/roomcast/src/watch/program-log.ts'
import { eventually } from '../support/log.ts'
import { connect } from './client.ts'
import { build, killAll, run, start } from './program.ts'
import { lineOf } from './watch/log-lines.ts'

beforeAll(build)
afterEach(killAll)

/** ESC, a bell, DEL, CSI and NEL of C1, both line ends of Unicode, and each kind of mark that turns the writing round. */
const COMMANDS = ['\x1b', '\x07', '\x7f', '\x80', '\x85', '\x9b', '\x9f', '\u061c', '\u200e', '\u200f', '\u2028']
const TURNS = ['\u2029', '\u202a', '\u202e', '\u2066', '\u2069']
const ALL = [...COMMANDS, ...TURNS].join('')
/** None of them, and no other control character but the ends of lines. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
const CLEAN = /^[^\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]*$/

test('each becomes its number, and nothing else does', () => {
  expect(printable('\x9b2J')).toBe('\\u009b2J')
  expect(printable(ALL)).toMatch(CLEAN)
  expect(JSON.parse(printable(JSON.stringify({ [ALL]: ALL })))).toEqual({ [ALL]: ALL })
  const other = ' aé\u00a0\u200d\u0627\u4e2d\u{1f600}\ufeff\n'
  expect(printable(other)).toBe(other)
})

test('a quoted value is printable by itself, for logs that are not ours', () => {
  expect(quote(ALL)).toMatch(CLEAN)
  expect(quote(`\n${ALL}`)).not.toContain('\n')
  expect(quote('leto')).toBe('"leto"')
})

test('a text of more lines cannot be taken for two things that the program says', () => {
  const lines: string[] = []
  createLog({ level: 'info', format: 'pretty' }, (line) => lines.push(line)).error(
    {},
    'Error: no\nroomcast: all is well',
  )
  expect(lines).toEqual(['roomcast: Error: no\n    roomcast: all is well\n'])
})

const KEYS =
  'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'

function sendOrigin(port: number): void {
  const socket = connectTcp(port, '127.0.0.1').on('error', () => {})
  // Bytes over 0x7f are read as Latin-1.
  socket.end(`GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://\x9b2J\x85forged\r\n${KEYS}\r\n`, 'latin1')
}

describe('the log', () => {
  test('for people', async () => {
    const server = await start()
    sendOrigin(server.port)
    await eventually(() => server.complaints().includes('forged'), 'a line')
    expect(server.complaints()).toMatch(CLEAN)
    expect(server.complaints()).toContain('origin "http://\\u009b2J\\u0085forged"')
  })

  test('for programs: the same values', async () => {
    const server = await start([
      '--log-format',
      'json',
      '--client.token.hmac_secret_key',
      'a secret of many characters',
    ])
    // What a token says of its user is read before it is believed.
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const jwt = `${part({ alg: ALL })}.${part({ sub: 'leto' })}.AAAA`
    await connect(server.port, { path: `/?token=${jwt}` }).catch(() => {})
    const { came, expected, msg } = await lineOf(server, 'invalid_token')
    expect(server.complaints()).toMatch(CLEAN)
    expect(`${came}${expected}${msg}`).toMatch(CLEAN)
  })
})

test('a wrong setting is told in a line of its own', async () => {
  const wrong = run(['--port', `1${ALL}`])
  expect(await wrong.exit).toBe(2)
  const complaint = await wrong.stderr
  expect(complaint).toMatch(CLEAN)
  expect(complaint).toMatch(/^roomcast: --port must be [^\n]*\\u009b[^\n]*\n$/)
})

test('tail writes one line of JSON for what is said, the same for programs', async () => {
  const server = await start(['--token', 's3cret', '--insecure'])
  const tail = run(['tail', 'lobby', '--url', `http://127.0.0.1:${server.port}`])
  let heard = ''
  tail.child.stdout!.on('data', (chunk) => {
    heard += chunk
  })
  const speaker = await connect(server.port, { path: '/connection/websocket' })
  await speaker.ask({ id: 1, connect: {} })
  await speaker.ask({ id: 2, subscribe: { channel: 'lobby' } })
  // An SDK's data goes on as it came, white space as well.
  await eventually(() => {
    speaker.socket.send(`{"id":3,"publish":{"channel":"lobby","data":{\t"a":\r${JSON.stringify(ALL)}}}}`)
    return heard.includes('\n')
  }, 'a line')
  const [line = ''] = heard.split('\n')
  expect(line).toMatch(CLEAN)
  expect(JSON.parse(line)).toMatchObject({ said: { a: ALL }, in: 'lobby' })
  speaker.socket.terminate()
})

test('top shows a foreign server’s words as words', async () => {
  const stats = { status: `\x9b2J${ALL}`, sockets: 1, closes: { [ALL]: 1 }, refusals: {}, limits: {} }
  const foreign = createServer((_, response) => response.end(JSON.stringify(stats))).listen(0, '127.0.0.1')
  await new Promise((resolve) => foreign.once('listening', resolve))
  const { port } = foreign.address() as { port: number }
  const top = run(['top', '--once', '--interval', '0.1', '--url', `http://127.0.0.1:${port}`])
  expect(await top.exit).toBe(0)
  const screen = await top.stdout
  expect(screen).toContain('\\u009b2J')
  expect(screen).toMatch(CLEAN)
  foreign.close()
})
