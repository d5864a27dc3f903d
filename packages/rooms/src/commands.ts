// Commands to a user's clients, of what an application says. Its mistakes throw here: on other nodes it would be too late.

import { checkClose, checkInteger, checkRoom, checkString } from './options.ts'
import type { Command } from './port.ts'
import type { DisconnectOptions, OneClient, RefreshOptions, SubscribeOptions, UnsubscribeOptions } from './queries.ts'

const UNSUBSCRIBED = 2000
/** What every protocol can tell: 32 bits. */
const MAX_CODE = 0xffff_ffff
const FORCE_DISCONNECT = 3503

export function disconnect(user: string, options: DisconnectOptions): Command {
  const { code = FORCE_DISCONNECT, reason = 'force disconnect', blockMs = 0, except } = options
  checkClose(code, reason)
  checkInteger('blockMs', blockMs)
  if (blockMs > 0 && options.client !== undefined)
    throw new RangeError('a block is for all clients of a user, not for one')
  if (except !== undefined && !(Array.isArray(except) && except.every((id) => typeof id === 'string'))) {
    throw new TypeError('except must be a list of strings')
  }
  return { do: 'disconnect', ...meant(user, options), except, code, reason, blockMs }
}

export function unsubscribe(user: string, room: string, options: UnsubscribeOptions): Command {
  const { code = UNSUBSCRIBED, reason = 'server unsubscribe' } = options
  checkRoom(room)
  checkInteger('code', code)
  if (code > MAX_CODE) throw new RangeError(`code must be at most ${MAX_CODE}: ${code}`)
  checkString('reason', reason)
  return { do: 'unsubscribe', ...meant(user, options), room, code, reason }
}

export function subscribe(user: string, room: string, options: SubscribeOptions): Command {
  checkRoom(room)
  return { do: 'subscribe', ...meant(user, options), room, given: options.given }
}

export function refresh(user: string, options: RefreshOptions): Command {
  const { expiresAt, info } = options
  if (expiresAt !== undefined) checkInteger('expiresAt', expiresAt)
  if (info !== undefined) checkString('info', info)
  return { do: 'refresh', ...meant(user, options), expiresAt, info }
}

function meant(user: string, { client }: OneClient): OneClient & { user: string } {
  checkString('user', user)
  if (client !== undefined) checkString('client', client)
  return { user, client }
}
