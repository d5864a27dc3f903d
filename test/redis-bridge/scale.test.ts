// How the cost grows with the nodes, as counts. `pnpm simulate` prints the table for up to a hundred nodes.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { txt } from '@roomcast/core'
import { createRedisBridge } from '@roomcast/redis-bridge'
import { describe, expect, test } from 'vitest'
import { BusNode } from '../../packages/redis-bridge/src/bus/bus-node.ts'
import { Positions } from '../../packages/redis-bridge/src/bus/positions.ts'
import { anyRedis, describeRedis, until } from '../support/redis.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { CountingRedis } from './sim/counting-redis.ts'
import { IDLE_MS, type Phase, runScale, type ScaleResult } from './sim/scale.ts'

const isFull = process.env.SIMULATE === 'full'
const NODES = isFull ? [1, 10, 30, 100] : [1, 3, 30]
const CHANNELS_PER_NODE = isFull ? 10_000 : 200

/** Each room is whole. */
const pairsOf = (nodes: number): number => {
  const perRoom = Math.min(3, nodes)
  return Math.round((nodes * CHANNELS_PER_NODE) / perRoom) * perRoom
}

const commands = ({ messages, marks, probes, asks }: Phase): number => messages + marks + probes + asks

const results = new Map<number, ScaleResult>()
function resultOf(nodes: number): ScaleResult {
  let found = results.get(nodes)
  if (found === undefined) {
    found = runScale({ nodes, channelsPerNode: CHANNELS_PER_NODE })
    results.set(nodes, found)
  }
  return found
}

describe.each(NODES)('%i nodes', (nodes) => {
  const pairs = pairsOf(nodes)

  test('a restart costs each (node, channel) 4 PUBLISH and 1 SUBSCRIBE at most, and all are ready again', () => {
    const { minute, restart } = resultOf(nodes)
    expect(minute.messages).toBe(pairs)
    expect(restart.reconnects).toBe(nodes)
    // Probes and asks are of nodes, not of channels.
    expect(minute.messages + minute.marks + restart.messages + restart.marks).toBeLessThanOrEqual(4 * pairs)
    expect(restart.subscriptions - 2 * nodes).toBeLessThanOrEqual(pairs)
    expect(restart.readyMs).toBeLessThan(isFull ? 20_000 : 5000)
    expect(restart.gaps).toBe(0)
  }, 1_800_000)

  test('idle, a node sends 1 command a second at most, and is sent as little', () => {
    const { idle } = resultOf(nodes)
    expect(commands(idle) / nodes / (IDLE_MS / 1000)).toBeLessThanOrEqual(1)
    expect(idle.deliveries / nodes / (IDLE_MS / 1000)).toBeLessThanOrEqual(1)
    expect(idle.marks).toBe(0)
  })

  test('a failover loses nothing unseen, and everybody comes back', () => {
    const { failover } = resultOf(nodes)
    expect(failover.reconnects).toBe(nodes)
    expect(failover.marks).toBeLessThanOrEqual(2 * pairs)
    expect(failover.overflows).toBe(0)
  })

  test('after more than a minute everybody says that it may have lost something, and nobody tells it again', () => {
    const { long } = resultOf(nodes)
    expect(long.reconnects).toBe(nodes)
    expect(long.gaps).toBe(pairs)
    expect(long.marks).toBe(0)
  })

  test('a node that freezes for 20 s costs the others nothing, and comes back without a gap', () => {
    const { freeze } = resultOf(nodes)
    expect(freeze).toMatchObject({ reconnects: 0, gaps: 0, overflows: 0, asks: 0 })
  })
})

test.runIf(isFull)('the table', () => {
  const rows = NODES.map((nodes) => {
    const { joining, minute, restart, idle, failover, freeze } = resultOf(nodes)
    const pairs = pairsOf(nodes)
    const publishes = minute.messages + minute.marks + restart.messages + restart.marks
    return [
      nodes,
      pairs.toLocaleString('en'),
      `${(joining.readyMs / 1000).toFixed(1)} s`,
      (publishes / pairs).toFixed(2),
      ((restart.subscriptions - 2 * nodes) / pairs).toFixed(2),
      `${(restart.readyMs / 1000).toFixed(1)} s`,
      `${(restart.bytes / 1e6).toFixed(0)} MB`,
      `${(failover.readyMs / 1000).toFixed(1)} s`,
      (commands(idle) / nodes / (IDLE_MS / 1000)).toFixed(2),
      (idle.deliveries / nodes / (IDLE_MS / 1000)).toFixed(2),
      `${freeze.reconnects} / ${freeze.gaps}`,
    ]
  })
  const head = [
    ...['nodes', '(node, channel) pairs', 'first ready after', 'PUBLISH per pair', 'SUBSCRIBE per pair'],
    ...['ready after a restart of 1 s', 'sent to nodes by it', 'ready after a failover of 8 s'],
    ...['idle: commands per node and s', 'deliveries per node and s', 'frozen 20 s: reconnects / gaps'],
  ]
  const line = (cells: readonly unknown[]): string => `| ${cells.join(' | ')} |`
  console.log([line(head), line(head.map(() => '---:')), ...rows.map(line)].join('\n'))
})

/** Bytes of the heap that `make` leaves, for each of `count`. */
function bytesEach(count: number, make: () => unknown): number {
  setFlagsFromString('--expose-gc')
  const gc: () => void = runInNewContext('gc')
  gc()
  const before = process.memoryUsage().heapUsed
  const made = make()
  gc()
  const bytes = (process.memoryUsage().heapUsed - before) / count
  return made === undefined ? Number.NaN : bytes
}

test.runIf(isFull)('memory of a node', () => {
  const count = 100_000
  const names = Array.from({ length: count }, (_, i) => `room ${i}`)
  const clock = new VirtualClock(1)
  const node = new BusNode({
    ...{ clock, lingerMs: 5000, newId: () => Buffer.alloc(8, 1), onLost: () => {} },
    transport: new CountingRedis(clock).transport({ frozenUntil: 0 }),
  })
  node.start({ deliver: () => {}, gap: () => {} })
  clock.advance(1000)
  const joined = bytesEach(count, () => {
    for (const name of names) node.join(name)
    clock.advance(20_000)
    return node
  })
  const hello = txt('hello')
  const published = bytesEach(count, () => {
    for (const name of names) node.publish(name, hello)
    clock.advance(100_000)
    return node
  })
  const positions = bytesEach(count, () => {
    const kept = new Positions(clock)
    const interest = { since: 0, cutEarly: false, ended: false }
    for (const name of names) kept.see(interest, name, '0123456789abcdef', 0, 1, 0)
    return kept
  })
  const each = [joined, published, positions].map((bytes) => Math.round(bytes))
  console.log(
    `bytes of heap: ${each[0]} for a joined channel, ${each[1]} for a published one, ${each[2]} for a position`,
  )
  // No more than is said of a full one.
  expect(Math.max(...each)).toBeLessThan(500)
  void node.close()
})

describeRedis('a real Redis on this machine', () => {
  test.runIf(isFull)(
    'messages per second from one node to another',
    async () => {
      const redis = await anyRedis()
      const options = { url: redis.url, prefix: `rate${Date.now()}` }
      const [from, to] = [createRedisBridge(options), createRedisBridge(options)]
      let got = 0
      from.start({ deliver: () => {}, gap: () => {} })
      to.start({ deliver: () => got++, gap: () => expect.fail('nothing may be lost') })
      const rooms = Array.from({ length: 100 }, (_, i) => `room ${i}`)
      for (const room of rooms) to.join(room)
      await until('both to be ready', () => from.status === 'ready' && to.status === 'ready')
      const message = txt('x'.repeat(100))
      const total = 200_000
      const began = performance.now()
      for (let sent = 0; sent < total; ) {
        // As many in a turn as a busy node has.
        for (let i = 0; i < 200; i++) expect(from.publish(rooms[sent++ % 100]!, message)).toBe(true)
        await new Promise((resolve) => setImmediate(resolve))
      }
      await until('all to be there', () => got === total)
      const perSecond = total / ((performance.now() - began) / 1000)
      console.log(`${Math.round(perSecond / 1000)},000 messages of 100 bytes a second, both nodes in one process`)
      await Promise.all([from.close(), to.close()])
      await redis.stop()
    },
    60_000,
  )
})
