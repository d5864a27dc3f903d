// How a connection becomes a client's, and how long it stays one: the command connect, the rooms it brings along, expiry
// and refreshes.

import type { Data, Entered, Place } from '@roomcast/rooms'
import { DisconnectCode, ErrorCode, Refusal, textOf } from './codes.ts'
import { deny, fault } from './denial.ts'
import { isRoomName } from './names.ts'
import type { Admission, Refreshed, RoomGrant } from './policy.ts'
import type { Session } from './session.ts'
import { placeOf, resultOf, type Subscription, type Terms, termsOf } from './subscription.ts'
import { begin, expireIn, giveUp, serverSubscribe, ttlOf } from './subscriptions.ts'
import { isThenable } from './thenable.ts'
import type { Piece } from './wire/format.ts'
import type { Wire } from './wire/schema.ts'

/** A client that connects may name so many rooms: each is a question to the policy. */
const MAX_ROOMS_ASKED = 1000

type Request = Wire<'ConnectRequest'>

export function connect(session: Session, request: Request, id: number): Promise<void> | undefined {
  if (session.phase !== 'new') return fault(session, DisconnectCode.BAD_REQUEST)
  const { token = '', data, subs = {}, name = '', version = '', headers = {} } = request
  const { client, protocol } = session
  const rooms = Object.keys(subs)
  if (rooms.length > MAX_ROOMS_ASKED) return fault(session, DisconnectCode.CHANNEL_LIMIT)
  session.phase = 'connecting'
  session.hold()
  const http = session.http!
  session.http = undefined
  const work = session.attempt('authenticate', id, () => {
    const asked = { client, token, data, name, version, headers, rooms, protocol, http }
    const answer = session.env.policy.authenticate(asked)
    const decide = (admission: typeof answer): Promise<void> | undefined =>
      admitted(session, request, admission as Admission | Refusal | undefined, id)
    return isThenable(answer) ? Promise.resolve(answer).then(decide) : decide(answer)
  })
  const done = (): void => session.release()
  if (work === undefined) done()
  else work.then(done, done)
  return work
}

function admitted(
  session: Session,
  request: Request,
  admission: Admission | Refusal | undefined,
  id: number,
): Promise<void> | undefined {
  if (admission instanceof Refusal) return session.refuse(id, admission) as undefined
  if (admission === undefined) {
    return session.close(request.token ? DisconnectCode.INVALID_TOKEN : DisconnectCode.BAD_REQUEST) as undefined
  }
  const { user, info, state, expiresAt } = admission
  session.user = user
  session.info = info
  session.state = state
  session.expiresAt = expiresAt
  session.isAdmitted = true
  // Who left meanwhile is told of now.
  if (session.end !== undefined) return session.closed(session.end.code, session.end.reason) as undefined
  if (!session.isOpen) return undefined
  const ttl = ttlOf(session, expiresAt)
  if (ttl !== undefined && ttl <= 0) return deny(session, id, { code: ErrorCode.EXPIRED, method: 'connect' })
  if (request.subs !== undefined || admission.rooms !== undefined) return enterAll(session, request, admission, id)
  // No rooms, nothing to wait for: in the step of the answer, so that what follows connect is answered with it.
  const known = session.env.rooms.connect(session)
  if (known === 'blocked') fault(session, DisconnectCode.FORCE_DISCONNECT)
  if (known !== 'connected') return undefined
  session.phase = 'connected'
  session.reply(id, { connect: resultOfConnect(session, admission, undefined) })
  begun(session)
  return undefined
}

/** A room to come into with the connection. */
interface Coming {
  readonly grant: RoomGrant
  readonly terms: Terms
  readonly asked: Wire<'SubscribeRequest'>
  readonly ttl: number | undefined
  readonly subscription: Subscription
}

async function enterAll(session: Session, request: Request, admission: Admission, id: number): Promise<void> {
  const { rooms } = session.env
  const subs = request.subs ?? {}
  // From now on commands reach it.
  if (rooms.connect(session) === 'blocked') return fault(session, DisconnectCode.FORCE_DISCONNECT)
  const grants = await granted(session, Object.keys(subs), admission)
  if (!session.isOpen) return
  const coming = new Map<string, Coming>()
  const places = new Map<string, Place>()
  for (const [room, grant] of grants) {
    const ttl = ttlOf(session, grant.expiresAt)
    const denied = { method: 'connect', room } as const
    if (!isRoomName(room)) return deny(session, id, { ...denied, code: ErrorCode.BAD_REQUEST })
    if (ttl !== undefined && ttl <= 0) return deny(session, id, { ...denied, code: ErrorCode.EXPIRED })
    const asked = subs[room] ?? {}
    const terms = termsOf(grant, asked)
    const subscription = begin(session, room, true)
    subscription.info = grant.info
    coming.set(room, { grant, terms, asked, ttl, subscription })
    places.set(room, placeOf(grant, terms, asked))
  }
  const result = await rooms.enterAll<Piece>(places, session, (entered) => {
    session.phase = 'connected'
    return session.frame({ id, connect: resultOfConnect(session, admission, subscribed(coming, entered)) })
  })
  if (result === 'entered') {
    begun(session)
    for (const { subscription, ttl } of coming.values()) expireIn(session, subscription, ttl)
  } else if (result === 'blocked') fault(session, DisconnectCode.FORCE_DISCONNECT)
  else if (result === 'full') fault(session, DisconnectCode.CHANNEL_LIMIT)
  else if (result === 'bad_name' || result === 'too_large')
    deny(session, id, { code: ErrorCode.BAD_REQUEST, method: 'connect' })
  else session.error(id, ErrorCode.INTERNAL)
}

function resultOfConnect(
  session: Session,
  { data }: Admission,
  subs: Readonly<Record<string, Wire<'SubscribeResult'>>> | undefined,
): Wire<'ConnectResult'> {
  const { client, env } = session
  const left = ttlOf(session, session.expiresAt)
  // It may have run out since it was asked.
  const ttl = left === undefined ? undefined : Math.max(left, 1)
  const ping = Math.ceil(env.limits.pingIntervalMs / 1000)
  return { client, version: env.version, expires: ttl !== undefined, ttl, data, subs, ping, pong: true }
}

/** It is a client's from now on. */
function begun(session: Session): void {
  session.connected()
  expireConnectionIn(session, ttlOf(session, session.expiresAt))
  for (const command of session.owedRooms.values()) void serverSubscribe(session, command)
  session.owedRooms.clear()
}

/** The rooms that it is let into: those it was given, and those of the named ones that it may be in. */
async function granted(
  session: Session,
  named: readonly string[],
  { rooms = {} }: Admission,
): Promise<Map<string, RoomGrant>> {
  const grants = new Map(rooms instanceof Map ? rooms : Object.entries(rooms as Readonly<Record<string, RoomGrant>>))
  const { policy, onError } = session.env
  const others = named.filter((room) => !grants.has(room) && isRoomName(room))
  if (others.length === 0 || policy.subscribe === undefined) return grants
  const answers = others.map(async (room) => {
    const subscription = begin(session, room, true)
    try {
      const answer = await policy.subscribe!(session, { room, token: '', data: undefined, by: 'connect' })
      if (answer instanceof Refusal) throw answer
      if (answer !== undefined && subscription.expelledWith === undefined) grants.set(room, answer)
    } finally {
      if (!grants.has(room)) giveUp(session, subscription)
    }
  })
  for (const { reason } of (await Promise.allSettled(answers)) as { reason?: unknown }[]) {
    if (reason instanceof Refusal) {
      if (reason.code >= 3000) throw reason
    } else if (reason !== undefined) {
      onError(reason, 'subscribe')
      throw new Refusal(ErrorCode.INTERNAL, textOf(ErrorCode.INTERNAL))
    }
  }
  return grants
}

function subscribed(
  coming: ReadonlyMap<string, Coming>,
  entered: ReadonlyMap<string, Entered<Piece>>,
): Record<string, Wire<'SubscribeResult'>> | undefined {
  if (coming.size === 0) return undefined
  return Object.fromEntries(
    [...coming].map(([room, { grant, terms, asked, ttl, subscription }]) => {
      subscription.state = 'live'
      return [room, resultOf(grant, terms, asked, entered.get(room)!, ttl)]
    }),
  )
}

export function refresh(
  session: Session,
  { token = '' }: Wire<'RefreshRequest'>,
  id: number,
): Promise<void> | undefined {
  const { policy } = session.env
  if (token === '') return fault(session, DisconnectCode.BAD_REQUEST)
  return session.ask(
    'refresh',
    id,
    ErrorCode.NOT_AVAILABLE,
    () => policy.refresh?.(session, token),
    ({ expiresAt, info }: Refreshed) => {
      if (!show(session, info)) return session.error(id, ErrorCode.BAD_REQUEST)
      const ttl = prolong(session, expiresAt)
      if (session.isOpen) session.reply(id, { refresh: { expires: ttl !== undefined, ttl } })
      return undefined
    },
  )
}

/** The server itself prolongs a connection, or ends it. */
export function refreshed(session: Session, { expiresAt, info }: Refreshed): void {
  if (!show(session, info)) session.env.onError(new RangeError('the info is too large to be shown'), 'rooms')
  if (session.phase !== 'connected') {
    // Its answer to connect will say so.
    session.expiresAt = expiresAt
    return
  }
  const ttl = prolong(session, expiresAt)
  session.push({ refresh: { expires: ttl !== undefined, ttl } })
}

/** Others are shown that info beside it from now on. False: it is too large, and what was shown stays. */
function show(session: Session, info: Data | undefined): boolean {
  const before = session.info
  if (info === undefined || info === before) return true
  session.info = info
  if (session.env.rooms.renew(session.socket)) return true
  session.info = before
  return false
}

function prolong(session: Session, expiresAt: number | undefined): number | undefined {
  const ttl = ttlOf(session, expiresAt)
  session.expiresAt = expiresAt
  if (ttl !== undefined && ttl <= 0) fault(session, DisconnectCode.EXPIRED)
  else expireConnectionIn(session, ttl)
  return ttl
}

function expireConnectionIn(session: Session, ttl: number | undefined): void {
  if (ttl === undefined) return session.alarm.clear('expiry')
  const delayMs = ttl * 1000 + session.env.limits.expiredCloseDelayMs
  session.alarm.set('expiry', delayMs, () => fault(session, DisconnectCode.EXPIRED))
}
