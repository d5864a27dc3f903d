// One measurement: a fresh server on one core, a fresh load generator on another, two samples of both, and at the end the
// proof that nothing was lost.

import type { ChildProcess } from 'node:child_process'
import { ask, firstLine, LOAD_CORE, leaveChild, SERVER_CORE, startChild, stopChild } from './child.ts'
import type { LoadResult, LoadSample } from './load.ts'
import { runtimeOf, type SubjectName } from './peers.ts'
import { scenarioNamed } from './scenarios.ts'
import type { ServerSample } from './servers/serve.ts'

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
  /** Of the sockets beside the room, where there are any. */
  echoMedianMs?: number
  echoP99Ms?: number
  echoWorstMs?: number
  /** The longest time in which their load generator did not look. */
  probeDelayMs?: number
  /** From when to when it was measured, by the system's clock that only goes forward. Only when profiled. */
  fromUs?: number
  toUs?: number
}

/** Before anything is measured. */
export const WARM_UP_MS = 1000

/** How to measure. */
export interface MeasureOptions {
  seconds: number
  countWrites: boolean
  /** Where to write a CPU profile of the server, from its start to its end. */
  profile?: { folder: string; file: string }
  /** Fewer than the scenario's, where the system has no more. */
  sockets?: number
}

/** Starts a server.
 * @returns its process and its port. */
export async function startServer(
  server: SubjectName,
  args: string[],
  runtimeArgs: string[] = [],
): Promise<{ process: ChildProcess; port: number }> {
  const process = startChild(`./servers/${server}.js`, {
    args,
    core: SERVER_CORE,
    runtime: runtimeOf(server),
    runtimeArgs,
  })
  try {
    return { process, ...(JSON.parse(await firstLine(process)) as { port: number }) }
  } catch (error) {
    await stopChild(process)
    throw error
  }
}

/** Measures one server once. Rejects when a message was lost, changed or out of order. */
export async function measure(server: SubjectName, name: string, options: MeasureOptions): Promise<Round> {
  const scenario = scenarioNamed(name)
  const { profile } = options
  const profileArgs = profile && ['--cpu-prof', `--cpu-prof-dir=${profile.folder}`, `--cpu-prof-name=${profile.file}`]
  const args = options.countWrites ? [name, '--count-writes'] : [name]
  const started = await startServer(server, args, profileArgs)
  const loads: ChildProcess[] = []
  const startLoad = async (part: string, sockets?: number): Promise<ChildProcess> => {
    const args = [server, part, String(started.port), ...(sockets === undefined ? [] : [String(sockets)])]
    const child = startChild('./load.js', { args, core: LOAD_CORE })
    loads.push(child)
    await ask(child, 'start')
    return child
  }
  try {
    const load = await startLoad(name, options.sockets)
    const beside = scenario.beside && (await startLoad(scenario.beside))
    const sample = (): Promise<[ServerSample, LoadSample]> =>
      Promise.all([ask<ServerSample>(started.process, 'sample'), ask<LoadSample>(load, 'sample')])
    await sleep(WARM_UP_MS)
    const from = nowUs()
    const before = await sample()
    if (beside) await ask(beside, 'resetRoundTrips')
    await sleep(Math.max(options.seconds, scenario.leastSeconds ?? 0) * 1000)
    const after = await sample()
    const to = nowUs()
    const echo = beside && (await ask<LoadResult>(beside, 'finish')).roundTripMs
    await ask(load, 'finish')
    if (profile) await leaveChild(started.process)
    const round = compare(before, after)
    if (profile) Object.assign(round, { fromUs: from, toUs: to })
    if (!echo) return round
    const { median, p99, worst, ownDelay } = echo
    return { ...round, echoMedianMs: median, echoP99Ms: p99, echoWorstMs: worst, probeDelayMs: ownDelay }
  } finally {
    // The server first: the side that closes keeps the pair of ports for a minute, and a client's are scarce.
    for (const child of [started.process, ...loads]) await stopChild(child)
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

/** Resolves later. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function nowUs(): number {
  return Number(process.hrtime.bigint() / 1000n)
}
