// What a conformance vector is: an id, the clause it is about, the bytes of a client, and the answer of the server.

import { type HandshakeText, handshakeText } from '../support/raw-client.ts'

/** The servers that vectors are tried on; all of them echo. `small` takes messages of 16 bytes, `rooms` speaks the
 * subprotocols `b` and `a`, `path` serves `/ws` alone. */
export const SERVERS = {
  plain: {},
  deflate: { compression: true },
  small: { maxMessageBytes: 16, compression: true },
  rooms: { subprotocols: ['b', 'a'] },
  path: { pathname: '/ws' },
} as const

export type ServerName = keyof typeof SERVERS

/** A handshake: what the head is, and the status that answers it. A 101 must carry the right Sec-WebSocket-Accept and
 * leave a connection that answers a ping; anything else must be the only answer, and end the connection. */
export interface HandshakeVector {
  readonly id: string
  readonly clause: string
  readonly what: string
  readonly server: ServerName
  /** In latin1. */
  readonly head: string
  readonly status: number
  /** Headers of the answer; null: it must not be there. */
  readonly headers: Readonly<Record<string, string | null>>
}

/** What follows a correct handshake. `open`: the connection goes on, and answers a ping; `end`: the server ended it. */
export interface FrameVector {
  readonly id: string
  readonly clause: string
  readonly what: string
  readonly server: ServerName
  /** In hexadecimal; spaces are for the reader. */
  readonly wire: string
  /** Is it in the same write as the head? */
  readonly withHead: boolean
  /** Frames as `text 6869`, `binary of 300`, `pong`, `close 1002 5.2 words`, then `open` or `end`. */
  readonly answer: readonly string[]
}

type HeadRow = readonly [
  what: string,
  head: HandshakeText | string,
  status: number,
  headers?: Readonly<Record<string, string | null>>,
]

type FrameRow = readonly [what: string, wire: string, ...answer: string[]]

/** Rows of one clause, numbered: `H-host-1` … */
export function heads(
  prefix: string,
  { clause, server = 'plain' }: { clause: string; server?: ServerName },
  rows: readonly HeadRow[],
): HandshakeVector[] {
  return rows.map(([what, head, status, headers = {}], i) => ({
    id: `${prefix}-${i + 1}`,
    clause,
    what,
    server,
    head: typeof head === 'string' ? head : handshakeText(head),
    status,
    headers,
  }))
}

/** Rows of one clause, numbered: `F-mask-1` … */
export function frames(
  prefix: string,
  options: { clause: string; server?: ServerName; withHead?: boolean },
  rows: readonly FrameRow[],
): FrameVector[] {
  const { clause, server = 'plain', withHead = false } = options
  return rows.map(([what, wire, ...answer], i) => ({
    id: `${prefix}-${i + 1}`,
    clause,
    what,
    server,
    wire,
    withHead,
    answer,
  }))
}
