// The methods of the HTTP API for backends, one by one: fields in, a result or an error out. Reading comes first and throws
// for a request that is none; what is returned then does it.

import { ErrorCode, Refusal, refuse } from '@roomcast/centrifuge'
import { type ClientInfo, type Data, isRoomName, type Publication, type Rooms } from '@roomcast/rooms'
import { warn } from '../warn.ts'
import { textOf } from '../who/data.ts'
import { hasHistory, type NamespaceRule } from '../who/namespace-options.ts'
import type { Namespaces } from '../who/namespaces.ts'
import { type AnsweredError, because, whyOf } from './calls.ts'
import type { Fields } from './fields.ts'
import { type Action, bad, type Method, type Result, unavailable } from './method.ts'
import { Raw } from './raw-json.ts'
import { userMethods } from './user-methods.ts'

/** What methods work on. */
export interface MethodOptions {
  readonly rooms: Rooms
  readonly namespaces: Namespaces
  readonly maxDataBytes: number
  /** Publishes when it is its turn: `'busy'`: too much waits; `'lost'`: other servers do not get it. */
  readonly publish: (...args: Parameters<Rooms['publish']>) => Promise<Position | 'busy' | 'lost'>
}

type Position = Awaited<ReturnType<Rooms['publish']>>

/** So many characters a key may have. */
const MAX_KEY_LENGTH = 256

/** Makes the methods, by name. */
export function createMethods(options: MethodOptions): ReadonlyMap<string, Method> {
  const { rooms, namespaces, maxDataBytes } = options

  /** The rule of a room, or why there is none. */
  const ruleOf = (room: string): NamespaceRule | Refusal => {
    if (!isRoomName(room)) return bad('channel is no legal name of a room')
    const rule = namespaces.find(room)
    if (rule === 'unknown_room') return refuse(ErrorCode.UNKNOWN_CHANNEL)
    return rule === 'bad_name' ? bad('channel is no name that channel_regex takes') : rule
  }

  /** A method for one room. @param needs which rule it takes. */
  const inRoom =
    (needs: (rule: NamespaceRule) => boolean, act: (room: string, fields: Fields) => Action): Method =>
    (fields) => {
      const room = fields.text('channel')
      const action = act(room, fields)
      return () => {
        const rule = ruleOf(room)
        if (rule instanceof Refusal) return rule
        return needs(rule) ? action() : refuse(ErrorCode.NOT_AVAILABLE)
      }
    }

  const publication = (fields: Fields) => {
    const data = fields.data({ json: 'data', base64: 'b64data' })
    const tags = fields.tags('tags')
    const idempotencyKey = fields.text('idempotency_key') || undefined
    const lacking = fields.isOn('skip_history') ? 'skip_history' : fields.integer('version') > 0 ? 'version' : undefined
    return async (room: string): Promise<Result> => {
      const rule = ruleOf(room)
      if (rule instanceof Refusal) return rule
      const misfit = data === undefined ? 'no data, or data nested too deep' : misfitOf(data, rule, maxDataBytes)
      if (data === undefined || misfit !== undefined) return bad(misfit ?? '')
      if ((idempotencyKey?.length ?? 0) > MAX_KEY_LENGTH)
        return bad(`idempotency_key has over ${MAX_KEY_LENGTH} characters`)
      if (lacking !== undefined && hasHistory(rule)) return unavailable(lacking)
      const position = await options.publish(room, data, { tags, idempotencyKey })
      if (position === 'busy') return refuse(ErrorCode.TOO_MANY_REQUESTS)
      if (position === 'lost') return because(refuse(ErrorCode.INTERNAL), 'said here, and lost for other servers')
      return position.offset === 0 ? {} : { offset: position.offset, epoch: position.epoch }
    }
  }

  return new Map<string, Method>([
    [
      'publish',
      (fields) => {
        const publish = publication(fields)
        const room = fields.text('channel')
        return () => publish(room)
      },
    ],
    [
      'broadcast',
      (fields) => {
        const publish = publication(fields)
        const names = fields.texts('channels')
        return async () => {
          if (names.length === 0) return bad('channels is empty')
          const responses = await Promise.all(names.map((room) => settled(() => publish(room))))
          return { responses: responses.map(responseOf) }
        }
      },
    ],
    ...userMethods({ rooms, ruleOf }),
    [
      'presence',
      inRoom(
        ({ presence }) => presence,
        (room) => async () => {
          const present = [...(await rooms.presence(room))]
          return { presence: Object.fromEntries(present.map(([client, info]) => [client, infoOf(info)])) }
        },
      ),
    ],
    [
      'presence_stats',
      inRoom(
        ({ presence }) => presence,
        (room) => async () => {
          const { clients, users } = await rooms.presenceStats(room)
          return { num_clients: clients, num_users: users }
        },
      ),
    ],
    ['history', inRoom(hasHistory, (room, fields) => history(rooms, room, fields))],
    [
      'history_remove',
      inRoom(hasHistory, (room) => async () => {
        await rooms.removeHistory(room)
        return {}
      }),
    ],
    [
      'channels',
      (fields) => {
        const pattern = fields.text('pattern') || '*'
        return async () => {
          const list = await rooms.list({ pattern })
          const channels = [...list.rooms].map(([room, clients]) => [room, { num_clients: clients }] as const)
          return { channels: Object.fromEntries(channels) }
        }
      },
    ],
    [
      'info',
      () => async () => {
        const { nodes } = await rooms.nodes()
        return {
          nodes: nodes.map(
            ({ id, uptimeMs, clients, users, rooms: count, members, about: { name = '', version = '' } }) => ({
              uid: id,
              name,
              version,
              num_clients: clients,
              num_users: users,
              num_subs: members,
              num_channels: count,
              uptime: Math.floor(uptimeMs / 1000),
            }),
          ),
        }
      },
    ],
  ])
}

/** What an action came to, also when it failed: one call's failure is not its neighbours'. */
export async function settled(action: Action): Promise<Result> {
  try {
    return await action()
  } catch (error) {
    if (error instanceof Refusal) return error
    const name = error instanceof Error ? error.name : ''
    if (name === 'UnrecoverablePositionError') return refuse(ErrorCode.UNRECOVERABLE_POSITION)
    const isAway = name === 'StoreUnavailableError'
    if (!isAway) warn(error)
    const why = isAway ? 'the store did not answer' : 'a defect, which the process warnings tell'
    return because(refuse(ErrorCode.INTERNAL), why)
  }
}

/** A result as it is answered. */
export function responseOf(result: Result): object {
  return result instanceof Refusal ? { error: errorOf(result) } : { result }
}

export function errorOf(refusal: Refusal): AnsweredError {
  const { code, message } = refusal
  return because({ code, message }, whyOf(refusal))
}

function history(rooms: Rooms, room: string, fields: Fields): Action {
  const limit = fields.integer('limit')
  const reverse = fields.isOn('reverse')
  const from = fields.fields('since')
  const since = from && { epoch: from.text('epoch'), offset: from.integer('offset') }
  return async () => {
    if (since !== undefined && (since.offset < 0 || (reverse && since.offset === 0)))
      return bad('since.offset is below 0, or 0 in reverse')
    const page = await rooms.history(room, { since, reverse, limit: limit < 0 ? Number.MAX_SAFE_INTEGER : limit })
    const { epoch, offset, publications } = page
    return { publications: publications.map(publicationOf), epoch, offset }
  }
}

function publicationOf({ data, offset, info, tags }: Publication): object {
  const json = jsonOf(data)
  const said = json === undefined ? { b64data: Buffer.from(data as Uint8Array).toString('base64') } : { data: json }
  return { ...said, offset, info: info && infoOf(info), tags }
}

function infoOf({ client, user, info, roomInfo }: ClientInfo): object {
  return { client, user, conn_info: info && jsonOf(info), chan_info: roomInfo && jsonOf(roomInfo) }
}

/** Data as it is, where it is JSON. */
function jsonOf(data: Data): Raw | undefined {
  const text = textOf(data)
  if (text === undefined) return undefined
  try {
    JSON.parse(text)
    return new Raw(text)
  } catch {
    return new Raw(JSON.stringify(text))
  }
}

/** Why data may not be published in rooms of this rule; undefined: it may. */
function misfitOf(
  data: Data,
  { publicationDataFormat: format = 'json' }: NamespaceRule,
  maxBytes: number,
): string | undefined {
  const bytes = typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength
  if (bytes > maxBytes) return `data of ${bytes} bytes`
  if (format === 'binary') return undefined
  const text = textOf(data)
  if (text === undefined || text === '') return 'data that is no JSON'
  try {
    const value: unknown = JSON.parse(text)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return format === 'json' || isObject ? undefined : 'data that is no JSON object'
  } catch {
    return 'data that is no JSON'
  }
}
