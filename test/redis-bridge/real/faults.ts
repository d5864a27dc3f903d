// The faults: what is broken, for how long, and what must be seen of it besides a clean history. Numbers in `row` are
// those of the fault matrix in the package's README.

import { expect } from 'vitest'
import { RedisServer, until } from '../../support/redis.ts'
import type { Verdict } from '../history.ts'
import { clock, randomOf } from '../node/records.ts'
import type { NodeProcess } from './node-process.ts'
import { PREFIX, World } from './world.ts'

export interface Fault {
  row: string
  name: string
  /** Breaks and mends; called under traffic. */
  run(world: World, about: { random: () => number; full: boolean }): Promise<void>
  /** Nothing may be lost at all. */
  lossless?: boolean
  /** So many messages are lost, each to both other nodes, and nothing else is. */
  lost?(full: boolean): number
  lingerMs?: number
  /** Arguments of redis-server. */
  args?: string[]
  /** How long there is traffic before. Default: so long that every node knows every other's position everywhere. */
  warmMs?: number
}

const ROOMS: readonly string[] = Array.from({ length: 20 }, (_, i) => `room ${i}`)
const PER_NODE_AND_SECOND = 66
/** A probe's 4 s of silence and twice 2.5 s of patience, and what a busy machine adds. */
const DETECTION_MS = 9_000 + 2_000
/** Two seconds are promised; the rest is for a busy machine. */
const REPORT_MS = 2_000 + 1_500

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export const FAULTS: readonly Fault[] = [
  {
    row: '1',
    name: 'a node is killed and comes back as another',
    async run(world) {
      await world.station('A').node.kill()
      await sleep(1_000)
      await join(world, await world.add('A2', 'A'))
    },
  },
  {
    row: '2',
    name: 'a node is told to end',
    lossless: true,
    async run(world) {
      expect(await world.station('A').node.terminate()).toBe(0)
      await join(world, await world.add('A2', 'A'))
    },
  },
  {
    row: '5',
    name: 'Redis is restarted in order',
    async run({ redis }) {
      await redis.kill('SIGTERM')
      await sleep(300)
      await redis.boot()
    },
  },
  {
    row: '5',
    name: 'Redis is restarted right after the joins',
    warmMs: 500,
    async run({ redis }) {
      await redis.kill()
      await sleep(500)
      await redis.boot()
    },
  },
  {
    row: '6',
    name: 'Redis is killed and comes back empty, twice',
    async run(world, { random }) {
      for (let i = 0; i < 2; i++) {
        await world.redis.kill()
        await sleep(200 + random() * 1_500)
        await world.redis.boot()
        await world.redis.admin.flushall()
        await world.allReady()
      }
    },
  },
  {
    row: '7',
    name: 'Redis kills the subscribers, again and again',
    async run({ redis }, { random, full }) {
      for (let i = 0; i < (full ? 30 : 8); i++) {
        await redis.admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
        await sleep(random() * 500)
      }
    },
  },
  {
    row: '7',
    name: 'Redis kills the connections that publish, again and again',
    lossless: true,
    async run({ redis, nodes }, { full }) {
      const stats = (): Promise<{ echoes?: number; reconnects?: number }[]> =>
        Promise.all(nodes.map(async (node) => (await node.tell({ do: 'stats' })).bridge))
      for (let i = 0; i < (full ? 30 : 8); i++) {
        await redis.admin.call('CLIENT', 'KILL', 'TYPE', 'normal')
        const before = await stats()
        // What was on its way comes back still: more than that proves the new connection.
        await until('everybody to hear himself', async () => {
          return (await stats()).every(({ echoes }, at) => echoes! > before[at]!.echoes! + 10)
        })
      }
      expect((await stats()).map(({ reconnects }) => reconnects)).toEqual([0, 0, 0])
    },
  },
  {
    row: '8',
    name: 'the way of one node is stalled without a word',
    async run(world, { full }) {
      const { node, proxy } = world.station('B')
      const began = clock()
      proxy.stall({ newcomers: true })
      await until('B to be degraded', () => node.status === 'degraded', DETECTION_MS)
      await sleep((full ? 20_000 : 11_000) - (clock() - began))
      expect(node.status).toBe('degraded')
      proxy.heal()
      const healed = clock()
      await until('B to be back', () => node.status === 'ready', 10_000)
      expect(clock() - healed).toBeLessThan(3_000 + 2_000)
    },
  },
  {
    row: '9',
    name: 'Redis stalls',
    async run(world, { full }) {
      const before = await memory(world)
      world.redis.freeze()
      await sleep(full ? 10_000 : 6_000)
      const during = await memory(world)
      world.redis.thaw()
      expect(Math.max(...during.map((bytes, i) => bytes - before[i]!))).toBeLessThan(32 << 20)
    },
  },
  {
    row: '11',
    name: 'one node subscribes at the wrong Redis',
    async run(world) {
      const { node, proxy } = world.station('B')
      const wrong = await RedisServer.start()
      world.onStop(() => wrong.stop())
      await proxy.divert('subscriber', wrong.path)
      const began = clock()
      await until('B to be degraded', () => node.status === 'degraded', DETECTION_MS)
      expect(clock() - began).toBeLessThan(DETECTION_MS)
    },
  },
  {
    row: '13',
    name: 'a node is too busy to listen',
    lossless: true,
    async run(world) {
      await world.station('B').node.tell({ do: 'block', ms: 2_000 })
    },
  },
  {
    row: '16',
    name: 'Redis refuses writes, then publishing, by its ACL',
    async run(world) {
      const { admin } = world.redis
      await admin.config('SET', 'maxmemory', '1')
      await admin.config('SET', 'min-replicas-to-write', '1')
      await sleep(1_000)
      expect(world.judge().gaps).toBe(0)
      await admin.call('ACL', 'SETUSER', 'default', '-publish')
      const before = await cpu(world)
      await sleep(3_000)
      const after = await cpu(world)
      // A busy loop would take all of a core; traffic of this size takes a few hundredths.
      expect(Math.max(...after.map((ms, i) => ms - before[i]!))).toBeLessThan(1_500)
      await admin.call('ACL', 'SETUSER', 'default', '+publish')
      await admin.config('SET', 'min-replicas-to-write', '0')
      await admin.config('SET', 'maxmemory', '0')
    },
  },
  {
    row: '21',
    name: 'messages that Redis does not take',
    lost: (full) => (full ? 5 : 2),
    args: ['--proto-max-bulk-len', '1mb'],
    async run(world, { full }) {
      for (let i = 0; i < (full ? 5 : 2); i++) {
        const { node } = world.station('A')
        await node.tell({ do: 'publish', channel: ROOMS[i]!, count: 1, bytes: 1_500_000 })
        await until('it to be given up', async () => (await node.tell({ do: 'stats' })).bridge.dropped! > i)
      }
      // Each was lost alone, at its own node.
      const stats = await Promise.all(world.nodes.map((node) => node.tell({ do: 'stats' })))
      expect(stats.map(({ bridge }) => bridge.dropped)).toEqual([full ? 5 : 2, 0, 0])
      // Nobody was off the bus for it, the publishing node neither.
      expect(stats.map(({ bridge }) => bridge.reconnects)).toEqual([0, 0, 0])
    },
  },
  {
    row: '13',
    name: 'a node is busy for 5 s, and hears nothing of its own meanwhile',
    lossless: true,
    async run(world) {
      await world.station('B').node.tell({ do: 'block', ms: 5_000 })
      const { bridge } = await world.station('B').node.tell({ do: 'stats' })
      expect(bridge.reconnects).toBe(0)
    },
  },
  {
    row: '11',
    name: 'the master is demoted, and keeps its connections',
    async run(world) {
      const other = await RedisServer.start({ tcp: true })
      world.onStop(() => other.stop())
      await world.redis.admin.replicaof('127.0.0.1', String(other.port))
      for (const node of world.nodes) {
        await until('it to be noticed', () => node.status === 'degraded', 4_000 + 3_000)
      }
      await world.redis.admin.call('REPLICAOF', 'NO', 'ONE')
    },
  },
  {
    row: '18',
    name: 'a rolling restart among nodes of another version',
    lossless: true,
    async run(world) {
      const { admin } = world.redis
      const shout = setInterval(() => {
        const later = Buffer.concat([Buffer.from('RC\x02\x00', 'latin1'), Buffer.alloc(20, 1), Buffer.from('whatever')])
        for (const room of ROOMS.slice(0, 5)) void admin.publish(`${PREFIX}:${room}`, later)
        void admin.publish(`${PREFIX}:`, later)
      }, 50)
      try {
        for (const place of ['A', 'B', 'C']) {
          expect(await world.station(place).node.terminate()).toBe(0)
          await join(world, await world.add(`${place}2`, place))
        }
        for (const node of world.nodes)
          await until('the other version to be counted', async () => (await invalid(node)) > 0)
      } finally {
        clearInterval(shout)
      }
    },
  },
  {
    row: '7',
    name: 'everybody comes and goes while Redis kills the subscribers',
    lingerMs: 20,
    async run(world, { random, full }) {
      const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
      const asked: Promise<unknown>[] = []
      for (let i = 0; i < (full ? 1_000 : 250); i++) {
        const node = pick(world.nodes)
        const channels = [pick(ROOMS)]
        await node.tell({ do: 'leave', channels })
        if (random() < 0.6) await sleep(random() * 40)
        await node.tell({ do: 'join', channels })
        asked.push(node.tell({ do: 'ready', channels }))
        if (random() < 0.04) await world.redis.admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      }
      await world.allReady()
      await Promise.all(asked)
    },
  },
  {
    row: 'mix',
    name: 'a little of everything',
    async run(world, { random, full }) {
      const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
      const steps = full ? 8 : 4
      for (let i = 0; i < steps; i++) {
        const { proxy } = world.station(pick(['A', 'B', 'C']))
        const leg = pick(['subscriber', 'publisher', undefined] as const)
        const which = leg === undefined ? {} : { leg }
        switch (
          pick(['reset', 'fin', 'stall', 'one way', 'half', 'delay', 'refuse', 'freeze', 'kill', 'restart'] as const)
        ) {
          case 'reset':
            proxy.cut(which)
            break
          case 'fin':
            proxy.cut({ ...which, how: 'fin' })
            break
          case 'stall':
            proxy.stall({ ...which, newcomers: random() < 0.3 })
            break
          case 'one way':
            proxy.stall({ ...which, direction: pick(['up', 'down']) })
            break
          case 'half':
            proxy.halfClose({ ...which, direction: pick(['up', 'down']) })
            break
          case 'delay':
            proxy.delay(random() * 1_000)
            break
          case 'refuse':
            proxy.refuse()
            proxy.cut(which)
            break
          case 'freeze':
            world.redis.freeze()
            break
          case 'kill':
            await world.redis.admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
            break
          case 'restart':
            await world.redis.kill()
            break
        }
        await sleep(300 + random() * 1_500)
        world.redis.thaw()
        if (!world.redis.alive) await world.redis.boot()
        if (random() < 0.8) proxy.heal()
      }
      for (const { proxy } of Object.values(world.stations)) proxy.heal()
    },
  },
]

/** What a run came to, for its line of the report. */
export interface Outcome extends Verdict {
  /** The longest from the bus being back, for both nodes, to the report of a loss. */
  reportMs: number
}

/** Runs a fault under traffic and asserts that the history is clean. */
export async function runFault(
  { run, lossless, lost, lingerMs = 5_000, args = [], warmMs = 2_500 }: Fault,
  seed: number,
  full: boolean,
): Promise<Outcome> {
  const world = await World.start({ lingerMs, args })
  try {
    const random = randomOf(seed)
    await world.join([...ROOMS])
    await traffic(world.nodes, random)
    await sleep(warmMs)
    await run(world, { random, full })
    const mended = clock()
    await world.allReady(20_000)
    await sleep(1_500)
    await Promise.all(world.nodes.map((node) => node.tell({ do: 'quiet' })))
    const verdict = await world.settle()
    expect(verdict.violations.slice(0, 10)).toEqual([])
    // As much is published as the rate says, else nothing was tried.
    expect(verdict.published).toBeGreaterThan(300)
    const gaps = world.logs.flatMap(({ name, records }) => {
      return records.filter(({ what }) => what === 'gap').map((gap) => JSON.stringify({ ...gap, to: name }))
    })
    if (lossless) expect(gaps).toEqual([])
    if (lost !== undefined) expect([verdict.lost, gaps.length]).toEqual(Array(2).fill(2 * lost(full)))
    const reportMs = slowestReport(world, mended)
    expect(reportMs).toBeLessThan(REPORT_MS)

    // Ending in order says nothing new and leaves nothing behind.
    const codes = await Promise.all(world.nodes.map((node) => node.terminate()))
    expect(codes).toEqual(codes.map(() => 0))
    expect(world.judge().gaps).toBe(verdict.gaps)
    expect(world.logs.map(({ complaints }) => complaints).join('')).toBe('')
    return { ...verdict, reportMs }
  } finally {
    await world.stop()
  }
}

async function join(world: World, node: NodeProcess): Promise<void> {
  await world.join([...ROOMS], [node])
  await traffic([node], randomOf(7))
}

async function traffic(nodes: NodeProcess[], random: () => number): Promise<void> {
  for (const node of nodes) {
    const seed = Math.floor(random() * 2 ** 32)
    await node.tell({ do: 'traffic', channels: [...ROOMS], perSecond: PER_NODE_AND_SECOND, seed })
  }
}

async function memory(world: World): Promise<number[]> {
  return Promise.all(world.nodes.map(async (node) => (await node.tell({ do: 'stats' })).rssBytes))
}

async function cpu(world: World): Promise<number[]> {
  return Promise.all(world.nodes.map(async (node) => (await node.tell({ do: 'stats' })).cpuMs))
}

async function invalid(node: NodeProcess): Promise<number> {
  return (await node.tell({ do: 'stats' })).bridge.invalid ?? 0
}

/** How long after the fault was mended, and both nodes were ready again, the last of its losses was reported. */
function slowestReport(world: World, mended: number): number {
  const readyAt = (name: string, before: number): number => {
    const log = world.logs.find((one) => one.name === name)
    const found = log?.records.findLast((one) => one.what === 'status' && one.status === 'ready' && one.at <= before)
    return found?.at ?? 0
  }
  let slowest = 0
  for (const log of world.logs) {
    for (const record of log.records) {
      if (record.what !== 'gap' || record.at < mended) continue
      const from = record.node === undefined ? undefined : world.spy.nameOf.get(record.node)
      const back = Math.max(mended, readyAt(log.name, record.at), from === undefined ? 0 : readyAt(from, record.at))
      slowest = Math.max(slowest, record.at - back)
    }
  }
  return slowest
}
