// The methods of the HTTP API that are about the connections of a user: all of them, or one, or all but some.

import { DisconnectCode, ErrorCode, Refusal, refuse } from '@roomcast/centrifuge'
import { MAX_INFO_BYTES, type Rooms } from '@roomcast/rooms'
import { readGranted } from '../who/claims.ts'
import { grantOf } from '../who/grants.ts'
import type { NamespaceRule } from '../who/namespace-options.ts'
import { type Fields, WrongField } from './fields.ts'
import { type Action, bad, type Method, type Result, unavailable } from './method.ts'

/** What these methods work on. */
interface UserMethodsOptions {
  readonly rooms: Rooms
  /** The rule of a room, or why there is none. */
  readonly ruleOf: (room: string) => NamespaceRule | Refusal
}

const MAX_REASON_BYTES = 123

const EXPIRED = { code: DisconnectCode.EXPIRED, reason: 'connection expired' }

/** What can be given with a subscription, as in tokens. */
const GIVEN = ['info', 'b64info', 'data', 'b64data', 'expire_at', 'override']

/** Makes the methods, by name. */
export function userMethods({ rooms, ruleOf }: UserMethodsOptions): [name: string, method: Method][] {
  /** A method for the connections of a user, or one of them. A connection over WebSocket has no session. */
  const ofUser =
    (act: (who: { user: string; client: string | undefined }, fields: Fields) => Action): Method =>
    (fields) => {
      const action = act({ user: fields.text('user'), client: fields.text('client') || undefined }, fields)
      const hasSession = fields.text('session') !== ''
      return () => (hasSession ? unavailable('session') : action())
    }

  /** Is there such a room? */
  const inRoom = async (room: string, act: (rule: NamespaceRule) => Promise<unknown>): Promise<Result> => {
    const rule = ruleOf(room)
    if (rule instanceof Refusal) return rule
    await act(rule)
    return {}
  }

  /** Are others shown a client's info there? */
  const isShown = ({ presence, joinLeave }: NamespaceRule): boolean => presence || joinLeave

  return [
    [
      'subscribe',
      ofUser(({ user, client }, fields) => {
        const room = fields.text('channel')
        const given = Object.fromEntries(GIVEN.map((name) => [name, fields.value(name)]))
        const granted = readGranted(given)
        if (granted === undefined) throw new WrongField('info, data, expire_at or override is of a wrong type')
        const isRecovering = fields.has('recover_since')
        return () => {
          if (isRecovering) return unavailable('recover_since')
          if ((granted.expiresAt ?? Infinity) * 1000 <= Date.now()) return refuse(ErrorCode.EXPIRED)
          return inRoom(room, (rule) => {
            // What the room has not is told here: clients cannot tell it.
            grantOf(rule, granted, { history: false, presence: false })
            if (isShown(rule) && Buffer.byteLength(granted.info ?? '') > MAX_INFO_BYTES)
              throw bad(`info is over ${MAX_INFO_BYTES} bytes`)
            return rooms.subscribe(user, room, { client, given })
          })
        }
      }),
    ],
    [
      'unsubscribe',
      ofUser(({ user, client }, fields) => {
        const room = fields.text('channel')
        return () => inRoom(room, () => rooms.unsubscribe(user, room, { client }))
      }),
    ],
    [
      'disconnect',
      ofUser(({ user, client }, fields) => {
        const how = fields.fields('disconnect')
        const code = how?.integer('code') ?? DisconnectCode.FORCE_DISCONNECT
        const reason = how?.text('reason') ?? 'force disconnect'
        const except = fields.texts('whitelist')
        return async () => {
          if (code < 3000 || code > 4999) return bad('disconnect.code is not from 3000 to 4999')
          if (Buffer.byteLength(reason) > MAX_REASON_BYTES)
            return bad(`disconnect.reason has over ${MAX_REASON_BYTES} bytes`)
          await rooms.disconnect(user, { code, reason, client, except })
          return {}
        }
      }),
    ],
    [
      'refresh',
      ofUser(({ user, client }, fields) => {
        const isExpired = fields.isOn('expired')
        const expiresAt = fields.integer('expire_at') || undefined
        const info = fields.has('info') ? fields.raw('info')! : undefined
        return async () => {
          if (expiresAt !== undefined && expiresAt < 0) return bad('expire_at is below 0')
          if (isExpired) await rooms.disconnect(user, { ...EXPIRED, client })
          else await rooms.refresh(user, { expiresAt, info, client })
          return {}
        }
      }),
    ],
  ]
}
