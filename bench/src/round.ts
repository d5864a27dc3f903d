// One measurement: a fresh server on one core, a fresh load generator on another, two samples of both, and at the end the
// proof that nothing was lost.

import { ask, firstLine, LOAD_CORE, SERVER_CORE, startChild, stopChild } from './child.ts'
import type { LoadSample } from './load.ts'
import { scenarioNamed } from './scenarios.ts'
import type { ServerSample } from './servers/serve.ts'

/** The servers that can be measured: a file in servers/ each, in the order of the report. */
export const SERVERS = ['roomcast', 'ws'] as const

/** What one round of one server came to. */
export interface Round {
  deliveriesPerSecond: number
  serverCpuUsPerDelivery: number
  bytesPerDelivery: number
  bytesPerRead: number
  rssMiB: number
  serverCpuShare: number
  loadCpuShare: number
  /** Writes to the system for each socket and event-loop turn that had any. Only when counted. */
  writesPerSocketAndTurn?: number
}

const WARM_UP_MS = 1000

/** Measures one server once. Rejects when a message was lost, changed or out of order. */
export async function measure(
  server: string,
  scenario: string,
  options: { seconds: number; countWrites: boolean },
): Promise<Round> {
  const args = options.countWrites ? [scenario, '--count-writes'] : [scenario]
  const serverProcess = startChild(`./servers/${server}.js`, { args, core: SERVER_CORE })
  try {
    const { port } = JSON.parse(await firstLine(serverProcess)) as { port: number }
    const load = startChild('./load.js', { args: [scenario, String(port)], core: LOAD_CORE })
    const sample = (): Promise<[ServerSample, LoadSample]> =>
      Promise.all([ask<ServerSample>(serverProcess, 'sample'), ask<LoadSample>(load, 'sample')])
    try {
      await ask(load, 'start')
      await sleep(WARM_UP_MS)
      const before = await sample()
      await sleep(Math.max(options.seconds, scenarioNamed(scenario).leastSeconds ?? 0) * 1000)
      const after = await sample()
      await ask(load, 'finish')
      return compare(before, after)
    } finally {
      await stopChild(load)
    }
  } finally {
    await stopChild(serverProcess)
  }
}

/** The two processes answer at slightly different moments, so rates are compared, each by its own clock. */
function compare(before: [ServerSample, LoadSample], after: [ServerSample, LoadSample]): Round {
  const [server, load] = [delta(before[0], after[0]), delta(before[1], after[1])]
  const deliveriesPerSecond = (load.delivered / load.atMs) * 1000
  const serverCpuShare = server.cpuMs / server.atMs
  const round: Round = {
    deliveriesPerSecond,
    serverCpuUsPerDelivery: (serverCpuShare * 1e6) / deliveriesPerSecond,
    bytesPerDelivery: load.bytesIn / load.delivered,
    bytesPerRead: load.bytesIn / load.reads,
    rssMiB: after[0].rssBytes / 1024 ** 2,
    serverCpuShare,
    loadCpuShare: load.cpuMs / load.atMs,
  }
  if (server.writes && server.socketTurns) round.writesPerSocketAndTurn = server.writes / server.socketTurns
  return round
}

function delta<T extends object>(before: T, after: T): T {
  const earlier = before as Record<string, number>
  return Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - earlier[name]!])) as T
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
