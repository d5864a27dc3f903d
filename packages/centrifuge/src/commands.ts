// What each command does, as one table. How one connects is connect.ts, how one comes into rooms subscriptions.ts.

import type { Data, Position, Publication, Since } from '@roomcast/rooms'
import { DisconnectCode, ErrorCode } from './codes.ts'
import { connect, refresh, refreshed } from './connect.ts'
import { deny, fault } from './denial.ts'
import { isRoomName } from './names.ts'
import type { Client, Policy, PublishGrant } from './policy.ts'
import type { Deeds, Session } from './session.ts'
import { expelled, expireIn, leave, serverSubscribe, subscribe, ttlOf } from './subscriptions.ts'
import { infoOf } from './wire/format.ts'
import { depthOf, isJson, textOfData } from './wire/json-text.ts'
import { type Command, FIELDS, type Method } from './wire/schema.ts'

/** A client is given so many publications of a history at most. */
const MAX_HISTORY = 300

type Done = Promise<void> | undefined
type Request<M extends Method> = NonNullable<Command[M]>

/** Returns a promise as long as what comes after it, of the same room, must wait. */
type CarryOut<M extends Method> = (session: Session, request: Request<M>, id: number) => Done

const COMMANDS: { readonly [M in Method]: CarryOut<M> } = {
  connect,
  subscribe,
  unsubscribe,
  publish,
  presence,
  presence_stats: presenceStats,
  history,
  rpc,
  send,
  refresh,
  sub_refresh: subRefresh,
}

const METHODS = FIELDS.Command.map(({ key }) => key).filter((key) => key !== 'id') as (Method | 'ping')[]

/** The first method that is set counts. */
function methodOf(command: Command): Method | 'ping' | undefined {
  return METHODS.find((method) => command[method] !== undefined)
}

/** What sessions do. */
export const DEEDS: Deeds = {
  laneOf(command) {
    const method = methodOf(command)
    if (method === undefined || method === 'ping') return undefined
    return (command[method] as { channel?: string }).channel
  },
  carryOut(session, command) {
    const { id = 0 } = command
    const method = methodOf(command)
    const isRefused =
      method === undefined ||
      method === 'ping' ||
      (id === 0 && method !== 'send') ||
      (session.phase === 'new' && method !== 'connect')
    if (isRefused) return fault(session, DisconnectCode.BAD_REQUEST)
    const carryOut = COMMANDS[method] as CarryOut<Method>
    return session.attempt('rooms', id, () => carryOut(session, command[method]!, id))
  },
  commanded(session, command) {
    if (command.do === 'refresh') refreshed(session, command)
    else if (session.phase === 'connected') void serverSubscribe(session, command)
    else session.owedRooms.set(command.room, command)
  },
  expelled,
}

/** Is the room named, and named well? Else it is answered. */
function isNamed(session: Session, method: Method, room: string, id: number): boolean {
  if (isRoomName(room)) return true
  if (room === '') fault(session, DisconnectCode.BAD_REQUEST)
  else deny(session, id, { code: ErrorCode.BAD_REQUEST, method, room })
  return false
}

function unsubscribe(session: Session, { channel: room = '' }: Request<'unsubscribe'>, id: number): Done {
  if (!isNamed(session, 'unsubscribe', room, id)) return undefined
  leave(session, room)
  session.reply(id, { unsubscribe: {} })
  return undefined
}

function publish(session: Session, request: Request<'publish'>, id: number): Done {
  const { channel: room = '', data = '' } = request
  const { policy, limits } = session.env
  if (!isNamed(session, 'publish', room, id)) return undefined
  if (request.type) return session.error(id, ErrorCode.PERMISSION_DENIED)
  const bad = { code: ErrorCode.BAD_REQUEST, method: 'publish', room } as const
  if (data.length === 0) return deny(session, id, bad)
  if (Buffer.byteLength(data) > limits.maxDataBytes) return deny(session, id, { ...bad, limit: 'maxDataBytes' })
  return session.ask(
    'publish',
    id,
    ErrorCode.PERMISSION_DENIED,
    () => policy.publish?.(session, room, data),
    (grant) => {
      if (!isPublishable(session, grant, data)) return deny(session, id, bad)
      const { client, user, info, subscriptions } = session
      const said = session.env.rooms.publish(room, grant.data, {
        info: { client, user, info, roomInfo: subscriptions.get(room)?.info },
        tags: grant.tags,
      })
      // It has its place in the room's order now: the next need not wait for the store.
      session.track(
        said.then(
          () => session.reply(id, { publish: {} }),
          (error: unknown) => session.fail('rooms', id, error),
        ),
      )
      return undefined
    },
  )
}

/** Can others be sent it? */
function isPublishable({ protocol, env }: Session, { data, isAnyData = false }: PublishGrant, sent: Data): boolean {
  if (data.length === 0) return false
  if (isAnyData) return true
  const text = textOfData(data)
  if (text === undefined) return false
  // What came in JSON was read already.
  const isRead = protocol === 'json' && data === sent
  return (isRead || isJson(text)) && depthOf(text) <= env.limits.maxDataDepth
}

/** Asks whether something of a room may be seen, and shows it. */
function see(
  session: Session,
  room: string,
  id: number,
  what: 'presence' | 'history',
  show: () => Promise<void>,
): Done {
  if (!isNamed(session, what, room, id)) return undefined
  const ask: Policy['presence'] = session.env.policy[what]?.bind(session.env.policy)
  return session.ask(
    what,
    id,
    ask ? ErrorCode.PERMISSION_DENIED : ErrorCode.NOT_AVAILABLE,
    () => ask?.(session, room),
    show,
  )
}

function presence(session: Session, { channel: room = '' }: Request<'presence'>, id: number): Done {
  return see(session, room, id, 'presence', async () => {
    const all = await session.env.rooms.presence(room)
    session.reply(id, {
      presence: { presence: Object.fromEntries([...all].map(([client, info]) => [client, infoOf(info)])) },
    })
  })
}

function presenceStats(session: Session, { channel: room = '' }: Request<'presence_stats'>, id: number): Done {
  return see(session, room, id, 'presence', async () => {
    const { clients, users } = await session.env.rooms.presenceStats(room)
    session.reply(id, { presence_stats: { num_clients: clients, num_users: users } })
  })
}

function history(session: Session, request: Request<'history'>, id: number): Done {
  const { channel: room = '', limit: asked = 0, since: from, reverse = false } = request
  const since: Since | undefined = from && { epoch: from.epoch, offset: from.offset ?? 0 }
  if (reverse && since?.offset === 0) return session.error(id, ErrorCode.BAD_REQUEST)
  const limit = asked < 0 ? MAX_HISTORY : Math.min(asked, MAX_HISTORY)
  return see(session, room, id, 'history', async () => {
    let page: Position & { readonly publications: readonly Publication[] }
    try {
      page = await session.env.rooms.history(room, { since, limit, reverse })
    } catch (error) {
      // The room has none.
      if (error instanceof RangeError) return session.error(id, ErrorCode.NOT_AVAILABLE)
      throw error
    }
    if (!session.isOpen) return
    const publications = page.publications.map((publication) => session.codec.body(publication))
    session.reply(id, { history: { publications, epoch: page.epoch, offset: page.offset } })
  })
}

function rpc(session: Session, { method = '', data }: Request<'rpc'>, id: number): Done {
  const { policy } = session.env
  if (policy.rpc === undefined) return deny(session, id, { code: ErrorCode.NOT_AVAILABLE, method: 'rpc' })
  return session.ask(
    'rpc',
    id,
    ErrorCode.PERMISSION_DENIED,
    () => policy.rpc?.(session, method, data),
    (result) => {
      session.reply(id, { rpc: { data: result.data } })
      return undefined
    },
  )
}

function send(session: Session, { data = '' }: Request<'send'>): Done {
  const { policy } = session.env
  if (policy.message === undefined) return fault(session, DisconnectCode.NOT_AVAILABLE)
  return session.ask<unknown>(
    'message',
    0,
    ErrorCode.PERMISSION_DENIED,
    () => policy.message?.(session as Client, data),
    () => undefined,
  )
}

function subRefresh(session: Session, request: Request<'sub_refresh'>, id: number): Done {
  const { channel: room = '', token = '' } = request
  const { policy } = session.env
  if (room === '') return fault(session, DisconnectCode.BAD_REQUEST)
  const subscription = session.subscriptions.get(room)
  if (subscription?.state !== 'live') return session.error(id, ErrorCode.PERMISSION_DENIED)
  if (token === '' || request.type) return session.error(id, ErrorCode.BAD_REQUEST)
  const absent = policy.subRefresh ? ErrorCode.PERMISSION_DENIED : ErrorCode.NOT_AVAILABLE
  return session.ask(
    'subRefresh',
    id,
    absent,
    () => policy.subRefresh?.(session, { room, token }),
    ({ expiresAt, info }) => {
      // It may have left, or left and come back, meanwhile.
      if (session.subscriptions.get(room) !== subscription) return session.error(id, ErrorCode.PERMISSION_DENIED)
      const ttl = ttlOf(session, expiresAt)
      if (ttl !== undefined && ttl <= 0) return session.error(id, ErrorCode.EXPIRED)
      if (info !== undefined && !session.env.rooms.renew(session.socket, { room, roomInfo: info })) {
        return session.error(id, ErrorCode.BAD_REQUEST)
      }
      subscription.info = info ?? subscription.info
      expireIn(session, subscription, ttl)
      session.reply(id, { sub_refresh: { expires: ttl !== undefined, ttl } })
      return undefined
    },
  )
}
