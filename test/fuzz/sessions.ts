// Whole sessions at a real socket: a correct handshake, then anything, in any number of writes. What comes back, to the
// byte, is what the protocol says by itself, echoes and owed frames in their order; then the server ends the connection
// where the session has an end. A bystander on the same server is heard after each.

import { Buffer } from 'node:buffer'
import { serverFrame } from '../support/client-frames.ts'
import { ACCEPT, handshakeText } from '../support/raw-client.ts'
import { SESSIONS } from './corpus.ts'
import type { ProtocolClass } from './frames.ts'
import { framesOf, mutateSession } from './mutate.ts'
import type { Random } from './random.ts'
import type { Target } from './target.ts'
import { type Bystander, visit } from './visit.ts'

/** The options that the echo server under test has: small, so that its limit is met. */
export const ECHO_OPTIONS = { maxMessageBytes: 1000, compression: true, origin: 'same' } as const

/** A server that echoes, with `ECHO_OPTIONS`. */
export interface EchoServer {
  readonly port: number
  /** What it has to say for itself: errors that it caught, or its end. */
  wrong(): string | null
}

export interface SessionInput {
  readonly wire: Buffer
  readonly deflate: boolean
}

const DEFLATE = 'permessage-deflate; server_no_context_takeover'
/** What is kept of a client that offers that. */
const CLIENT_WINDOW_BYTES = 32_768
const ALL = SESSIONS.map((session) => ({ ...session, frames: framesOf(session.wire) }))

export function sessionsTarget(
  Class: ProtocolClass,
  { server, bystander }: { server: EchoServer; bystander: Bystander },
): Target<SessionInput> {
  return {
    name: 'sessions',
    about: 'sessions at the socket: to the byte what the protocol says; the bystander is heard',
    inputs: 3_000,
    make(random) {
      const deflate = random.oneIn(3)
      return {
        wire: mutateSession(
          ALL.filter((session) => session.deflate === deflate),
          random,
        ),
        deflate,
      }
    },
    async check(input, random) {
      const wrong = await checkSession(Class, { server, input, random })
      return wrong ?? server.wrong() ?? (await bystander.wrong())
    },
    show: ({ wire, deflate }) =>
      `{ name: '', wire: '${wire.toString('hex')}', maxMessageBytes: ${ECHO_OPTIONS.maxMessageBytes}, deflate: ${deflate}, closeFirst: false }`,
  }
}

async function checkSession(
  Class: ProtocolClass,
  { server, input, random }: { server: EchoServer; input: SessionInput; random: Random },
): Promise<string | null> {
  const headers = input.deflate ? { 'Sec-WebSocket-Extensions': DEFLATE } : {}
  const head = handshakeText({ headers: { ...headers, Origin: 'http://localhost' } })
  const sent = Buffer.concat([Buffer.from(head), input.wire])
  const expected = expectedAnswer(Class, input)
  const seen = await visit({ port: server.port, writes: cut(sent, random), waitFor: expected.length }).catch(String)
  if (typeof seen === 'string') return `${seen}; expected ${expected.toString('hex')}`
  // A server that has sent its Close may reset what is still on its way: the answer came before.
  return seen.bytes.equals(expected)
    ? null
    : `the answer was ${seen.bytes.toString('latin1')} (${seen.end}), not ${expected.toString('latin1')}`
}

/** The bytes in some writes: most in one, some in up to five. */
export function cut(bytes: Buffer, random: Random): Buffer[] {
  const places = Array.from({ length: random.pick([0, 0, 1, 2, 4]) }, () => random.below(bytes.length))
  const edges = [0, ...places.sort((a, b) => a - b), bytes.length]
  return edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge))
}

/** What an echo server sends, by the protocol alone. */
function expectedAnswer(Class: ProtocolClass, { wire, deflate }: SessionInput): Buffer {
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${ACCEPT}`,
    ...(deflate ? [`Sec-WebSocket-Extensions: ${DEFLATE}`] : []),
  ]
  const pieces: Buffer[] = [Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)]
  const { maxMessageBytes } = ECHO_OPTIONS
  const protocol = new Class({ maxMessageBytes, deflate, clientWindowBytes: CLIENT_WINDOW_BYTES })
  protocol.receive(Buffer.from(wire))
  for (let event = protocol.next(); event !== null; event = protocol.next()) {
    if (event.type === 'message') pieces.push(serverFrame(event.opcode === 'text' ? 0x81 : 0x82, event.data))
    else if (event.type !== 'pong' && event.owed !== null) pieces.push(event.owed)
  }
  return Buffer.concat(pieces)
}
