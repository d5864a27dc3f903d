// The methods of the HTTP API that are about the connections of a user: all of them, or one, or all but some.

import { DisconnectCode, Refusal } from '@roomcast/centrifuge'
import type { Rooms } from '@roomcast/rooms'
import type { NamespaceRule } from '../who/namespace-options.ts'
import type { Fields } from './fields.ts'
import { type Action, bad, type Method, unavailable } from './method.ts'

/** What these methods work on. */
interface UserMethodsOptions {
  readonly rooms: Rooms
  /** The rule of a room, or why there is none. */
  readonly ruleOf: (room: string) => NamespaceRule | Refusal
}

const MAX_REASON_BYTES = 123

/** Makes the methods, by name. */
export function userMethods({ rooms, ruleOf }: UserMethodsOptions): [name: string, method: Method][] {
  /** A method for the connections of a user. @param lacks fields of Centrifugo's that would mean something else here. */
  const ofUser =
    (lacks: readonly string[], act: (user: string, fields: Fields) => Action): Method =>
    (fields) => {
      const user = fields.text('user')
      const action = act(user, fields)
      const lacking = lacks.find((name) => fields.has(name) && fields.value(name) !== '')
      return () => (lacking === undefined ? action() : unavailable(lacking))
    }

  /** The same, in a room. */
  const inRoom = (lacks: readonly string[], act: (user: string, room: string, fields: Fields) => Action): Method =>
    ofUser(lacks, (user, fields) => {
      const room = fields.text('channel')
      const action = act(user, room, fields)
      return () => {
        const rule = ruleOf(room)
        return rule instanceof Refusal ? rule : action()
      }
    })

  return [
    [
      'subscribe',
      inRoom(
        ['client', 'session', 'info', 'b64info', 'data', 'b64data', 'expire_at', 'override', 'recover_since'],
        (user, room) => async () => {
          await rooms.subscribe(user, room)
          return {}
        },
      ),
    ],
    [
      'unsubscribe',
      inRoom(['client', 'session'], (user, room) => async () => {
        await rooms.unsubscribe(user, room)
        return {}
      }),
    ],
    [
      'disconnect',
      ofUser(['client', 'session', 'whitelist'], (user, fields) => {
        const how = fields.fields('disconnect')
        const code = how?.integer('code') ?? DisconnectCode.FORCE_DISCONNECT
        const reason = how?.text('reason') ?? 'force disconnect'
        return async () => {
          if (code < 3000 || code > 4999 || Buffer.byteLength(reason) > MAX_REASON_BYTES) return bad()
          await rooms.disconnect(user, { code, reason })
          return {}
        }
      }),
    ],
    [
      'refresh',
      ofUser(['client', 'session', 'info'], (user, fields) => {
        const isExpired = fields.isOn('expired')
        const expiresAt = fields.integer('expire_at') || undefined
        return async () => {
          if (isExpired) await rooms.disconnect(user, { code: DisconnectCode.EXPIRED, reason: 'connection expired' })
          else await rooms.refresh(user, { expiresAt })
          return {}
        }
      }),
    ],
  ]
}
