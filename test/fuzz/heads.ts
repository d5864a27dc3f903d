// The head of an opening handshake, as a function judges it: whatever comes, one answer, never a throw; what it accepts and
// what it refuses is what a plain reading of RFC 6455 §4.2.1 says; and both answers are whole HTTP heads.

import { Buffer } from 'node:buffer'
import { HEADS } from './corpus.ts'
import { changeBytes } from './mutate.ts'
import type { Random } from './random.ts'
import { shrinkBytes, type Target } from './target.ts'

/** The functions under test. */
export type Handshake = typeof import('../../packages/core/dist/handshake/handshake.js') &
  typeof import('../../packages/core/dist/handshake/response.js')

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
/** Header lines that decide something, right and wrong. */
const LINES = [
  'Host: localhost',
  'Host: a b',
  'Host:',
  'Host: [::1]:80',
  'Host: localhost:65536',
  'Upgrade: websocket',
  'Upgrade: h2c, WebSocket',
  'Upgrade: websockets',
  'Connection: keep-alive, Upgrade',
  'Connection: close',
  'Connection: ,,upgrade,,',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Version: 013',
  'Sec-WebSocket-Version: 8',
  `Sec-WebSocket-Key: ${KEY}`,
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==',
  'Sec-WebSocket-Key: short',
  'Sec-WebSocket-Protocol: a, b',
  'Sec-WebSocket-Protocol: a a',
  'Sec-WebSocket-Protocol: json, json',
  'Sec-WebSocket-Extensions: permessage-deflate',
  'Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=20',
  'Sec-WebSocket-Extensions: ;',
  'Origin: http://localhost',
  'Origin: null',
  'Content-Length: 0',
  'Content-Length: 5',
  'Transfer-Encoding: chunked',
  '__proto__: x',
  'constructor: x',
  'Cookie: a=b',
  'Expect: 100-continue',
  'X:',
  'Upgrade: \xa0websocket',
  'Connection: Upgrade\xa0',
  'Sec-WebSocket-Version: 13\xa0',
]
const TARGETS = [
  '/',
  '/a?b=c',
  '/#f',
  '*',
  'http://localhost/',
  'http://u@h/',
  'ws://localhost/',
  '//x',
  '',
  '/\xff',
  '/%zz',
]
const METHODS = ['GET', 'GET', 'GET', 'POST', 'get', 'HEAD', 'CONNECT', 'OPTIONS']
const VERSIONS = [
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/2.0',
  'HTTP/0.9',
  'HTTP/1.9',
  'HTTP/11',
  'http/1.1',
]
const STATUSES = [400, 405, 426, 431]
const LIMITS = { maxHeaders: 100, maxHeaderBytes: 16 * 1024 }

/** A real head, with lines changed, doubled, left out, out of order, and then bytes. In latin1. */
export function mutateHead(random: Random): string {
  const [first = '', ...lines] = random.pick(HEADS).trimEnd().split('\r\n')
  let [method = '', url = '', version = ''] = first.split(' ')
  for (let changes = random.pick([0, 1, 1, 2, 3]); changes > 0; changes--) {
    const at = random.below(lines.length)
    switch (random.below(8)) {
      case 0:
        lines.splice(at, 1)
        break
      case 1:
        lines.splice(at, 0, lines[random.below(lines.length)] ?? 'X: y')
        break
      case 2:
      case 3:
        lines.splice(at, 0, random.pick(LINES))
        break
      case 4: {
        // The same header with another value.
        const line = random.pick(LINES)
        const name = line.slice(0, line.indexOf(':')).toLowerCase()
        const same = lines.findIndex((other) => other.toLowerCase().startsWith(`${name}:`))
        if (same >= 0) lines[same] = line
        else lines.push(line)
        break
      }
      case 5:
        lines[at] = random.oneIn(2) ? (lines[at]?.toUpperCase() ?? '') : (lines[at]?.replace(': ', ':  \t') ?? '')
        break
      case 6:
        if (random.below(2) < 1) method = random.pick(METHODS)
        else if (random.oneIn(2)) version = random.pick(VERSIONS)
        else url = random.pick(TARGETS)
        break
      default:
        if (random.oneIn(50)) lines.push(...Array<string>(random.between(80, 120)).fill('X: y'))
        if (random.oneIn(50)) lines.push(`X-Long: ${'y'.repeat(random.between(15_500, 17_000))}`)
    }
  }
  const text = `${[`${method} ${url} ${version}`, ...lines].join('\r\n')}\r\n\r\n`
  if (!random.oneIn(3)) return text
  let bytes: Buffer = Buffer.from(text, 'latin1')
  for (let changes = random.between(1, 3); changes > 0; changes--) bytes = changeBytes(bytes, random)
  return bytes.toString('latin1')
}

/** What a lenient HTTP parser would make of it. */
function asRequest(head: string) {
  const [first = '', ...lines] = head.split('\r\n')
  const [method, url, version = ''] = first.split(' ')
  const rawHeaders = lines
    .filter((line) => line !== '')
    .flatMap((line) => {
      const colon = line.indexOf(':')
      return colon < 0 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')]
    })
  return { method, url, httpVersion: version.replace(/^HTTP\//, ''), rawHeaders }
}

export function headsTarget(api: Handshake): Target<string> {
  return {
    name: 'heads',
    about: 'the handshake function: one answer, the one a plain reading of the RFC gives; no throw',
    inputs: 100_000,
    make: mutateHead,
    check: (head) => {
      try {
        return checkHead(api, head)
      } catch (error) {
        return `threw ${error instanceof Error ? error.stack : String(error)}`
      }
    },
    show: (head) => `{ name: '', head: '${Buffer.from(head, 'latin1').toString('hex')}' }`,
    shrink: (head, fails) =>
      shrinkBytes(Buffer.from(head, 'latin1'), (bytes) => fails(bytes.toString('latin1'))).toString('latin1'),
  }
}

function checkHead(api: Handshake, head: string): string | null {
  const request = asRequest(head)
  const answer = api.readHandshake(request, LIMITS)
  if (JSON.stringify(answer) !== JSON.stringify(api.readHandshake(request, LIMITS))) return 'not the same answer again'
  const path = api.requestPath(request.url ?? '')
  const broken = brokenRule(request)
  if ('refusal' in answer) {
    const { refusal } = answer
    if (!STATUSES.includes(refusal.status)) return `refused with ${refusal.status}`
    if (!/^[a-z_]+$/.test(refusal.error)) return `refused with ${refusal.error}`
    if (broken === null) return `refused with ${refusal.error}, which is not so`
    return linesOf(api.refusalResponse(refusal, 'No')) === 4 + Object.keys(refusal.headers ?? {}).length
      ? null
      : 'a refusal with other lines'
  }
  if (broken !== null && broken !== 'perhaps') return `accepted, though ${broken}`
  const { opening } = answer
  if (opening.path !== path) return `its path is ${opening.path}, before it was ${path}`
  const subprotocol = opening.subprotocols.at(-1)
  const response = api.switchingProtocols({ acceptKey: opening.acceptKey, subprotocol })
  return linesOf(response) === (subprotocol === undefined ? 3 : 4) ? null : 'a 101 with other lines'
}

/** Header lines of a response. */
function linesOf(response: Buffer): number {
  return (
    response
      .toString('latin1')
      .split('\r\n\r\n')[0]!
      .split(/\r\n|\r|\n/).length - 1
  )
}

/** Which of the rules that can be told in a line is broken; 'perhaps': one of those with a grammar may be. */
function brokenRule({ method, url = '', httpVersion, rawHeaders }: ReturnType<typeof asRequest>): string | null {
  const values = (name: string): string[] =>
    rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]!.toLowerCase() === name)
  const has = (name: string, word: string): boolean =>
    values(name).some((value) =>
      value.split(',').some((part) => part.replace(/^[ \t]+|[ \t]+$/g, '').toLowerCase() === word),
    )
  const [key = ''] = values('sec-websocket-key')
  if (rawHeaders.length > 2 * LIMITS.maxHeaders) return 'too many headers'
  if (method !== 'GET') return 'no GET'
  if (!/^(?:1\.[1-9]|[2-9]\.\d)$/.test(httpVersion)) return 'not HTTP/1.1'
  if (values('host').length !== 1 || values('host')[0] === '') return 'not one Host'
  if (values('transfer-encoding').length > 0) return 'a body'
  if (values('content-length').some((value) => value !== '0') || values('content-length').length > 1) return 'a body'
  if (!has('upgrade', 'websocket')) return 'no Upgrade'
  if (!has('connection', 'upgrade')) return 'no Connection'
  if (values('sec-websocket-version').join() !== '13') return 'not version 13'
  if (values('sec-websocket-key').length !== 1 || !isKey(key)) return 'no key'
  if (values('origin').length > 1) return 'two Origins'
  if (/[ \t#]/.test(url) || url === '') return 'a bad target'
  const isPlain =
    /^\/[\w/?=.-]*$/.test(url) &&
    /^[a-z.]+(?::\d{1,4})?$/.test(values('host')[0]!) &&
    rawHeaders.join('').length + rawHeaders.length * 2 + url.length <= LIMITS.maxHeaderBytes &&
    values('sec-websocket-protocol').length + values('sec-websocket-extensions').length === 0
  return isPlain ? null : 'perhaps'
}

function isKey(key: string): boolean {
  const bytes = Buffer.from(key, 'base64')
  return bytes.length === 16 && bytes.toString('base64') === key
}
