// One connection: bytes of its messages come in, decisions and frames go out. Its socket, clock and randomness are given.
// What each command does is commands.ts; how one comes to be connected connect.ts, and into rooms subscriptions.ts.

import type { Framed, HandshakeRequest, Payload, Socket } from '@roomcast/core'
import type { Codec, Data, Member, MemberCommand } from '@roomcast/rooms'
import { Alarm } from './alarm.ts'
import { DisconnectCode, ErrorCode, Refusal, refuse, textOf } from './codes.ts'
import { fault } from './denial.ts'
import { sayFarewell } from './farewell.ts'
import { Inbox, type Worker } from './inbox.ts'
import type { Environment, PolicyCall } from './options.ts'
import type { Answer, Client } from './policy.ts'
import { type Beating, Pulse } from './pulse.ts'
import { Replies } from './replies.ts'
import type { PutInto, Subscription } from './subscription.ts'
import { isThenable } from './thenable.ts'
import type { Format, Piece, Raw } from './wire/format.ts'
import type { Command, Wire } from './wire/schema.ts'

/** `'new'`: its first command is awaited. `'unusable'`: it was told an error when it connected; nothing more is read. */
export type Phase = 'new' | 'connecting' | 'connected' | 'unusable'

/** What a session does when something is asked of it. */
export interface Deeds {
  /** Which commands this one must not overtake. */
  laneOf(command: Command): string | undefined
  carryOut(session: Session, command: Command): Promise<void> | undefined
  /** Rooms have a command for it. */
  commanded(session: Session, command: MemberCommand): void
  /** It was put out of a room. */
  expelled(session: Session, room: string, code: number, reason: string): void
}

/** A connection of a client. */
export class Session implements Client, Member<Piece>, Worker, Beating {
  readonly env: Environment
  readonly format: Format
  readonly socket: Socket
  readonly client: string
  readonly alarm: Alarm
  /** The upgrade, until it is decided who this is. */
  http: HandshakeRequest | undefined
  phase: Phase = 'new'
  user = ''
  info: Data | undefined
  state: unknown
  expiresAt: number | undefined
  /** Was it let in? Then its end is told. */
  isAdmitted = false
  readonly subscriptions: Map<string, Subscription> = new Map()
  /** How it ended, when it has. */
  end: { readonly code: number; readonly reason: string } | undefined
  /** What `rooms.subscribe` wants while it is not connected yet, by room; the last word counts. */
  owedRooms: Map<string, PutInto> = new Map()
  readonly #deeds: Deeds
  readonly #inbox: Inbox
  readonly #pulse: Pulse
  readonly #replies: Replies
  /** It is not read: too much of it waits. */
  isPaused = false

  constructor(env: Environment, deeds: Deeds, format: Format, socket: Socket, http: HandshakeRequest) {
    const { clock, limits } = env
    this.#deeds = deeds
    this.env = env
    this.format = format
    this.socket = socket
    this.http = http
    this.client = env.newId()
    this.alarm = new Alarm(clock)
    this.#inbox = new Inbox({ alarm: this.alarm, clock, limits }, this)
    this.#pulse = new Pulse({ alarm: this.alarm, limits }, this)
    const write = (message: Payload): void => void (this.isOpen && this.socket.write(message))
    this.#replies = new Replies({ format, defer: env.defer, write })
    this.alarm.set('stale', limits.staleCloseDelayMs, () => fault(this, DisconnectCode.STALE))
  }

  get id(): string {
    return this.client
  }

  get protocol(): Format['name'] {
    return this.format.name
  }

  get codec(): Codec<Piece> {
    return this.format.codec
  }

  get remoteAddress(): string {
    return this.socket.remoteAddress
  }

  /** Can it still be told anything? */
  get isOpen(): boolean {
    return this.socket.readyState === 'open' && this.end === undefined
  }

  isIn(room: string): boolean {
    return this.subscriptions.get(room)?.state === 'live'
  }

  send(data: Data): void {
    this.push({ message: { data } })
  }

  disconnect(code: number = DisconnectCode.FORCE_DISCONNECT, reason: string = textOf(code)): void {
    this.close(code, reason)
  }

  /** Takes one WebSocket message. */
  receive(message: Buffer, isText: boolean): void {
    if (!this.isOpen || this.phase === 'unusable') return
    const raws = this.format.split(message, isText)
    if (raws === undefined) return fault(this, DisconnectCode.BAD_REQUEST)
    for (const raw of raws) {
      // Answers to pings wait for nothing.
      if (!this.format.isPong(raw)) this.#inbox.add(raw)
      else if (!this.#pulse.answered()) fault(this, DisconnectCode.BAD_REQUEST)
    }
    this.#replies.collect(() => this.#inbox.pump())
  }

  /** The connection is gone. */
  closed(code: number, reason: string): void {
    this.end ??= { code, reason }
    this.#inbox.stop()
    this.alarm.stop()
    this.subscriptions.clear()
    if (this.isAdmitted) sayFarewell(this, this.env, this.end)
  }

  /** Closes the connection, with the words of the code. */
  close(code: number, reason: string = textOf(code)): void {
    this.#inbox.stop()
    if (!this.isOpen) return
    if (code === DisconnectCode.CONNECTION_CLOSED) {
      this.end = { code, reason }
      return this.socket.terminate()
    }
    this.#replies.flush()
    this.socket.close(code, reason)
  }

  reply(id: number, result: Omit<Wire<'Reply'>, 'id'>): void {
    if (this.isOpen) this.#replies.add({ id, ...result })
  }

  /** A message of the replies that wait and this one, for those who write it themselves. */
  frame(reply: Wire<'Reply'>): Payload | Framed {
    return this.#replies.with(reply)
  }

  push(push: Wire<'Push'>): void {
    if (this.isOpen) this.socket.write(this.format.join([this.format.encode({ push })]))
  }

  write(frame: Framed): void {
    if (this.isOpen) this.socket.write(frame)
  }

  /** Answers a command with an error, or closes. */
  refuse(id: number, { code, message, isTemporary }: Refusal): void {
    // Checked before anything is stopped: it may have been changed since it was made.
    if (code >= 3000) return this.close(code, refuse(code, message).message)
    // Who was told an error when it connected comes back on another connection.
    if (this.phase !== 'connected') {
      this.phase = 'unusable'
      this.#inbox.stop()
    }
    if (id > 0) this.reply(id, { error: { code, message, temporary: isTemporary } })
  }

  error(id: number, code: number): undefined {
    this.refuse(id, new Refusal(code, textOf(code)))
  }

  /** Answers what went wrong. */
  fail(where: PolicyCall, id: number, error: unknown): void {
    if (error instanceof Refusal) return void this.attempt(where, id, () => void this.refuse(id, error))
    // The rooms may be another copy's, whose classes are others.
    const name = error instanceof Error ? error.name : ''
    if (name === 'UnrecoverablePositionError') return this.error(id, ErrorCode.UNRECOVERABLE_POSITION)
    if (name !== 'StoreUnavailableError') this.env.onError(error, where)
    this.error(id, ErrorCode.INTERNAL)
  }

  /** Asks the policy, and goes on with what it grants, if the connection is still there.
   * @param absent the error where it grants nothing. */
  ask<T>(
    where: PolicyCall,
    id: number,
    absent: number,
    question: () => Answer<T>,
    then: (granted: T) => Promise<void> | undefined,
  ): Promise<void> | undefined {
    const settle = (answer: T | Refusal | undefined): Promise<void> | undefined => {
      if (!this.isOpen) return undefined
      if (answer instanceof Refusal) this.refuse(id, answer)
      else if (answer === undefined) this.error(id, absent)
      else return this.attempt('rooms', id, () => then(answer))
      return undefined
    }
    return this.attempt(where, id, () => {
      const answer = question()
      return isThenable(answer) ? Promise.resolve(answer).then(settle) : settle(answer)
    })
  }

  /** Does something; what it throws, or rejects with, is answered. */
  attempt(where: PolicyCall, id: number, work: () => Promise<void> | undefined): Promise<void> | undefined {
    try {
      return work()?.catch((error: unknown) => this.fail(where, id, error))
    } catch (error) {
      this.fail(where, id, error)
      return undefined
    }
  }

  /** Something goes on that nothing has to wait for; it counts as a command under way. */
  track(work: Promise<unknown>): void {
    this.#inbox.track(work)
  }

  /** From now on it is a client. */
  connected(): void {
    this.alarm.clear('stale')
    this.#pulse.start(this.env.random())
  }

  /** Nothing is carried out until it is known who this is. */
  hold(): void {
    this.#inbox.hold()
  }

  release(): void {
    this.#inbox.release()
  }

  // What the inbox needs.

  decode(raw: Raw): Command | undefined {
    const command = this.format.decode(raw)
    if (command === undefined) fault(this, DisconnectCode.BAD_REQUEST)
    return command
  }

  laneOf(command: Command): string | undefined {
    return this.#deeds.laneOf(command)
  }

  start(command: Command): Promise<void> | undefined {
    return this.#deeds.carryOut(this, command)
  }

  throttled(): void {
    this.env.onRefused(this, { code: ErrorCode.TOO_MANY_REQUESTS, limit: 'commandsPerSecond' })
  }

  pumped(): void {
    const { maxWaitingBytes } = this.env.limits
    const waits = this.#inbox.bytes
    if (!this.isPaused && waits > maxWaitingBytes) {
      this.isPaused = true
      this.socket.pause()
    } else if (this.isPaused && waits <= maxWaitingBytes / 2) {
      this.isPaused = false
      this.socket.resume()
    }
  }

  // What the pulse needs.

  ping(): void {
    this.write(this.format.ping)
  }

  get isBehind(): boolean {
    return this.socket.bufferedBytes > 0
  }

  died(): void {
    fault(this, DisconnectCode.NO_PONG)
  }

  // What rooms tell a member.

  commanded(command: MemberCommand): void {
    this.#deeds.commanded(this, command)
  }

  expelled(room: string, code: number, reason: string): void {
    this.#deeds.expelled(this, room, code, reason)
  }
}
