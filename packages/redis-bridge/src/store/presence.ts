// Who is where, in Redis: entries under this node's lease, in a cluster one in each partition that it has entries in. And
// what is done about the entries of nodes that are dead: one of the others removes them, at a pace, telling each leave.

import type { Entry, Lease, Present } from '@roomcast/rooms'
import type { Clock } from '../bus/clock.ts'
import { encodeInfo, readInfo, reading } from './bytes.ts'
import type { Place, Places } from './places.ts'
import { ASSERT, ENTER, EXIT, LEASE, LEASE_MS, PRESENT, ROOMS_OF, SWEEP_AFTER_MS } from './presence-scripts.ts'
import { Sweeper } from './sweeper.ts'

/** Rooms, and bytes, in one call that asserts. */
const ROOMS_PER_CALL = 100
const BYTES_PER_CALL = 262_144

/** A node that nobody here knew may come while it is asked who is there. */
const MAX_ATTEMPTS = 5

export interface PresenceOptions {
  clock: Clock
  places: Places
  home: Uint8Array
  homeHex: string
}

/** This node's part in the presence of all rooms. */
export class Presence {
  readonly #options: PresenceOptions
  readonly #sweeper: Sweeper
  /** Partitions in which this node has, or had, entries. */
  readonly #used = new Set<Place>()
  /** Partitions whose Redis may have lost entries of this node, and told nobody. */
  readonly #lost = new Set<Place>()
  /** Nodes with a lease in a partition, as far as was heard. */
  readonly #nodes = new Map<Place, readonly string[]>()
  /** What is entered and removed while it is found out what to assert. */
  readonly #meanwhile = new Set<Map<string, Entry | undefined>>()

  constructor(options: PresenceOptions) {
    this.#options = options
    this.#sweeper = new Sweeper(options)
    // One Redis: there is nothing to find out.
    if (options.places.all.length === 1) this.#used.add(options.places.first)
  }

  async enter(room: string, info: Present): Promise<boolean> {
    const place = this.#options.places.of(room)
    this.#used.add(place)
    this.#note(room, info.client, [room, info])
    const { homeHex } = this.#options
    const added = await place.calls.call({
      script: ENTER,
      keys: [place.keys.entries(room, homeHex), place.keys.roomsOf(homeHex), place.keys.leases],
      args: [room, info.client, encodeInfo(info), homeHex],
      // It may have been carried out, and so may an exit that came after it: a second time would leave a ghost.
      again: false,
    })
    return added === 1
  }

  async exit(room: string, client: string): Promise<boolean> {
    const { keys, calls } = this.#options.places.of(room)
    this.#note(room, client, undefined)
    const { homeHex } = this.#options
    const gone = await calls.call({
      script: EXIT,
      keys: [keys.entries(room, homeHex), keys.roomsOf(homeHex)],
      args: [room, client],
      // A second time it would not be there, and nobody would tell of it.
      again: false,
    })
    return gone === 1
  }

  async lease(): Promise<Lease> {
    const states = await Promise.all([...this.#used].map((place) => this.#renew(place)))
    if (states.includes('swept')) return 'swept'
    return states.length === 0 || states.includes('lost') ? 'lost' : 'kept'
  }

  /** The Redis of a partition is another one, or went back. */
  changed(place: Place): void {
    if (this.#used.has(place)) this.#lost.add(place)
  }

  async assert(entries: readonly Entry[]): Promise<{ added: Entry[]; removed: Entry[] }> {
    const { places } = this.#options
    const meanwhile = new Map<string, Entry | undefined>()
    this.#meanwhile.add(meanwhile)
    const had = new Map<Place, readonly string[]>()
    try {
      const found = [...this.#used].map(async (place) => had.set(place, await this.#roomsIn(place)))
      await Promise.all(found)
    } finally {
      this.#meanwhile.delete(meanwhile)
    }
    // From here to the last call nothing comes between: what is entered later is entered after it.
    const wanted = new Map<string, Map<string, Present>>()
    const want = ([room, info]: Entry): void => {
      if (!wanted.has(room)) wanted.set(room, new Map())
      wanted.get(room)!.set(info.client, info)
    }
    for (const entry of entries) want(entry)
    for (const [key, entry] of meanwhile) {
      const [room, client] = key.split('\n') as [string, string]
      if (entry === undefined) wanted.get(room)?.delete(client)
      else want(entry)
    }
    const rooms = new Map<Place, Set<string>>()
    for (const [place, names] of had) rooms.set(place, new Set(names))
    for (const room of wanted.keys()) {
      const place = places.of(room)
      this.#used.add(place)
      if (!rooms.has(place)) rooms.set(place, new Set())
      rooms.get(place)!.add(room)
    }
    const results = await Promise.all([...rooms].map(([place, names]) => this.#assertIn(place, [...names], wanted)))
    return { added: results.flatMap(({ added }) => added), removed: results.flatMap(({ removed }) => removed) }
  }

  async presence(room: string): Promise<Present[]> {
    const { keys, calls, ...place } = this.#options.places.of(room)
    let nodes = this.#nodes.get(this.#options.places.of(room)) ?? []
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const [whole, list] = (await calls.call({
        script: PRESENT,
        keys: [keys.leases, ...nodes.map((node) => keys.entries(room, node))],
        args: nodes,
        again: true,
      })) as [number, Buffer[]]
      if (whole === 1) return list.flatMap((info) => reading(info, 0, readInfo) ?? [])
      nodes = list.map(String)
      this.#nodes.set(this.#options.places.all[place.partition]!, nodes)
    }
    return []
  }

  /** Gives up all entries; each leave is told. */
  async release(): Promise<void> {
    await Promise.allSettled([...this.#used].map((place) => this.#sweeper.sweep(place, this.#options.homeHex)))
  }

  close(): void {
    this.#sweeper.close()
  }

  #note(room: string, client: string, entry: Entry | undefined): void {
    for (const meanwhile of this.#meanwhile) meanwhile.set(`${room}\n${client}`, entry)
  }

  async #renew(place: Place): Promise<Lease> {
    const { homeHex } = this.#options
    const { keys, calls } = place
    const [state, lineage, flat] = (await calls.call({
      script: LEASE,
      keys: [keys.leases, keys.swept, keys.lineage],
      args: [homeHex],
      again: true,
    })) as [Buffer, Buffer, (Buffer | number)[]]
    // It was emptied, or went back: what it had of us may be gone, whatever there is by now.
    if (!calls.compare(String(lineage))) this.#lost.add(place)
    const nodes: string[] = []
    for (let i = 0; i < flat.length; i += 2) {
      const [node, silentMs] = [String(flat[i]), Number(flat[i + 1])]
      if (silentMs < LEASE_MS) nodes.push(node)
      else this.#sweeper.sweepIn(place, node, SWEEP_AFTER_MS - silentMs)
    }
    this.#nodes.set(place, nodes)
    const known = String(state) as Lease
    return known === 'kept' && this.#lost.has(place) ? 'lost' : known
  }

  async #roomsIn({ keys, calls }: Place): Promise<string[]> {
    const keysOf = [keys.roomsOf(this.#options.homeHex)]
    return ((await calls.call({ script: ROOMS_OF, keys: keysOf, args: [], again: true })) as Buffer[]).map(String)
  }

  async #assertIn(
    place: Place,
    rooms: readonly string[],
    wanted: ReadonlyMap<string, ReadonlyMap<string, Present>>,
  ): Promise<{ added: Entry[]; removed: Entry[] }> {
    const { homeHex } = this.#options
    const { keys, calls } = place
    const added: Entry[] = []
    const removed: Entry[] = []
    // What is lost from now on is lost after this.
    this.#lost.delete(place)
    const calling: Promise<void>[] = []
    for (let from = 0; from === 0 || from < rooms.length; ) {
      const args: (string | Buffer | number)[] = [homeHex]
      let [to, bytes] = [from, 0]
      for (; to < rooms.length && to - from < ROOMS_PER_CALL && bytes < BYTES_PER_CALL; to++) {
        const infos = [...(wanted.get(rooms[to]!)?.values() ?? [])]
        args.push(rooms[to]!, infos.length)
        for (const info of infos) {
          const encoded = encodeInfo(info)
          bytes += encoded.length
          args.push(info.client, encoded)
        }
      }
      const chunk = rooms.slice(from, to)
      const entries = chunk.map((room) => keys.entries(room, homeHex))
      const call = {
        script: ASSERT,
        keys: [keys.roomsOf(homeHex), keys.leases, keys.swept, ...entries],
        args,
        // A second time nothing would be missing, and nobody would tell of what was.
        again: false,
      }
      calling.push(
        calls.call(call).then((answer) => {
          for (const [i, [missing, many]] of (answer as [Buffer[], Buffer[]][]).entries()) {
            const room = chunk[i]!
            for (const client of missing) added.push([room, wanted.get(room)!.get(String(client))!])
            for (const info of many) removed.push(...entryOf(room, info))
          }
        }),
      )
      if (to === from) break
      from = to
    }
    try {
      await Promise.all(calling)
    } catch (error) {
      this.#lost.add(place)
      throw error
    }
    return { added, removed }
  }
}

function entryOf(room: string, bytes: Buffer): Entry[] {
  const info = reading(bytes, 0, readInfo)
  return info === undefined ? [] : [[room, info]]
}
