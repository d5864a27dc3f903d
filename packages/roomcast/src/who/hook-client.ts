// A connection, as hooks see it: one object for all calls that are about it.

import type { Client } from '@roomcast/centrifuge'
import { WordsClient } from '../words-client.ts'
import { dataOf, parsedOf } from './data.ts'
import type { HookClient } from './hooks.ts'

const known = new WeakMap<Client, HookClient>()

/** The client of a connection, for hooks. */
export function hookClientOf(client: Client): HookClient {
  const there = known.get(client)
  if (there !== undefined) return there
  const { id, user, remoteAddress } = client
  const made: HookClient = {
    id,
    user,
    remoteAddress,
    protocol: client instanceof WordsClient ? 'words' : client.protocol,
    get info() {
      return parsedOf(client.info)
    },
    isIn: (room) => client.isIn(room),
    send(data) {
      const given = dataOf(data, 'data')
      if (given === undefined) throw new TypeError('data must be JSON or bytes')
      client.send(given)
    },
    disconnect: (code, reason) => client.disconnect(code, reason),
  }
  known.set(client, made)
  return made
}
