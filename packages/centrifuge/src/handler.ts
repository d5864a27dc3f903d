// Edge: binds a connection of core to a session of the protocol.

import type { Handler } from '@roomcast/core'
import type { CentrifugeOptions } from './options.ts'

/** Makes a handler of core that speaks the client protocol of Centrifugo's SDKs: for a route such as
 * `/connection/websocket`. JSON; Protobuf for a client that offers the subprotocol `centrifuge-protobuf`, or has
 * `format=protobuf` or `cf_protocol=protobuf` in its query. Its `handshake` refuses nobody: wrap it to do so.
 * @throws TypeError for an unknown option or one of the wrong type, RangeError for a wrong value. */
export function centrifugeHandler(_options: CentrifugeOptions): Handler<unknown, unknown> {
  throw new Error('not yet')
}
