// Who may what, for every protocol: tokens, names, hooks, namespaces, in this order. What nothing permits is refused.

import { isDeepStrictEqual } from 'node:util'
import {
  type Admission,
  type Client,
  type ConnectRequest,
  DisconnectCode,
  ErrorCode,
  type Policy,
  type PublishGrant,
  type Refreshed,
  Refusal,
  type RoomGrant,
  refuse,
  type SubscribeRequest,
} from '@roomcast/centrifuge'
import type { Data } from '@roomcast/rooms'
import { isMeta } from '../protocol.ts'
import { dataOf, parsedOf, textOf } from './data.ts'
import { type Granted, givenBy, grantedBy, grantOf, type Identified, identifiedBy } from './grants.ts'
import type { HookClient, Hooks } from './hooks.ts'
import { hasHistory, type NamespaceRule } from './namespace-options.ts'
import type { Deed, Namespaces } from './namespaces.ts'
import type { Revocations } from './revocations.ts'
import type { TokenFault, Tokens } from './tokens.ts'

/** What a policy is made of. */
export interface PolicyOptions {
  readonly hooks: Hooks
  readonly tokens: Tokens | undefined
  readonly namespaces: Namespaces
  /** May whoever is in a room do everything there, and everybody be in every room? */
  readonly isOpen: boolean
  /** May clients without a token connect? */
  readonly isAnonymousLet: boolean
  readonly maxDataBytes: number
  readonly maxConnectionsPerUser: number
  /** The client of a connection, as hooks see it. */
  readonly hookClientOf: (client: Client) => HookClient
  readonly revocations: Revocations
  /** Waits until something may be published; false: the client is gone. `'busy'`: too much waits. */
  readonly turn: (client: Client, room: string, bytes: number) => Promise<boolean> | undefined | 'busy'
  /** Called first when a client is gone. */
  readonly gone: (client: Client) => void
}

type Given = 'subscribe' | 'publish' | 'presence' | 'history' | 'refresh' | 'subRefresh' | 'disconnected'

/** A policy, and its two halves of letting somebody in. */
export type ServerPolicy = Policy & { readonly [Call in Given]: NonNullable<Policy[Call]> } & {
  /** Who is it? */
  identify(request: ConnectRequest): Promise<Admission | Refusal | undefined>
  /** May the user have one more connection? Then it is counted, until `disconnected`. */
  admit(client: Client): boolean
  /** What may be published of what a client sent; `publish` then waits for its turn. */
  publication(client: Client, room: string, data: Data): Promise<PublishGrant | Refusal | undefined>
}

/** Makes a policy. */
export function createPolicy(options: PolicyOptions): ServerPolicy {
  const { hooks, tokens, namespaces, isOpen, isAnonymousLet, maxDataBytes, hookClientOf, revocations } = options
  /** Connections by user. */
  const counts = new Map<string, number>()

  async function identify(request: ConnectRequest): Promise<Admission | Refusal | undefined> {
    const { token, data, http } = request
    if (hooks.authenticate !== undefined) {
      const { headers, query, remoteAddress, extra } = http
      const identity = await hooks.authenticate({
        token,
        data: parsedOf(data),
        headers,
        query,
        remoteAddress,
        extra,
      })
      if (identity === undefined || identity instanceof Refusal) return identity
      return admissionOf(identifiedBy(identity))
    }
    if (token !== '') {
      const claims = (await tokens?.connection(token)) ?? 'invalid'
      if (typeof claims === 'string') return refuse(CONNECTION_FAULTS[claims])
      return admissionOf(claims)
    }
    return isAnonymousLet ? { user: '' } : undefined
  }

  /** @throws Refusal 102 or 107 for a room that cannot be. */
  function admissionOf({ user, info, expiresAt, rooms }: Identified): Admission {
    const grants = [...rooms].map(([room, granted]) => [room, permitted(ruleOf(room), room, user, granted)] as const)
    return { user, info, expiresAt, rooms: new Map(grants) }
  }

  /** @throws Refusal for a room that cannot be. */
  function ruleOf(room: string): NamespaceRule {
    const rule = namespaces.find(room)
    if (rule === 'unknown_room') throw refuse(ErrorCode.UNKNOWN_CHANNEL)
    if (rule === 'bad_name') throw refuse(ErrorCode.BAD_REQUEST)
    return rule
  }

  function may(deed: Deed, room: string, user: string, isMember: boolean): boolean {
    return isOpen || namespaces.permits(deed, room, { user, isMember })
  }

  const permitted = (rule: NamespaceRule, room: string, user: string, granted: Granted = {}): RoomGrant =>
    grantOf(rule, granted, {
      history: may('history', room, user, true),
      presence: may('presence', room, user, true),
    })

  async function subscribe(client: Client, request: SubscribeRequest): Promise<RoomGrant | Refusal | undefined> {
    const { room, token, data, by } = request
    const rule = ruleOf(room)
    const { user } = client
    if (by === 'server') return permitted(rule, room, user, givenBy(request.given))
    if (token !== '' && tokens !== undefined) {
      const granted = await subscriptionOf(client, room, token)
      return granted instanceof Refusal ? granted : permitted(rule, room, user, granted)
    }
    const isLimited = namespaces.isUserLimited(room)
    if (hooks.subscribe !== undefined && !isLimited) {
      const permission = await hooks.subscribe(hookClientOf(client), room, { token, data: parsedOf(data) })
      if (permission === undefined || permission instanceof Refusal) return permission
      return permitted(rule, room, user, grantedBy(permission))
    }
    const needsToken = namespaces.isPrivate(room)
    if (needsToken || !may('subscribe', room, user, false)) return undefined
    return permitted(rule, room, user, isOpen ? saidOfItself(data) : {})
  }

  async function subscriptionOf(client: Client, room: string, token: string): Promise<Granted | Refusal> {
    const claims = await tokens!.subscription(token)
    if (typeof claims === 'string') return refuse(SUBSCRIPTION_FAULTS[claims])
    if (claims.room !== room || claims.user !== client.user) return refuse(DisconnectCode.INVALID_TOKEN)
    return claims
  }

  /** Somebody who was sent away while it was found out who it is stays away. */
  async function identified(request: ConnectRequest): Promise<Admission | Refusal | undefined> {
    const admission = await revocations.decide(
      () => identify(request),
      (made) => ({
        user: made === undefined || made instanceof Refusal ? '' : made.user,
        client: request.client,
        room: undefined,
      }),
      request,
    )
    return admission
  }

  function admit(user: string): boolean {
    const count = counts.get(user) ?? 0
    if (user !== '' && count >= options.maxConnectionsPerUser) return false
    counts.set(user, count + 1)
    return true
  }

  async function publication(client: Client, room: string, data: Data): Promise<PublishGrant | Refusal | undefined> {
    const { publicationDataFormat: format } = ruleOf(room)
    const isAnyData = format === 'binary'
    let grant: PublishGrant = { data, isAnyData }
    if (hooks.publish !== undefined) {
      const result = await hooks.publish(hookClientOf(client), room, parsedOf(data))
      if (result === undefined || result instanceof Refusal) return result
      // What it did not change goes on byte for byte: numbers of 20 digits stay what they are.
      if (!isDeepStrictEqual(result, parsedOf(data)))
        grant = { data: dataOf(result, 'what publish returns')!, isAnyData }
    } else if (!may('publish', room, client.user, client.isIn(room))) {
      return undefined
    }
    if (bytesOf(grant.data) > maxDataBytes) return refuse(ErrorCode.BAD_REQUEST, TOO_LARGE)
    const isObject = format !== 'json_object' || /^\s*\{/.test(textOf(grant.data) ?? '')
    return isObject ? grant : refuse(ErrorCode.BAD_REQUEST)
  }

  return {
    async authenticate(request) {
      const admission = await identified(request)
      if (admission === undefined || admission instanceof Refusal) return admission
      return admit(admission.user) ? admission : refuse(DisconnectCode.CONNECTION_LIMIT)
    },
    identify: identified,
    admit: ({ user }) => admit(user),
    async subscribe(client, request) {
      const { user, id } = client
      const { room } = request
      return revocations.decide(
        () => subscribe(client, request),
        () => ({ user, client: id, room }),
        request,
      )
    },
    publication,
    async publish(client, room, data): Promise<PublishGrant | Refusal | undefined> {
      const grant = await publication(client, room, data)
      if (grant === undefined || grant instanceof Refusal) return grant
      const turn = await options.turn(client, room, bytesOf(grant.data))
      if (turn === 'busy') return refuse(ErrorCode.TOO_MANY_REQUESTS, 'busy')
      return turn === false ? refuse(ErrorCode.INTERNAL, GONE) : grant
    },
    presence(client, room) {
      if (!ruleOf(room).presence) return refuse(ErrorCode.NOT_AVAILABLE)
      return may('presence', room, client.user, client.isIn(room)) || undefined
    },
    history(client, room) {
      if (!hasHistory(ruleOf(room))) return refuse(ErrorCode.NOT_AVAILABLE)
      return may('history', room, client.user, client.isIn(room)) || undefined
    },
    ...(hooks.rpc !== undefined && {
      async rpc(client: Client, method: string, data: Data | undefined) {
        const result = await hooks.rpc!(hookClientOf(client), method, parsedOf(data))
        return result === undefined || result instanceof Refusal ? result : { data: dataOf(result, 'what rpc returns') }
      },
    }),
    ...(hooks.message !== undefined && {
      async message(client: Client, data: Data) {
        const result = await hooks.message!(hookClientOf(client), parsedOf(data))
        return result instanceof Refusal ? result : undefined
      },
    }),
    async refresh(client, token): Promise<Refreshed | Refusal | undefined> {
      if (hooks.authenticate === undefined && tokens === undefined) return refuse(ErrorCode.NOT_AVAILABLE)
      const admission = await identify(requestAgain(client, token))
      if (admission instanceof Refusal) {
        return admission.code === ErrorCode.TOKEN_EXPIRED ? refuse(DisconnectCode.EXPIRED) : admission
      }
      if (admission === undefined || admission.user !== client.user) return refuse(DisconnectCode.INVALID_TOKEN)
      const { expiresAt, info } = admission
      return { expiresAt, info }
    },
    async subRefresh(client, { room, token }): Promise<Refreshed | Refusal | undefined> {
      ruleOf(room)
      if (tokens !== undefined && token !== '') {
        const granted = await subscriptionOf(client, room, token)
        return granted instanceof Refusal ? granted : { expiresAt: granted.expiresAt, info: granted.info }
      }
      if (hooks.subscribe === undefined) return refuse(ErrorCode.NOT_AVAILABLE)
      const permission = await hooks.subscribe(hookClientOf(client), room, { token, data: undefined })
      if (permission === undefined || permission instanceof Refusal) return permission
      const { expiresAt, info } = grantedBy(permission)
      return { expiresAt, info }
    },
    disconnected(client, info) {
      options.gone(client)
      const count = counts.get(client.user) ?? 0
      if (count > 1) counts.set(client.user, count - 1)
      else counts.delete(client.user)
      return hooks.disconnected?.(hookClientOf(client), info)
    },
  }
}

/** Why nothing is published of who has left meanwhile, or when the server is about to end. */
export const GONE = 'nobody is there any more'

/** Why data cannot be published that is as large as that. */
export const TOO_LARGE = 'the data is too large'

const CONNECTION_FAULTS: Readonly<Record<TokenFault, number>> = {
  expired: ErrorCode.TOKEN_EXPIRED,
  invalid: DisconnectCode.INVALID_TOKEN,
  unavailable: ErrorCode.INTERNAL,
}

const SUBSCRIPTION_FAULTS: Readonly<Record<TokenFault, number>> = {
  ...CONNECTION_FAULTS,
  invalid: ErrorCode.PERMISSION_DENIED,
}

/** Where everybody may do everything nobody knows a client but itself. What it says is shown as that, as in the words:
 * `{"meta":{…}}`, never as what the server knows. */
function saidOfItself(data: Data | undefined): Granted {
  const { meta } = (parsedOf(data) ?? {}) as { meta?: unknown }
  return isMeta(meta) ? { info: JSON.stringify({ meta }) } : {}
}

function bytesOf(data: Data): number {
  return typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength
}

/** What `authenticate` is asked when a connection goes on: nothing of its upgrade is kept. */
function requestAgain({ id, remoteAddress, protocol }: Client, token: string): ConnectRequest {
  const { signal } = new AbortController()
  const http = { path: '', query: new URLSearchParams(), headers: {}, remoteAddress, secure: false, signal }
  return {
    client: id,
    token,
    data: undefined,
    name: '',
    version: '',
    headers: {},
    rooms: [],
    protocol: protocol,
    http: { ...http, subprotocols: [], extra: undefined },
  }
}
