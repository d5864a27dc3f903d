// How the cost grows with the nodes, as counts. `pnpm simulate` prints the table for up to a hundred nodes.

import { describe, expect, test } from 'vitest'
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
  }, 600_000)

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
