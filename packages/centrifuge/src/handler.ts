// Edge: binds a connection of core to a session of the protocol.

import { accept, type Handler, type HandshakeRequest, type Socket } from '@roomcast/core'
import { DEEDS } from './commands.ts'
import { type CentrifugeOptions, settle } from './options.ts'
import { Session } from './session.ts'
import type { Format } from './wire/format.ts'
import { jsonFormat } from './wire/json.ts'
import { protobufFormat } from './wire/protobuf.ts'

const SUBPROTOCOLS: Readonly<Record<string, Format>> = {
  'centrifuge-json': jsonFormat,
  'centrifuge-protobuf': protobufFormat,
}

/** What a socket's `state` is: nothing that others could use. */
export interface CentrifugeState {
  session: Session | undefined
  readonly format: Format
  http: HandshakeRequest | undefined
}

/** Makes a handler of core that speaks the client protocol of Centrifugo's SDKs: for a route such as
 * `/connection/websocket`. JSON; Protobuf for a client that offers the subprotocol `centrifuge-protobuf`, or has
 * `format=protobuf` or `cf_protocol=protobuf` in its query. Its `handshake` refuses nobody: wrap it to do so.
 * @throws TypeError for an unknown option or one of the wrong type, RangeError for a wrong value. */
export function centrifugeHandler(options: CentrifugeOptions): Handler<unknown, CentrifugeState> {
  const env = settle(options)
  return {
    handshake(http) {
      const { query, subprotocols } = http
      const subprotocol = subprotocols.find((offered) => Object.hasOwn(SUBPROTOCOLS, offered))
      const isProtobuf = query.get('format') === 'protobuf' || query.get('cf_protocol') === 'protobuf'
      const format = subprotocol !== undefined ? SUBPROTOCOLS[subprotocol]! : isProtobuf ? protobufFormat : jsonFormat
      const state: CentrifugeState = { session: undefined, format, http }
      return accept(state, subprotocol === undefined ? {} : { subprotocol })
    },
    opened(socket) {
      const { state } = socket
      state.session = new Session(env, DEEDS, state.format, socket as Socket, state.http!)
      state.http = undefined
    },
    message({ state }, data, opcode) {
      state.session!.receive(data, opcode === 'text')
    },
    closed({ state }, { code, reason }) {
      state.session?.closed(code, reason)
    },
  }
}
