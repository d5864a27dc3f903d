// Clients of real nodes over real WebSockets. They do as an SDK does: they come back by themselves, on another node, with
// where they were, and publish again, with the same key, what they do not know the end of.

import { WebSocket } from 'ws'
import type { Heard } from '../../../rooms/codecs.ts'
import type { Came, ClientWord } from '../../rooms-node/words.ts'
import type { Ledger, Stay } from './ledger.ts'
import type { RoomsNode } from './node.ts'

const SAY_AGAIN_MS = 300
const MAX_SAYS = 12

/** Nodes that take clients. */
export interface Site {
  readonly nodes: readonly RoomsNode[]
  readonly ledger: Ledger
  random(): number
}

export class Client {
  readonly name: string
  readonly rooms: readonly string[]
  readonly #site: Site
  readonly stays: Map<string, Stay> = new Map()
  readonly #seen = new Map<string, { epoch: string; offset: number }>()
  #socket: WebSocket | undefined
  node: RoomsNode | undefined
  #over = false
  /** When it was last in all its rooms again, after how long, in ms. */
  readonly comebacks: number[] = []
  #awaySince: number | undefined

  constructor(site: Site, name: string, rooms: readonly string[]) {
    this.#site = site
    this.name = name
    this.rooms = rooms
  }

  get isIn(): boolean {
    return this.rooms.every((room) => this.stays.get(room)?.at !== undefined)
  }

  connect(to?: RoomsNode): void {
    if (this.#over) return
    const up = this.#site.nodes.filter((node) => node.up)
    const node = to ?? up[Math.floor(this.#site.random() * up.length)]
    if (node === undefined) return void setTimeout(() => this.connect(), 200)
    this.node = node
    const socket = new WebSocket(`ws://127.0.0.1:${node.port}/?name=${this.name}`)
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('open', () => {
      if (socket === this.#socket) for (const room of this.rooms) this.#enter(room)
    })
    socket.on('message', (data) => {
      if (socket === this.#socket) this.#hear(JSON.parse(String(data)))
    })
    socket.on('close', () => {
      if (socket !== this.#socket) return
      this.stays.clear()
      this.#awaySince ??= performance.now()
      setTimeout(() => this.connect(), 20 + this.#site.random() * 100)
    })
  }

  /** As one does who hears no more pings: it does not wait for its node. */
  leaveFor(to?: RoomsNode): void {
    const socket = this.#socket
    this.#socket = undefined
    socket?.terminate()
    this.stays.clear()
    this.#awaySince ??= performance.now()
    this.connect(to)
  }

  close(): void {
    this.#over = true
    this.#socket?.terminate()
  }

  send(word: ClientWord): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false
    this.#socket.send(JSON.stringify(word))
    return true
  }

  #enter(room: string): void {
    if (this.stays.has(room)) return
    const since = this.#seen.get(room)
    if (!this.send({ enter: room, since })) return
    this.stays.set(room, this.#site.ledger.came(room, this.name, since))
  }

  #again(room: string): void {
    const socket = this.#socket
    setTimeout(
      () => {
        if (socket === this.#socket) this.#enter(room)
      },
      100 + this.#site.random() * 200,
    )
  }

  #hear(heard: Heard | Came): void {
    if (heard.is === 'came') {
      if (heard.of === 'say') return this.onSaid(heard)
      this.stays.delete(heard.room)
      return this.#again(heard.room)
    }
    const stay = this.stays.get(heard.room)
    if (stay === undefined) return void this.#site.ledger.faults.push(`${this.name} heard of ${heard.room}`)
    const stays = this.#site.ledger.hear(stay, heard)
    if (stay.at !== undefined) this.#seen.set(heard.room, stay.at)
    if (!stays) {
      this.stays.delete(heard.room)
      this.#again(heard.room)
    } else if (this.#awaySince !== undefined && this.isIn) {
      this.comebacks.push(performance.now() - this.#awaySince)
      this.#awaySince = undefined
    }
  }

  /** What came of something that it said. */
  onSaid: (came: Came & { of: 'say' }) => void = () => {}
}

/** Says so much a second, through clients that are connected, and each again until it is known what came of it. */
export class Speakers {
  readonly #site: Site
  readonly #clients: readonly Client[]
  readonly #pending = new Map<string, { room: string; says: number; timer: NodeJS.Timeout }>()
  #timer: NodeJS.Timeout | undefined
  #said = 0

  constructor(site: Site, clients: readonly Client[]) {
    this.#site = site
    this.#clients = clients
    for (const client of clients) client.onSaid = (came) => this.#came(came)
  }

  get pending(): number {
    return this.#pending.size
  }

  start(rooms: readonly string[], perSecond: number): void {
    const began = performance.now()
    let count = 0
    this.#timer = setInterval(() => {
      const due = Math.min(((performance.now() - began) * perSecond) / 1000 - count, 50)
      for (let i = 0; i < due; i++) {
        count++
        this.say(rooms[Math.floor(this.#site.random() * rooms.length)]!)
      }
    }, 20)
  }

  say(room: string): void {
    const data = `d${++this.#said}`
    this.#site.ledger.asked(room, data)
    this.#send(room, data, 0)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #send(room: string, data: string, says: number): void {
    const client = this.#clients[Math.floor(this.#site.random() * this.#clients.length)]!
    client.send({ say: data, to: room, key: data })
    const timer = setTimeout(
      () => {
        this.#pending.delete(data)
        if (says < MAX_SAYS) this.#send(room, data, says + 1)
      },
      SAY_AGAIN_MS * 2 ** Math.min(says, 4),
    )
    this.#pending.set(data, { room, says, timer })
  }

  #came({ data, epoch, offset, failed }: Came & { of: 'say' }): void {
    const pending = this.#pending.get(data)
    if (failed !== undefined) {
      this.#site.ledger.failed++
      return
    }
    this.#site.ledger.acknowledge(data, { epoch: epoch!, offset: offset! })
    clearTimeout(pending?.timer)
    this.#pending.delete(data)
  }
}
