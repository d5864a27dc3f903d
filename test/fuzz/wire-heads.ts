// Handshake heads at a real socket, changed as text and as bytes, with a Close frame behind them. At once and in pieces they
// get the same answer: one whole HTTP response at most, none but the expected statuses, and then the end. A bystander is
// heard after each.

import { Buffer } from 'node:buffer'
import { clientFrame, Op } from '../support/client-frames.ts'
import { mutateHead } from './heads.ts'
import { cut, type EchoServer } from './sessions.ts'
import type { Target } from './target.ts'
import { type Bystander, visit } from './visit.ts'

const CLOSE = clientFrame({ opcode: Op.CLOSE })
const STATUSES = [101, 400, 403, 405, 426, 431]

export function wireHeadsTarget({ server, bystander }: { server: EchoServer; bystander: Bystander }): Target<string> {
  return {
    name: 'wire-heads',
    about: 'handshake heads at the socket: one whole answer at most, the same in pieces; the bystander is heard',
    inputs: 3_000,
    make: mutateHead,
    async check(head, random) {
      const bytes = Buffer.concat([Buffer.from(head, 'latin1'), CLOSE])
      const atOnce = await answer(server.port, [bytes])
      const inPieces = await answer(server.port, [...cut(bytes, random), Buffer.alloc(0)])
      const wrong = atOnce.wrong ?? inPieces.wrong
      if (wrong !== null) return wrong
      if (atOnce.said !== inPieces.said) return `is ${inPieces.said} in pieces, ${atOnce.said} at once`
      return server.wrong() ?? (await bystander.wrong())
    },
    show: (head) => `{ name: '', head: '${Buffer.from(head, 'latin1').toString('hex')}' }`,
  }
}

async function answer(port: number, writes: readonly Buffer[]): Promise<{ said: string; wrong: string | null }> {
  const seen = await visit({ port, writes }).catch(String)
  if (typeof seen === 'string') return { said: '', wrong: seen }
  const text = seen.bytes.toString('latin1')
  if (text === '') return { said: 'nothing', wrong: null }
  return { said: text.split('\r\n')[0]!, wrong: wrongAnswer(seen.bytes, isHead(writes)) }
}

/** RFC 9110 §9.3.2: the answer to HEAD has no body. Methods are case-sensitive. */
function isHead(writes: readonly Buffer[]): boolean {
  return Buffer.concat(writes)
    .toString('latin1')
    .replace(/^(?:\r\n)*/, '')
    .startsWith('HEAD ')
}

function wrongAnswer(seen: Buffer, head: boolean): string | null {
  const text = seen.toString('latin1')
  const end = text.indexOf('\r\n\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3}) [A-Za-z ]+\r\n/.exec(text)?.[1])
  if (end < 0 || !STATUSES.includes(status)) return `the answer is ${text}`
  const headers = text.slice(0, end).split('\r\n').slice(1)
  if (!headers.every((line) => /^[\w-]+: [ -~\xa0-\xff]+$/.test(line))) return `the answer is ${text}`
  if (text.indexOf('HTTP/1.1 ', 1) >= 0) return `more than one answer: ${text}`
  const body = text.slice(end + 4)
  if (status === 101) return areFrames(seen.subarray(end + 4)) ? null : `what came behind the 101: ${text}`
  if (!headers.some((line) => /^connection: .*close/i.test(line))) return `a refusal that keeps the connection: ${text}`
  const length = headers.map((line) => /^content-length: (\d+)$/i.exec(line)?.[1]).find((value) => value !== undefined)
  if (head && body === '') return null
  return length === undefined || body.length === Number(length) ? null : `a body of ${body.length}: ${text}`
}

/** Short frames of a server. A changed head may end before its last bytes, and those come before the Close then. */
function areFrames(bytes: Buffer): boolean {
  let at = 0
  while (at + 2 <= bytes.length && [0x81, 0x82, 0x88, 0x8a].includes(bytes[at]!) && bytes[at + 1]! < 126) {
    at += 2 + bytes[at + 1]!
  }
  return at === bytes.length
}
