// The clients of a schedule: each wants to be in some rooms, hears what is written to its socket, and comes back as an SDK
// does. Nodes, the store and what breaks belong to the world around them.

import type { Member, Rooms } from '@roomcast/rooms'
import { FakeSocket } from '../../support/fake-socket.ts'
import type { VirtualClock } from '../../support/virtual-clock.ts'
import { bareCodec, linesCodec, type TestCodec } from '../codecs.ts'
import type { Checker, Seen, Stay } from './checker.ts'

/** A node, as its clients meet it. */
export interface Place {
  rooms: Rooms
  /** Does it run? One that is frozen neither hears nor answers. */
  isWorking(): boolean
  /** Its socket's end, which the node learns when it can. */
  ends(socket: FakeSocket): void
}

export interface World<P extends Place> {
  readonly clock: VirtualClock
  readonly checker: Checker
  /** Where a new connection arrives; `undefined` while nobody takes any. */
  place(): P | undefined
  /** How far a room is, for who enters now. */
  topOf(room: string): Seen
  /** Does nobody enter the room for now? */
  isShut?(room: string): boolean
  /** The last that somebody saw, who was put out of a room. */
  told?(last: string | undefined): void
}

export interface Client<P> {
  name: string
  codec: TestCodec
  socket: FakeSocket
  node: P | undefined
  stays: Map<string, Stay>
  seen: Map<string, Seen>
  /** Rooms it wants to be in. */
  wants: Set<string>
}

export class Clients<P extends Place> {
  readonly all: Client<P>[] = []
  readonly #world: World<P>
  #ids = 0

  constructor(world: World<P>, count: number) {
    this.#world = world
    const codecs = [linesCodec(), bareCodec()]
    for (let i = 0; i < count; i++) {
      const codec = codecs[i % codecs.length]!
      const common = { stays: new Map(), seen: new Map(), wants: new Set<string>() }
      const client = { name: `c${i}`, codec, socket: new FakeSocket(), node: undefined, ...common }
      this.all.push(client)
      this.#connect(client)
    }
  }

  want(client: Client<P>, room: string): void {
    if (client.wants.has(room)) return
    client.wants.add(room)
    // Somebody who loads the page anew remembers nothing.
    if (this.#world.clock.random() < 0.2) client.seen.delete(room)
    this.#enter(client, room)
  }

  leave(client: Client<P>, room: string): void {
    const { node, socket } = client
    if (node !== undefined && !node.isWorking()) return
    client.wants.delete(room)
    if (client.stays.delete(room)) node!.rooms.leave(room, socket)
  }

  /** It loses its connection and has another one a little later. */
  reconnect(client: Client<P>): void {
    const { socket, node } = client
    if (node === undefined) return
    client.stays.clear()
    client.node = undefined
    const between = new FakeSocket()
    between.close()
    client.socket = between
    node.ends(socket)
    const { clock } = this.#world
    clock.after(clock.random() * 300, () => {
      if (client.socket === between) this.#connect(client)
    })
  }

  #connect(client: Client<P>): void {
    const { clock } = this.#world
    const node = this.#world.place()
    if (node === undefined) return void clock.after(500, () => this.#connect(client))
    client.node = node
    const socket = new FakeSocket()
    client.socket = socket
    const write = socket.write.bind(socket)
    socket.write = (data, opcode) => {
      const result = write(data, opcode)
      const frame = socket.frames.pop()
      if (frame !== undefined && socket === client.socket) this.#hear(client, frame)
      return result
    }
    for (const room of client.wants) this.#enter(client, room)
  }

  #hear(client: Client<P>, frame: FakeSocket['frames'][number]): void {
    const { checker } = this.#world
    const heard = client.codec.hear(frame)
    const stay = client.stays.get(heard.room)
    if (stay === undefined) return checker.fault(`${client.name} heard ${heard.is} of ${heard.room}, where it is not`)
    const stays = checker.hear(stay, heard)
    if (stay.at !== undefined) client.seen.set(heard.room, stay.at)
    if (stays) return
    this.#world.told?.(stay.at?.last)
    client.stays.delete(heard.room)
    this.#again(client, heard.room)
  }

  /** As an SDK does: it comes back by itself. */
  #again(client: Client<P>, room: string): void {
    const { socket } = client
    const { clock } = this.#world
    clock.after(100 + clock.random() * 400, () => {
      if (client.socket === socket && client.wants.has(room) && !client.stays.has(room)) this.#enter(client, room)
    })
  }

  #enter(client: Client<P>, room: string): void {
    const { name, codec, socket, node } = client
    // Between two connections: it enters everything with the next.
    if (node === undefined || socket.readyState !== 'open') return
    if (this.#world.isShut?.(room) || !node.isWorking()) return this.#again(client, room)
    const since = client.seen.get(room)
    const { epoch, offset } = this.#world.topOf(room)
    const stay: Stay = { who: name, room, since, asOf: { epoch, offset }, at: undefined, told: new Map() }
    client.stays.set(room, stay)
    const member: Member<string> = { client: `${name}.${++this.#ids}`, user: name, socket, codec }
    const reply = (entered: Parameters<TestCodec['reply']>[1]) => codec.reply(room, entered)
    void node.rooms.enter(room, member, { since, reply }).then((result) => {
      if (client.stays.get(room) !== stay || result === 'entered') return
      client.stays.delete(room)
      if (result !== 'unavailable' && result !== 'member')
        this.#world.checker.fault(`${name} could not enter ${room}: ${result}`)
      else this.#again(client, room)
    })
  }
}

/** Who is in a room at the end, and who wants to be: what must be the same. */
export function judgeStays<P extends Place>({ all }: Clients<P>, room: string, checker: Checker, top: Seen): Stay[] {
  const stays = all.flatMap(({ stays }) => stays.get(room) ?? [])
  for (const stay of stays) checker.quiet(stay, top)
  const wanted = wantedIn(all, room)
  if (String(stays.map(({ who }) => who)) !== String(wanted)) checker.fault(`in ${room}: ${stays.length} of ${wanted}`)
  return stays
}

/** Presence at the end: those who want to be in the room, each once. */
export function judgePresence<P extends Place>(
  { all }: Clients<P>,
  room: string,
  checker: Checker,
  users: string[],
): void {
  const wanted = wantedIn(all, room)
  if (String(users.sort()) !== String(wanted.sort())) checker.fault(`present in ${room}: ${users}, in it: ${wanted}`)
}

function wantedIn<P>(all: Client<P>[], room: string): string[] {
  return all.filter(({ wants }) => wants.has(room)).map(({ name }) => name)
}
