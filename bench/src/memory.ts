// What an idle socket holds and what its handshake costs: a server gets sockets that say nothing, and what its process has
// more of afterwards, with the garbage collected, is divided by them. Sockets were connected before, so that what is made
// once, and most of what grows by doubling, is there already.

import type { ChildProcess } from 'node:child_process'
import { ask, LOAD_CORE, startChild, stopChild } from './child.ts'
import type { SubjectName } from './peers.ts'
import { failuresOf, OURS, ratio, type Series, spread, type Table, timesText } from './report.ts'
import { startServer } from './round.ts'
import { type PartName, scenarioNamed } from './scenarios.ts'
import type { Held, ServerSample } from './servers/serve.ts'

/** What one socket more costs a server's process. */
export interface Idle extends Held {
  handshakeCpuUs: number
  handshakesPerSecond: number
}

/** Measures one server once, in a new process: sockets of one part of a scenario, then those of another. */
export async function measureIdle(server: SubjectName, first: PartName, then: PartName): Promise<Idle> {
  const runtimeArgs = server === 'bun' ? [] : ['--expose-gc']
  const started = await startServer(server, [then], runtimeArgs)
  const loads: ChildProcess[] = []
  const connectAll = async (part: PartName): Promise<void> => {
    const load = startChild('./load.js', { args: [server, part, String(started.port)], core: LOAD_CORE })
    loads.push(load)
    await ask(load, 'start')
  }
  const look = async (): Promise<Held & ServerSample> => {
    const sample = await ask<ServerSample>(started.process, 'sample')
    return { ...sample, ...(await ask<Held>(started.process, 'held')) }
  }
  try {
    await connectAll(first)
    const before = await look()
    const cpu = await ask<ServerSample>(started.process, 'sample')
    await connectAll(then)
    const after = await look()
    // A socket that was closed meanwhile fails the run.
    for (const load of loads) await ask(load, 'finish')
    const { sockets } = scenarioNamed(then)
    return {
      heapBytes: (after.heapBytes - before.heapBytes) / sockets,
      externalBytes: (after.externalBytes - before.externalBytes) / sockets,
      rssBytes: (after.rssBytes - before.rssBytes) / sockets,
      handshakeCpuUs: ((after.cpuMs - cpu.cpuMs) * 1000) / sockets,
      handshakesPerSecond: (sockets * 1000) / (after.atMs - cpu.atMs),
    }
  } finally {
    // The server first: the side that closes keeps the pair of ports for a minute, and a client's are scarce.
    for (const child of [started.process, ...loads]) await stopChild(child)
  }
}

const KIB = 1 / 1024

/** What idle sockets hold. `about` says how many. */
export function memoryTable(name: string, about: string, all: readonly Series<Idle>[]): Table {
  const heads = ['server', 'RSS KiB', 'heap KiB', 'outside it KiB', 'heap + outside KiB', `RSS, of ${OURS}'s`]
  const ours = all.find(({ server }) => server === OURS)
  const lines = all.map((series) => {
    const cell = (figure: (idle: Idle) => number): string => spread(series.rounds.map(figure), KIB, 2)
    return [
      series.server,
      cell(({ rssBytes }) => rssBytes),
      cell(({ heapBytes }) => heapBytes),
      cell(({ externalBytes }) => externalBytes),
      cell(inUse),
      timesText(ours && ratio(series, ours, ({ rssBytes }) => rssBytes)),
    ]
  })
  return { name, about, lines: [heads, ...lines], notes: failuresOf(all) }
}

/** How much an idle socket with compression holds against one without. */
export function compressionNote(plain: readonly Series<Idle>[], agreed: readonly Series<Idle>[]): string {
  const ratios = plain.map((series, i) => {
    return `${series.server}: ${timesText(ratio(agreed[i]!, series, inUse))}`
  })
  return `compression agreed / off, heap + outside: ${ratios.join(', ')}`
}

/** What handshakes cost. */
export function connectTable(about: string, all: readonly Series<Idle>[]): Table {
  const heads = ['server', 'server CPU µs/handshake', 'handshakes/s', `${OURS} ×, by CPU`]
  const ours = all.find(({ server }) => server === OURS)
  const lines = all.map((series) => [
    series.server,
    spread(
      series.rounds.map((idle) => idle.handshakeCpuUs),
      1,
      1,
    ),
    spread(
      series.rounds.map((idle) => idle.handshakesPerSecond),
      1,
      0,
    ),
    series === ours ? '-' : timesText(ours && ratio(series, ours, (idle) => idle.handshakeCpuUs)),
  ])
  return { name: 'connect', about, lines: [heads, ...lines], notes: failuresOf(all) }
}

function inUse({ heapBytes, externalBytes }: Held): number {
  return heapBytes + externalBytes
}
