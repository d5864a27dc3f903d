// What a format of the protocol must be able to do: JSON and Protobuf are the two there are.

import type { Framed, Payload } from '@roomcast/core'
import type { Codec, Publication } from '@roomcast/rooms'
import type { Command, Wire } from './schema.ts'

/** A command that came and was not looked into yet. */
export type Raw = string | Uint8Array

/** A reply or a push, encoded and not yet framed. */
export type Piece = string | Uint8Array

/** A format. What it makes of publications and notices is shared by all who speak it. */
export interface Format {
  readonly name: 'json' | 'protobuf'
  readonly codec: Codec<Piece>
  /** The message that pings, ready to be written. */
  readonly ping: Framed
  /** The commands of one WebSocket message, in order; undefined: it is none of the protocol's. */
  split(message: Buffer, isText: boolean): Raw[] | undefined
  /** Is it the answer to a ping? */
  isPong(raw: Raw): boolean
  /** Reads a command; undefined: it is none. */
  decode(raw: Raw): Command | undefined
  encode(reply: Wire<'Reply'>): Piece
  /** One message of several replies. */
  join(pieces: readonly Piece[]): Payload
  /** One message of several replies, the last of which may bring what a client missed: of that, what was encoded for one
   * client is there for the next that missed the same. */
  joinWith(pieces: readonly Piece[], reply: Wire<'Reply'>): Payload | Framed
}

/** A publication in the words of the protocol. */
function publicationOf({ data, info, offset, tags, epoch }: Publication): Wire<'Publication'> {
  return {
    data,
    info: info && infoOf(info),
    offset,
    tags,
    // Who was there before the first one knows no epoch.
    epoch: offset === 1 ? epoch : undefined,
  }
}

/** A client in the words of the protocol. */
export function infoOf({ client, user, info, roomInfo }: NonNullable<Publication['info']>): Wire<'ClientInfo'> {
  return { client, user, conn_info: info, chan_info: roomInfo }
}

/** A codec of rooms out of what two formats have in common: a push is a reply without an id. */
export function codecOf(
  encodeBody: (publication: Wire<'Publication'>) => Piece,
  push: (room: string, body: Piece) => Framed,
  frame: (reply: Wire<'Reply'>) => Framed,
): Codec<Piece> {
  let last = { room: '', code: 0, reason: '', framed: undefined as Framed | undefined }
  return {
    body: (publication) => encodeBody(publicationOf(publication)),
    push,
    join: (channel, info) => frame({ push: { channel, join: { info: infoOf(info) } } }),
    leave: (channel, info) => frame({ push: { channel, leave: { info: infoOf(info) } } }),
    unsubscribed(room, code, reason) {
      // A whole room is told at once, one member after the other.
      if (last.framed === undefined || last.room !== room || last.code !== code || last.reason !== reason) {
        last = { room, code, reason, framed: frame({ push: { channel: room, unsubscribe: { code, reason } } }) }
      }
      return last.framed!
    },
  }
}
