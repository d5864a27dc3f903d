// Two protocols for tests. `lines` says everything in JSON; `bare` in as little as can be read again. Both count the
// bodies they make.

import { bin, type Framed, txt } from '@roomcast/core'
import type { ClientInfo, Codec, Entered, Publication } from '@roomcast/rooms'
import { messageOf } from '../support/fake-socket.ts'

/** What a member was sent, whatever its protocol. */
export type Heard =
  | { is: 'reply'; room: string; epoch: string; offset: number; recovered: boolean; missed: Said[] }
  | ({ is: 'said'; room: string } & Said)
  | { is: 'join'; room: string; client: string }
  | { is: 'leave'; room: string; client: string }
  | { is: 'out'; room: string; code: number }

export interface Said {
  epoch: string
  offset: number
  data: string
}

export interface TestCodec extends Codec<string> {
  made: number
  reply(room: string, entered: Entered<string>): Framed
  hear(frame: Framed): Heard
}

const said = ({ epoch, offset, data }: Publication): Said => ({ epoch, offset, data: Buffer.from(data).toString() })

export function linesCodec(): TestCodec {
  const line = (heard: object): Framed => txt(JSON.stringify(heard))
  return {
    made: 0,
    body(publication) {
      this.made++
      return JSON.stringify(said(publication))
    },
    push: (room, body) => txt(`{"is":"said","room":${JSON.stringify(room)},${body.slice(1)}`),
    join: (room, { client }: ClientInfo) => line({ is: 'join', room, client }),
    leave: (room, { client }: ClientInfo) => line({ is: 'leave', room, client }),
    unsubscribed: (room, code) => line({ is: 'out', room, code }),
    reply: (room, { publications, ...position }) =>
      txt(`${JSON.stringify({ is: 'reply', room, ...position }).slice(0, -1)},"missed":[${publications.join(',')}]}`),
    hear: (frame) => JSON.parse(String(messageOf(frame))) as Heard,
  }
}

/** Fields with U+001F between them; publications of a reply with U+001E. */
export function bareCodec(): TestCodec {
  const put = (...fields: unknown[]): Framed => bin(fields.join('\x1f'))
  const parse = (body: string): Said => {
    const [epoch, offset, ...data] = body.split('\x1f')
    return { epoch: epoch!, offset: Number(offset), data: data.join('\x1f') }
  }
  return {
    made: 0,
    body(publication) {
      this.made++
      const { epoch, offset, data } = said(publication)
      return [epoch, offset, data].join('\x1f')
    },
    push: (room, body) => put('said', room, body),
    join: (room, { client }) => put('join', room, client),
    leave: (room, { client }) => put('leave', room, client),
    unsubscribed: (room, code) => put('out', room, code),
    reply: (room, { epoch, offset, recovered, publications }) =>
      put('reply', room, epoch, offset, recovered ? 1 : 0, publications.join('\x1e')),
    hear(frame) {
      const [is, room, ...fields] = String(messageOf(frame)).split('\x1f') as [string, string, ...string[]]
      if (is === 'said') return { is, room, ...parse(fields.join('\x1f')) }
      if (is === 'out') return { is, room, code: Number(fields[0]) }
      if (is === 'join' || is === 'leave') return { is, room, client: fields[0]! }
      const [epoch, offset, recovered, ...rest] = fields
      const missed = rest.join('\x1f')
      return {
        is: 'reply',
        room,
        epoch: epoch!,
        offset: Number(offset),
        recovered: recovered === '1',
        missed: missed === '' ? [] : missed.split('\x1e').map(parse),
      }
    },
  }
}
