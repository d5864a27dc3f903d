// What is broken under traffic, and what must be seen of it besides a clean ledger. `row` groups what is alike: FAULTS_ROW
// runs one.

import { expect } from 'vitest'
import { RedisServer, until } from '../../../support/redis.ts'
import type { NodeState } from '../../rooms-node/words.ts'
import type { Client } from './crowd.ts'
import type { RoomsNode } from './node.ts'
import { PREFIX, World } from './world.ts'

export interface Fault {
  row: string
  name: string
  /** Breaks and mends; called under traffic. */
  run(world: World, about: { full: boolean }): Promise<void>
  /** Somebody comes back, and recovers. */
  recovers?: boolean
  /** Redis lost what it had, or may have: all epochs are new afterwards. */
  begins?: boolean
  /** Arguments of redis-server. */
  args?: readonly string[]
  /** Redis listens on a port, too. */
  tcp?: boolean
}

/** 20 s until a dead node is swept, 5 s until that is seen, and what a busy machine adds. */
const SWEPT_MS = 30_000

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export const FAULTS: readonly Fault[] = [
  {
    row: '1',
    name: 'a node is killed, and its members come back elsewhere',
    recovers: true,
    async run(world) {
      const [dying] = world.nodes
      const gone = world.clients.filter(({ node }) => node === dying)
      world.ledger.leaves.clear()
      await dying!.kill()
      const killedAt = performance.now()
      await world.everybodyIn()
      // Nobody is shown twice, not even until the entries are removed.
      await world.presenceIsTrue(20_000 - (performance.now() - killedAt))
      const watchers = world.clients.filter((client) => !gone.includes(client))
      const owed = (): number =>
        gone.reduce((sum, { rooms }) => {
          return sum + rooms.reduce((all, room) => all + watchers.filter((one) => one.rooms.includes(room)).length, 0)
        }, 0)
      await until('every leave to be told', () => leavesOf(world, dying!, watchers).length >= owed(), SWEPT_MS)
      await sleep(1_500)
      const leaves = leavesOf(world, dying!, watchers)
      expect(leaves).toHaveLength(owed())
      expect(leaves.filter(([, count]) => count > 1)).toEqual([])
      await world.startNode(0)
    },
  },
  {
    row: '2',
    name: 'a node is told to end',
    recovers: true,
    async run(world) {
      expect(await world.nodes[0]!.terminate()).toBe(0)
      await world.everybodyIn()
      // Nothing of it is left at once.
      await world.presenceIsTrue(3_000)
      await world.startNode(0)
    },
  },
  {
    row: '4',
    name: 'a node is frozen until others take it for dead',
    recovers: true,
    async run(world, { full }) {
      const [frozen] = world.nodes
      frozen!.freeze()
      frozen!.up = false
      // Their pings are not answered: they come back elsewhere.
      await sleep(1_000)
      for (const client of world.clients) if (client.node === frozen) client.leaveFor(world.nodes[1])
      await world.everybodyIn()
      await sleep(full ? 29_000 : 22_000)
      frozen!.thaw()
      frozen!.up = true
      await world.presenceIsTrue(5_000 + 2_000)
      // Nobody came back to it: whoever left it did so once.
      const leaves = leavesOf(world, frozen!, world.clients)
      expect(leaves.length).toBeGreaterThan(0)
      expect(leaves.filter(([, count]) => count > 1)).toEqual([])
    },
  },
  {
    row: '5',
    name: 'Redis is restarted in order, with all it had',
    begins: true,
    args: ['--appendonly', 'yes', '--appendfsync', 'always'],
    async run({ redis }) {
      await redis.kill('SIGTERM')
      await sleep(300)
      await redis.boot()
    },
  },
  {
    row: '6',
    name: 'Redis is killed and comes back empty',
    begins: true,
    async run({ redis }) {
      await redis.kill()
      await sleep(500)
      await redis.boot()
    },
  },
  {
    row: '6',
    name: 'Redis is emptied, and keeps its connections',
    begins: true,
    async run({ redis }) {
      await redis.admin.flushall()
    },
  },
  {
    row: '7',
    name: 'Redis kills the subscribers, again and again',
    async run({ redis, random }, { full }) {
      for (let i = 0; i < (full ? 100 : 10); i++) {
        await redis.admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
        await sleep(random() * 600)
      }
    },
  },
  {
    row: '7',
    name: 'Redis kills the connections for commands, again and again',
    async run({ redis, random }, { full }) {
      for (let i = 0; i < (full ? 30 : 8); i++) {
        await redis.admin.call('CLIENT', 'KILL', 'TYPE', 'normal')
        await sleep(random() * 600)
      }
    },
  },
  {
    row: '8',
    name: 'the way of one node is stalled without a word',
    async run(world, { full }) {
      const began = performance.now()
      world.proxies[1]!.stall({ newcomers: true })
      await isLost(world.nodes[1]!)
      expect(performance.now() - began).toBeLessThan(11_000 + 2_000)
      await sleep((full ? 20_000 : 12_000) - (performance.now() - began))
      world.proxies[1]!.heal()
      await isBack(world.nodes[1]!)
    },
  },
  {
    row: '9',
    name: 'Redis stalls',
    async run(world, { full }) {
      const before = await states(world)
      world.redis.freeze()
      await sleep(full ? 10_000 : 6_000)
      const during = await states(world)
      world.redis.thaw()
      for (const [i, { rssBytes }] of during.entries()) expect(rssBytes - before[i]!.rssBytes).toBeLessThan(32 << 20)
    },
  },
  {
    row: '10',
    name: 'a replica that lags takes over',
    begins: true,
    tcp: true,
    async run(world) {
      const { redis } = world
      const replica = await RedisServer.start({ tcp: true, args: ['--repl-diskless-sync-delay', '0'] })
      world.onStop(() => replica.stop())
      await replica.admin.call('REPLICAOF', '127.0.0.1', String(redis.port))
      await until('it to follow', async () => /master_link_status:up/.test(await replica.admin.info('replication')))
      await sleep(500)
      // From here on it has nothing of what its master takes, and gives out as numbers.
      await replica.admin.call('REPLICAOF', 'NO', 'ONE')
      await sleep(1_000)
      await redis.kill()
      for (const proxy of world.proxies) proxy.retarget(replica.path)
    },
  },
  {
    row: '11',
    name: 'one node subscribes at the wrong Redis',
    async run(world) {
      const wrong = await RedisServer.start()
      world.onStop(() => wrong.stop())
      const began = performance.now()
      await world.proxies[1]!.divert('subscriber', wrong.path)
      await isLost(world.nodes[1]!)
      expect(performance.now() - began).toBeLessThan(11_000 + 2_000)
      await isBack(world.nodes[1]!)
    },
  },
  {
    row: '13',
    name: 'a node is too busy to listen',
    async run(world, { full }) {
      await world.nodes[1]!.tell({ do: 'block', ms: full ? 5_000 : 2_000 })
    },
  },
  {
    row: '15',
    name: 'the wall clock of a node jumps',
    async run(world) {
      for (const ms of [3_600_000, -3_600_000, 0]) {
        await world.nodes[0]!.tell({ do: 'jump', ms })
        await sleep(2_000)
        await world.presenceIsTrue(5_000)
      }
    },
  },
  {
    row: '16',
    name: 'Redis refuses writes',
    async run(world) {
      const { admin } = world.redis
      await admin.config('SET', 'maxmemory', '1')
      const { failed } = world.ledger
      const before = await states(world)
      await until('it to be said', () => world.ledger.failed > failed)
      await sleep(3_000)
      // A busy loop would take all of a core.
      for (const [i, { cpuMs }] of (await states(world)).entries()) {
        expect(cpuMs - before[i]!.cpuMs).toBeLessThan(2_500)
      }
      await admin.config('SET', 'maxmemory', '0')
    },
  },
  {
    row: '17',
    name: 'Redis evicts numbers',
    async run(world) {
      for (const room of world.rooms.slice(0, 3)) await world.redis.admin.del(`${PREFIX}:m:${room}`)
      await until('them to begin anew', () => world.rooms.slice(0, 3).every((room) => epochsOf(world, room) > 1))
      expect(world.rooms.slice(3).map((room) => epochsOf(world, room))).toEqual(world.rooms.slice(3).map(() => 1))
    },
  },
  {
    row: '18',
    name: 'a rolling restart among nodes of another version',
    recovers: true,
    async run(world) {
      const { admin } = world.redis
      const shout = setInterval(() => {
        for (const [version, kind] of [
          [2, 5],
          [1, 99],
          [1, 5],
        ]) {
          const other = Buffer.concat([
            Buffer.from([0x52, 0x43, version!, kind!]),
            Buffer.alloc(20, 1),
            Buffer.from('what'),
          ])
          for (const room of world.rooms) void admin.publish(`${PREFIX}:\u0001${room}`, other)
          void admin.publish(`${PREFIX}:\u0001`, other)
        }
      }, 100)
      try {
        for (let i = 0; i < 3; i++) {
          expect(await world.nodes[i]!.terminate()).toBe(0)
          await world.startNode(i)
          await world.everybodyIn()
        }
        for (const node of world.nodes) {
          await until('it to be counted', async () => (await node.tell({ do: 'stats' })).invalid > 10)
        }
      } finally {
        clearInterval(shout)
      }
    },
  },
  {
    row: '19',
    name: 'everybody comes back at once, to one node',
    recovers: true,
    async run(world) {
      const began = performance.now()
      for (const client of world.clients) client.leaveFor(world.nodes[0])
      await world.everybodyIn(10_000)
      expect(performance.now() - began).toBeLessThan(10_000)
    },
  },
]

/** The leaves that others were told of a node's clients, and how often. Those who come back are others. */
function leavesOf({ ledger }: World, node: RoomsNode, watchers: readonly Client[]): [string, number][] {
  const names = new Set(watchers.map(({ name }) => name))
  return [...ledger.leaves].filter(([key]) => {
    // A key is a room, whose name has a space, who was told, and of whom: name, process, number.
    const [, , who, of] = key.split(' ')
    return names.has(who!) && of!.split('.')[1] === String(node.pid)
  })
}

function epochsOf({ ledger }: World, room: string): number {
  return ledger.epochs.get(room)?.size ?? 0
}

function states({ working }: World): Promise<NodeState[]> {
  return Promise.all(working.map((node) => node.tell({ do: 'stats' })))
}

async function isLost(node: RoomsNode): Promise<void> {
  await until('the node to know', async () => (await node.tell({ do: 'stats' })).status === 'degraded')
}

async function isBack(node: RoomsNode): Promise<void> {
  await until('the node to be back', async () => (await node.tell({ do: 'stats' })).status === 'ready')
}

/** What a run came to. */
export interface Report {
  deliveries: number
  acknowledged: number
  failed: number
  recovered: number
  unrecovered: number
  told: number
  /** The longest that one was away of those who came back, in ms. */
  longestMs: number
}

/** Runs a fault under traffic. */
export async function runFault(fault: Fault, { seed, full }: { seed: number; full: boolean }): Promise<Report> {
  const { args, tcp } = fault
  const size = full ? { clients: 300, rooms: 20, perSecond: 200 } : { clients: 18, rooms: 6, perSecond: 40 }
  const world = await World.start({ seed, args, tcp, ...size })
  const { ledger } = world
  try {
    await sleep(1_000)
    await fault.run(world, { full })
    await sleep(1_500)
    await world.judge()
    await world.presenceIsTrue()
    expect(ledger.faults).toEqual([])
    if (fault.recovers) expect(ledger.recovered).toBeGreaterThan(0)
    if (fault.begins) expect(world.rooms.map((room) => epochsOf(world, room)).filter((count) => count < 2)).toEqual([])
    // A run in which nothing is said proves nothing; how much is said depends on the machine.
    expect(ledger.acknowledged).toBeGreaterThan(20)
    const { deliveries, acknowledged, failed, recovered, unrecovered, told } = ledger
    const longestMs = Math.max(0, ...world.clients.flatMap(({ comebacks }) => comebacks))
    return { deliveries, acknowledged, failed, recovered, unrecovered, told, longestMs }
  } finally {
    await world.stop()
  }
}
