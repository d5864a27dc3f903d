// The words of this server, on connections: who may open one, and what is answered to each message. What a message asks for
// is protocol.ts.

import { randomUUID } from 'node:crypto'
import {
  type Admission,
  type Denied,
  DisconnectCode,
  ErrorCode,
  Refusal,
  type RoomGrant,
  refuse,
  textOf,
  UnsubscribeCode,
} from '@roomcast/centrifuge'
import { isChannelName } from '@roomcast/channels'
import { type Handler, type HandshakeRequest, type Opcode, type Rejection, reject, type Socket } from '@roomcast/core'
import type { Data, EnterResult, MemberCommand, Rooms } from '@roomcast/rooms'
import { paced } from './commands.ts'
import type { Rate } from './pace.ts'
import { type Ref, type RequestOf, readRequest } from './protocol.ts'
import type { Publish } from './publish.ts'
import { warn } from './warn.ts'
import { type ServerPolicy, TOO_LARGE } from './who/policy.ts'
import { EXPIRED, SENT_AWAY, WordsClient } from './words-client.ts'
import { WORDS } from './words-codec.ts'

/** What the words are served with. */
export interface WordsOptions {
  readonly rooms: Rooms
  readonly policy: ServerPolicy
  /** Hears what is refused without the policy being asked: as of SDKs, with their codes. */
  readonly onRefused: (client: WordsClient, denied: Denied) => void
  /** Hears of JSON that asks for nothing, and at which path. */
  readonly onSenseless: (client: WordsClient, path: string) => void
  readonly publish: Publish
  /** Do tokens say anything? Else they are passed over. */
  readonly readsTokens: boolean
  readonly rate: Rate
  readonly maxDataBytes: number
  readonly expiredCloseDelayMs: number
  readonly expiredSubCloseDelayMs: number
}

/** The close code and reason for a message that is not JSON. */
const INVALID_PAYLOAD = [3000, 'invalid payload'] as const

const CONNECTION_LIMIT = 3504

/** A client is not in a room that the server wants it to be in; it is to come back. */
const INSUFFICIENT_STATE = [3010, 'insufficient state'] as const
const MISSING: readonly EnterResult[] = ['full', 'bad_name', 'too_large', 'unavailable']

/** One that is to be in it from the start, for a reason that is the same next time: it is not to come back. As SDKs are
 * told. */
const NEVER: Partial<Readonly<Record<EnterResult, readonly [code: number, reason: string]>>> = {
  full: [DisconnectCode.CHANNEL_LIMIT, 'channel limit'],
  bad_name: [DisconnectCode.BAD_REQUEST, 'bad request'],
  too_large: [DisconnectCode.BAD_REQUEST, 'bad request'],
}

type WordsSocket = Socket<WordsClient>

/** Has what was granted run out before it began? */
function isOver({ expiresAt = Number.POSITIVE_INFINITY }: RoomGrant): boolean {
  return expiresAt * 1000 <= Date.now()
}

/** Makes a handler of core that speaks the words. */
export function wordsHandler(options: WordsOptions): Handler<undefined, WordsClient> {
  const { rooms, policy, maxDataBytes, expiredCloseDelayMs, expiredSubCloseDelayMs } = options
  const around = {
    isMember: (room: string, socket: Socket) => rooms.isMember(room, socket),
    expiredCloseDelayMs,
    expiredSubCloseDelayMs,
    expired(client: WordsClient, room: string): void {
      const { socket } = client.member
      if (!client.isIn(room)) return
      options.onRefused(client, { code: UnsubscribeCode.EXPIRED, room })
      rooms.leave(room, socket)
      socket.write(WORDS.unsubscribed(room, UnsubscribeCode.EXPIRED, textOf(UnsubscribeCode.EXPIRED)))
    },
    ended: (client: WordsClient) => fault(client.member.socket, EXPIRED),
    renew: (socket: Socket) => rooms.renew(socket),
    commanded(client: WordsClient, command: MemberCommand): void {
      if (command.do === 'refresh') client.refresh(command)
      else void put(client, command.room, { given: command.given }).catch(warn)
    },
  }

  /** Closes a connection, no policy having been asked. */
  function fault(socket: WordsSocket, [code, reason]: readonly [code: number, reason: string]): void {
    if (socket.readyState === 'open') options.onRefused(socket.state, { code })
    socket.close(code, reason)
  }

  /** Puts a client into a room that it did not ask for. */
  async function put(client: WordsClient, room: string, by: { grant?: RoomGrant; given?: unknown }): Promise<void> {
    const { socket } = client.member
    const { given } = by
    const grant =
      by.grant ?? (await policy.subscribe(client, { room, token: '', data: undefined, by: 'server', given }))
    if (grant === undefined || grant instanceof Refusal || isOver(grant)) return
    const result = await enter(socket, room, grant, {})
    // It does not know that it is to be there, and would miss what it is sent.
    if (MISSING.includes(result)) fault(socket, (by.grant && NEVER[result]) ?? INSUFFICIENT_STATE)
  }

  /** The words have none for those who come and go. */
  async function enter(
    socket: WordsSocket,
    room: string,
    grant: RoomGrant,
    { ref, roomInfo = grant.info }: { ref?: Ref | undefined; roomInfo?: Data | undefined },
  ): Promise<EnterResult> {
    const { isPresent: presence, isAnnounced: joinLeave, expiresAt } = grant
    const client = socket.state
    const reply = (): string => answerOf({ joined: room }, ref)
    const place = { roomInfo, presence, joinLeave, hearsJoinLeave: false }
    const result = await rooms.enter(room, client.member, { ...place, reply })
    if (result === 'entered' && socket.readyState === 'open') client.stay(room, expiresAt)
    return result
  }

  async function join(socket: WordsSocket, { channel: room, meta, ref }: RequestOf<'join'>): Promise<void> {
    const client = socket.state
    if (!isChannelName(room)) {
      options.onRefused(client, { code: ErrorCode.BAD_REQUEST, method: 'subscribe', room })
      return answer(socket, { error: 'bad_name' }, ref)
    }
    if (client.isIn(room)) return answer(socket, { joined: room }, ref)
    const grant = await policy.subscribe(client, { room, token: '', data: undefined, by: 'client' })
    if (grant === undefined || grant instanceof Refusal) return refused(socket, grant, ref, 'bad_name')
    if (isOver(grant)) {
      options.onRefused(client, { code: ErrorCode.EXPIRED, method: 'subscribe', room })
      return refused(socket, refuse(ErrorCode.EXPIRED), ref)
    }
    // What it says of itself is shown as that, and never as what the server knows of it.
    const roomInfo = grant.info ?? (meta && JSON.stringify({ meta }))
    const result = await enter(socket, room, grant, { roomInfo, ref })
    if (result === 'entered' || result === 'closed') return
    if (result === 'member') answer(socket, { joined: room }, ref)
    else if (result === 'blocked') fault(socket, SENT_AWAY)
    else {
      const denied = { method: 'subscribe', room } as const
      if (result === 'full') options.onRefused(client, { ...denied, code: ErrorCode.LIMIT_EXCEEDED })
      answer(socket, { error: result }, ref)
    }
  }

  async function say(socket: WordsSocket, { channel: room, value, ref }: RequestOf<'say'>): Promise<void> {
    const client = socket.state
    if (!client.isIn(room)) return answer(socket, { error: 'not_a_member' }, ref)
    const data = JSON.stringify(value)
    if (Buffer.byteLength(data) > maxDataBytes) {
      options.onRefused(client, { code: ErrorCode.BAD_REQUEST, method: 'publish', room, limit: 'maxDataBytes' })
      return answer(socket, { error: 'too_large' }, ref)
    }
    const grant = await policy.publication(client, room, data)
    if (grant === undefined || grant instanceof Refusal) return refused(socket, grant, ref)
    const { id, user, info } = client
    const said = { info: { client: id, user, info }, tags: grant.tags }
    const outcome = await options.publish(room, grant.data, said, { speaker: socket })
    if (outcome === 'busy') return answer(socket, { error: outcome }, ref)
    socket.write(`{"ok":${ref ?? true}}`)
  }

  async function perform(socket: WordsSocket, data: Buffer, opcode: Opcode): Promise<void> {
    const request = opcode === 'text' ? readRequest(data.toString()) : undefined
    if (request === undefined) return fault(socket, INVALID_PAYLOAD)
    const { ref } = request
    try {
      if (request.kind === 'bad') {
        options.onSenseless(socket.state, socket.path)
        answer(socket, { error: 'bad_request' }, ref)
      } else if (request.kind === 'join') await join(socket, request)
      else if (request.kind === 'say') await say(socket, request)
      else {
        rooms.leave(request.channel, socket)
        socket.state.stay(request.channel, undefined)
        answer(socket, { left: request.channel }, ref)
      }
    } catch (error) {
      if (error instanceof Refusal) return refused(socket, error, ref, request.kind === 'join' ? 'bad_name' : undefined)
      const isAway = error instanceof Error && error.name === 'StoreUnavailableError'
      if (!isAway) warn(error)
      answer(socket, { error: isAway ? 'unavailable' : 'internal' }, ref)
    }
  }

  return {
    init: () => undefined,
    async handshake(request) {
      const admission = await admissionOf(request)
      if (admission === undefined || admission instanceof Refusal) return rejection(admission)
      return new WordsClient(randomUUID(), admission, request.remoteAddress, around)
    },
    opened(socket) {
      const { state: client } = socket
      client.open(socket)
      client.isAdmitted = policy.admit(client)
      if (!client.isAdmitted) return socket.close(CONNECTION_LIMIT, textOf(CONNECTION_LIMIT))
      if (rooms.connect(client.member) === 'blocked') return fault(socket, SENT_AWAY)
      const { rooms: given = [] } = client
      const entries = given instanceof Map ? [...given] : Object.entries(given)
      return Promise.all(entries.map(([room, grant]) => put(client, room, { grant: grant as RoomGrant }))).then(
        () => {},
      )
    },
    message: paced(options.rate, perform, ({ state: client }) =>
      options.onRefused(client, { code: ErrorCode.TOO_MANY_REQUESTS, limit: 'commandsPerSecond' }),
    ),
    closed({ state: client }, { code, reason }) {
      client.closed()
      return client.isAdmitted ? policy.disconnected(client, { code, reason }) : undefined
    },
  }

  async function admissionOf(http: HandshakeRequest): Promise<Admission | Refusal | undefined> {
    const token = options.readsTokens ? tokenOf(http) : ''
    const said = { data: undefined, name: '', version: '', headers: {}, rooms: [], protocol: 'json' } as const
    try {
      return await policy.identify({ client: '', token, http, ...said })
    } catch (error) {
      if (error instanceof Refusal) return error
      throw error
    }
  }
}

function tokenOf({ query, headers: { authorization = '' } }: HandshakeRequest): string {
  const [, bearer = ''] = /^Bearer +(\S+) *$/i.exec(authorization) ?? []
  // An empty one is none.
  return query.get('token') || bearer
}

/** Codes of refusals, with the status and error of the handshake. */
const REJECTIONS: Readonly<Record<number, readonly [status: number, error: string]>> = {
  100: [503, 'unavailable'],
  109: [401, 'token_expired'],
  3500: [401, 'invalid_token'],
}

function rejection(refusal: Refusal | undefined): Rejection {
  const [status, error] = refusal === undefined ? [401, 'unauthorized'] : (REJECTIONS[refusal.code] ?? [403, 'refused'])
  return reject(status, error)
}

/** Codes of refusals, in the words. */
const ERRORS: Readonly<Record<number, string>> = {
  100: 'unavailable',
  102: 'unknown_room',
  111: 'busy',
}

/** @param badRequest what a bad request is called here. */
function refused(
  socket: WordsSocket,
  refusal: Refusal | undefined,
  ref: Ref | undefined,
  badRequest: string = 'bad_request',
): void {
  if (refusal !== undefined && refusal.code >= 3000) return socket.close(refusal.code, refusal.message)
  const code = refusal?.code ?? 0
  const bad = refusal?.message === TOO_LARGE ? 'too_large' : badRequest
  const error = code === ErrorCode.BAD_REQUEST ? bad : ERRORS[code]
  answer(socket, { error: error ?? 'not_allowed' }, ref)
}

function answer(socket: Socket, fields: object, ref: Ref | undefined): void {
  socket.write(answerOf(fields, ref))
}

function answerOf(fields: object, ref: Ref | undefined): string {
  const text = JSON.stringify(fields)
  return ref === undefined ? text : `${text.slice(0, -1)},"ref":${ref}}`
}
