// What this node answers when all nodes are asked: commands, which it carries out on a user's clients, how it is, and who is
// in which room. And what the answers of all nodes come to.

import type { Clients } from './clients.ts'
import { guarded } from './guarded.ts'
import type { Member } from './member.ts'
import type { Answers, Command, Meant, NodeAnswer, NodeRequest, NodeStatus } from './port.ts'
import type { Client, Membership } from './room.ts'
import { matches } from './wildcard.ts'

/** The node that is asked. */
export interface Asked {
  readonly clients: Clients
  status(): NodeStatus
  /** Its rooms with members. */
  list(): Iterable<readonly [room: string, members: number]>
  /** Somebody is to be out. */
  unsubscribe(membership: Membership, code: number, reason: string): void
}

/** Answers for a node. */
export function answer(node: Asked, request: NodeRequest): NodeAnswer {
  switch (request.do) {
    case 'status':
      return { status: node.status() }
    case 'list':
      return list(node.list(), request.pattern, request.limit)
    case 'disconnect':
    case 'unsubscribe':
    case 'subscribe':
    case 'refresh':
      return { clients: meantOf(node.clients, request).filter((client) => obeys(node, client, request)).length }
    default:
      // Of a node that is newer than this one.
      return {}
  }
}

function list(rooms: Iterable<readonly [string, number]>, pattern: string, limit: number): NodeAnswer {
  const found: (readonly [string, number])[] = []
  for (const room of rooms) {
    if (!matches(pattern, room[0])) continue
    if (found.length === limit) return { rooms: found, more: true }
    found.push(room)
  }
  return { rooms: found }
}

/** The clients of this node that a command is for. */
function meantOf(clients: Clients, { user, client: only, except = [] }: Meant): Client[] {
  return clients
    .of(user)
    .filter(({ member: { client } }) => (only === undefined || client === only) && !except.includes(client))
}

/** @returns whether the command means this client. What goes wrong is a warning: other nodes and clients go on. */
function obeys(node: Asked, client: Client, command: Command): boolean {
  const { member } = client
  const membership = command.do === 'unsubscribe' ? client.in(command.room) : undefined
  if (command.do === 'unsubscribe' && membership === undefined) {
    // Its protocol may still be asking whether it may come in.
    guarded('expelled', () => member.expelled?.(command.room, command.code, command.reason))
    return false
  }
  guarded(command.do, () => {
    if (command.do === 'disconnect') close(member, command.code, command.reason)
    else if (command.do !== 'unsubscribe') member.commanded?.(command)
    else node.unsubscribe(membership!, command.code, command.reason)
  })
  return true
}

function close(member: Member, code: number, reason: string): void {
  if (member.close === undefined) member.socket.close(code, reason)
  else member.close(code, reason)
}

/** What a command came to. */
export interface CommandResult {
  /** How many clients it reached. */
  readonly clients: number
  /** How many nodes answered. */
  readonly nodes: number
  /** How many nodes are there and did not answer in time. */
  readonly missing: number
}

/** What a command came to on all nodes. */
export function commandResult({ answers, missing }: Answers): CommandResult {
  const clients = answers.reduce((sum, { clients = 0 }) => sum + clients, 0)
  return { clients, nodes: answers.length, missing }
}

/** The rooms of all nodes, and how many members each has on all of them. */
export function roomList({ answers, missing }: Answers, limit: number): RoomList {
  const rooms = new Map<string, number>()
  for (const { rooms: some = [] } of answers) {
    for (const [room, members] of some) rooms.set(room, (rooms.get(room) ?? 0) + members)
  }
  const more = answers.some((one) => one.more === true) || rooms.size > limit
  for (const room of rooms.keys()) if (rooms.size > limit) rooms.delete(room)
  return { rooms, complete: !more && missing === 0, nodes: answers.length, missing }
}

/** What `list` resolves with. */
export interface RoomList {
  /** By name, how many members a room has. */
  readonly rooms: Map<string, number>
  /** Are these all rooms that were asked for, with all their members? */
  readonly complete: boolean
  /** How many nodes answered. */
  readonly nodes: number
  /** How many nodes are there and did not answer in time. */
  readonly missing: number
}
