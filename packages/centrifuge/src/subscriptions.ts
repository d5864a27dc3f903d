// How a client comes into a room and out of it: by its own command, by the server's, or because it cannot stay.

import type { EnterResult } from '@roomcast/rooms'
import { DisconnectCode, ErrorCode, textOf, UnsubscribeCode } from './codes.ts'
import { deny, fault } from './denial.ts'
import { isRoomName } from './names.ts'
import type { RoomGrant } from './policy.ts'
import type { Session } from './session.ts'
import { type PutInto, placeOf, resultOf, type Subscription, termsOf } from './subscription.ts'
import type { Piece } from './wire/format.ts'
import type { Wire } from './wire/schema.ts'

/** The client has ways to load a room's state itself, and wants an error where recovery is not possible. */
const REFUSE_UNRECOVERED = 2

/** A year, as in Centrifugo: a date that is further away is a mistake, and may be a number that clients cannot be told. */
const MAX_TTL = 365 * 24 * 3600

type Request = Wire<'SubscribeRequest'>

export function subscribe(session: Session, request: Request, id: number): Promise<void> | undefined {
  const { channel: room = '', token = '', data } = request
  const { policy } = session.env
  const denied = { method: 'subscribe', room } as const
  if (room === '') return fault(session, DisconnectCode.BAD_REQUEST)
  if (request.type) return session.error(id, ErrorCode.PERMISSION_DENIED)
  if (request.tf !== undefined || !isRoomName(room))
    return deny(session, id, { ...denied, code: ErrorCode.BAD_REQUEST })
  if (session.subscriptions.has(room)) return session.error(id, ErrorCode.ALREADY_SUBSCRIBED)
  const subscription = begin(session, room, false)
  const work = session.ask(
    'subscribe',
    id,
    ErrorCode.PERMISSION_DENIED,
    () => policy.subscribe?.(session, { room, token, data, by: 'client' }),
    (grant) => enter(session, request, grant, id, subscription),
  )
  const done = (): void => giveUp(session, subscription)
  if (work === undefined) done()
  return work?.then(done)
}

async function enter(
  session: Session,
  request: Request,
  grant: RoomGrant,
  id: number,
  subscription: Subscription,
): Promise<void> {
  const { flag = 0 } = request
  const ttl = ttlOf(session, grant.expiresAt)
  const { room } = subscription
  if (ttl !== undefined && ttl <= 0) return deny(session, id, { code: ErrorCode.EXPIRED, method: 'subscribe', room })
  const terms = termsOf(grant, request)
  // It was taken out while that was asked.
  if (subscription.expelledWith !== undefined) return notEntered(session, 'closed', subscription, id)
  subscription.info = grant.info
  const result = await session.env.rooms.enter<Piece>(room, session, {
    ...placeOf(grant, terms, request),
    reply(entered) {
      const answer = resultOf(grant, terms, request, entered, ttl)
      const isLost = terms.wantsRecovery && answer.recoverable === true && !answer.recovered
      if (isLost && Math.floor(flag / REFUSE_UNRECOVERED) % 2 === 1) return undefined
      subscription.state = 'live'
      return session.frame({ id, subscribe: answer })
    },
  })
  if (result === 'entered') expireIn(session, subscription, ttl)
  else notEntered(session, result, subscription, id)
}

/** Puts a client into a room that did not ask for it. One that is in it stays as it is. */
export async function serverSubscribe(session: Session, command: PutInto): Promise<void> {
  const { room, given } = command
  const { policy, rooms } = session.env
  const known = session.subscriptions.get(room)
  if (known?.state === 'entering') known.owed = command
  if (known !== undefined) return
  const subscription = begin(session, room, true)
  await session.ask(
    'subscribe',
    0,
    ErrorCode.PERMISSION_DENIED,
    () => policy.subscribe?.(session, { room, token: '', data: undefined, by: 'server', given }),
    async (grant) => {
      const ttl = ttlOf(session, grant.expiresAt)
      // Taken out, or gone by itself, while that was asked; or too late.
      const isWanted = session.subscriptions.get(room) === subscription && subscription.expelledWith === undefined
      if (!isWanted || (ttl !== undefined && ttl <= 0)) return
      const terms = termsOf(grant, {})
      subscription.info = grant.info
      const result = await rooms.enter<Piece>(room, session, {
        ...placeOf(grant, terms, {}),
        reply(entered) {
          subscription.state = 'live'
          const { recoverable, positioned, epoch, offset, data } = resultOf(grant, terms, {}, entered, ttl)
          return session.frame({
            push: { channel: room, subscribe: { recoverable, positioned, epoch, offset, data } },
          })
        },
      })
      if (result === 'entered') expireIn(session, subscription, ttl)
      else if (result === 'blocked') fault(session, DisconnectCode.FORCE_DISCONNECT)
      else if (result === 'full')
        session.env.onRefused(session, { code: ErrorCode.LIMIT_EXCEEDED, method: 'subscribe', room })
      else if (result === 'too_large') {
        session.env.onError(
          new RangeError(`the info given in ${JSON.stringify(room)} is too large to be shown`),
          'rooms',
        )
      }
    },
  )
  giveUp(session, subscription)
}

/** It is on its way in from now on: who takes it out takes back what may be granted later. */
export function begin(session: Session, room: string, isServerSide: boolean): Subscription {
  const known = session.subscriptions.get(room)
  if (known !== undefined) return known
  const subscription: Subscription = {
    room,
    isServerSide,
    state: 'entering',
    info: undefined,
    expelledWith: undefined,
    owed: undefined,
  }
  session.subscriptions.set(room, subscription)
  return subscription
}

/** It is not on its way any more, if it has not come in. */
export function giveUp(session: Session, subscription: Subscription): void {
  const { room, state, owed } = subscription
  if (state !== 'entering' || session.subscriptions.get(room) !== subscription) return
  session.subscriptions.delete(room)
  if (owed !== undefined && session.isOpen) void serverSubscribe(session, owed)
}

/** Answers why it did not come in. */
function notEntered(session: Session, result: EnterResult, { room, expelledWith }: Subscription, id: number): void {
  const denied = { method: 'subscribe', room } as const
  if (result === 'member') session.error(id, ErrorCode.ALREADY_SUBSCRIBED)
  else if (result === 'full') deny(session, id, { ...denied, code: ErrorCode.LIMIT_EXCEEDED })
  else if (result === 'bad_name' || result === 'too_large')
    deny(session, id, { ...denied, code: ErrorCode.BAD_REQUEST })
  else if (result === 'blocked') fault(session, DisconnectCode.FORCE_DISCONNECT)
  else if (result === 'refused') session.error(id, ErrorCode.UNRECOVERABLE_POSITION)
  // Put out on its way in: it stays out, or tries again, as the code says.
  else if (expelledWith !== undefined && expelledWith < UnsubscribeCode.INSUFFICIENT_STATE)
    session.error(id, ErrorCode.PERMISSION_DENIED)
  else session.error(id, ErrorCode.INTERNAL)
}

/** Seconds until a date, begun ones too, as a client that is told 0 reads nothing, and a year at most; undefined: there is
 * none. */
export function ttlOf(session: Session, expiresAt: number | undefined): number | undefined {
  if (expiresAt === undefined) return undefined
  return Math.min(Math.ceil(expiresAt - session.env.clock.date() / 1000), MAX_TTL)
}

/** The client must have sent another token by then. */
export function expireIn(session: Session, subscription: Subscription, ttl: number | undefined): void {
  const { room, isServerSide } = subscription
  if (ttl === undefined) return session.alarm.clear(alarmOf(room))
  session.alarm.set(alarmOf(room), ttl * 1000 + session.env.limits.expiredSubCloseDelayMs, () => {
    if (isServerSide) return fault(session, DisconnectCode.SUBSCRIPTION_EXPIRED)
    session.env.onRefused(session, { code: UnsubscribeCode.EXPIRED, room })
    leave(session, room)
    session.write(session.codec.unsubscribed(room, UnsubscribeCode.EXPIRED, textOf(UnsubscribeCode.EXPIRED)))
  })
}

export function leave(session: Session, room: string): void {
  session.subscriptions.delete(room)
  session.alarm.clear(alarmOf(room))
  session.env.rooms.leave(room, session.socket)
}

/** The rooms put it out. */
export function expelled(session: Session, room: string, code: number, reason: string): void {
  session.owedRooms.delete(room)
  const subscription = session.subscriptions.get(room)
  if (subscription === undefined) return
  if (subscription.state === 'entering') {
    subscription.expelledWith = code
    subscription.owed = undefined
    return
  }
  session.subscriptions.delete(room)
  session.alarm.clear(alarmOf(room))
  if (subscription.isServerSide && code >= UnsubscribeCode.INSUFFICIENT_STATE) {
    fault(session, DisconnectCode.INSUFFICIENT_STATE)
  } else session.write(session.codec.unsubscribed(room, code, reason))
}

function alarmOf(room: string): string {
  return `sub ${room}`
}
