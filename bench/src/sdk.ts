// Roomcast and Centrifugo with the same clients, in JSON, each on one core. What a server used is read from the system, for
// both in the same way.

import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { BEFORE } from './before.ts'
import { startCentrifugo } from './centrifugo.ts'
import { ask, firstLine, LOAD_CORE, SERVER_CORE, startChild, stopChild } from './child.ts'
import { failuresOf, OURS, ratio, type Series, spread, type Table, timesText } from './report.ts'
import { sleep, WARM_UP_MS } from './round.ts'
import type { SdkLoadSample } from './sdk-load.ts'
import { RECOVERED_ROOM, SDK_SCENARIOS, type SdkScenario, type SdkScenarioName } from './sdk-scenarios.ts'

export type SdkServer = typeof OURS | typeof BEFORE | 'centrifugo'

const SERVER_FILES = { [OURS]: './servers/sdk.js', [BEFORE]: './servers/sdk-before.js' } as const

/** One round of one server. */
export interface SdkRound {
  /** Of the server, for each delivery, or for each client that came in. */
  cpuUs: number
  perSecond: number
  serverCpuShare: number
  loadCpuShare: number
  rssMiB: number
  /** What a client that is connected and subscribed holds, of the process's memory. Only where none publishes. */
  kibPerClient?: number
}

/** So often everybody comes in, and goes, before it is measured. */
const WARM_UPS = 3

/** So long after that the server has let go of those who went. */
const SETTLE_MS = 1000

interface Used {
  cpuMs: number
  rssBytes: number
  atMs: number
}

/** Measures one server once, in a new process. */
export async function measureSdk(server: SdkServer, name: SdkScenarioName, seconds: number): Promise<SdkRound> {
  const scenario: SdkScenario = SDK_SCENARIOS[name]
  const room = scenario.recovers ? RECOVERED_ROOM : 'room'
  const started = await (server === 'centrifugo' ? startCentrifugo(room) : startNode(SERVER_FILES[server]))
  const load = startChild('./sdk-load.js', { args: [name, String(started.port)], core: LOAD_CORE })
  try {
    await ask(load, 'prepare')
    const used = (): Used => usedBy(started.process.pid!)
    const collect = (): Promise<unknown> => (server === 'centrifugo' ? sleep(1000) : ask(started.process, 'held'))
    if (scenario.publishers > 0) {
      await ask(load, 'connect')
      await ask(load, 'publish')
      await sleep(WARM_UP_MS)
      const before = [used(), await ask<SdkLoadSample>(load, 'sample')] as const
      await sleep(seconds * 1000)
      const after = [used(), await ask<SdkLoadSample>(load, 'sample')] as const
      await ask(load, 'finish')
      return roundOf(before, after, after[1].delivered - before[1].delivered)
    }
    // What runs for the first time is not what is measured.
    for (let i = 0; i < WARM_UPS; i++) {
      await ask(load, 'connect')
      await ask(load, 'leave')
    }
    await sleep(SETTLE_MS)
    const before = [used(), await ask<SdkLoadSample>(load, 'sample')] as const
    await ask(load, 'connect')
    const after = [used(), await ask<SdkLoadSample>(load, 'sample')] as const
    const round = roundOf(before, after, scenario.clients)
    // Memory by itself: a collection that is forced while nobody is connected makes V8 forget its machine code too.
    await ask(load, 'leave')
    await collect()
    const { rssBytes } = used()
    await ask(load, 'connect')
    await collect()
    return { ...round, kibPerClient: (used().rssBytes - rssBytes) / 1024 / scenario.clients }
  } finally {
    // The server first: the side that closes keeps the pair of ports for a minute, and a client's are scarce.
    await stopChild(started.process)
    await stopChild(load)
  }
}

async function startNode(file: string): Promise<{ process: ChildProcess; port: number }> {
  const process = startChild(file, { args: [], core: SERVER_CORE, runtimeArgs: ['--expose-gc'] })
  return { process, ...(JSON.parse(await firstLine(process)) as { port: number }) }
}

type Both = readonly [Used, SdkLoadSample]

function roundOf(before: Both, after: Both, count: number): SdkRound {
  const [cpuMs, ms] = [after[0].cpuMs - before[0].cpuMs, after[0].atMs - before[0].atMs]
  return {
    cpuUs: (cpuMs * 1000) / count,
    perSecond: (count * 1000) / ms,
    serverCpuShare: cpuMs / ms,
    loadCpuShare: (after[1].cpuMs - before[1].cpuMs) / (after[1].atMs - before[1].atMs),
    rssMiB: after[0].rssBytes / 1024 ** 2,
  }
}

/** The system counts in hundredths of a second. */
const TICK_MS = 10
const PAGE_BYTES = 4096

/** What a process has used so far. */
function usedBy(pid: number): Used {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // The name, in brackets, may have spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [user, system, pages] = [11, 12, 21].map((i) => Number(fields[i])) as [number, number, number]
  return { cpuMs: (user + system) * TICK_MS, rssBytes: pages * PAGE_BYTES, atMs: performance.now() }
}

/** A table of one scenario. @param missing why a server has no figures. */
export function sdkTable(
  name: SdkScenarioName,
  rounds: string,
  all: readonly Series<SdkRound>[],
  missing?: string,
): Table {
  const { about, publishers, aim }: SdkScenario = SDK_SCENARIOS[name]
  const ours = all.find(({ server }) => server === OURS)
  const what = publishers > 0 ? 'delivery' : 'client'
  const hasMemory = publishers === 0
  const heads = ['server', `CPU µs/${what}`, `${OURS} ×, by CPU`, publishers > 0 ? 'k deliveries/s' : 'clients/s']
  heads.push('server CPU %', 'load CPU %', 'RSS MiB', ...(hasMemory ? ['KiB/idle client'] : []))
  const lines = all.map((series) => {
    const cell = (figure: (round: SdkRound) => number | undefined, scale: number, digits: number): string =>
      spread(
        series.rounds.map(figure).filter((value) => value !== undefined),
        scale,
        digits,
      )
    const scale = publishers > 0 ? 1e-3 : 1
    return [
      series.server,
      cell(({ cpuUs }) => cpuUs, 1, 2),
      series === ours ? '-' : timesText(ours && ratio(series, ours, ({ cpuUs }) => cpuUs)),
      cell(({ perSecond }) => perSecond, scale, 0),
      cell(({ serverCpuShare }) => serverCpuShare, 100, 0),
      cell(({ loadCpuShare }) => loadCpuShare, 100, 0),
      cell(({ rssMiB }) => rssMiB, 1, 0),
      ...(hasMemory ? [cell(({ kibPerClient }) => kibPerClient, 1, 1)] : []),
    ]
  })
  if (missing !== undefined) lines.push(['centrifugo', missing, ...heads.slice(2).map(() => '-')])
  const notes = [...failuresOf(all)]
  const theirs = all.find(({ server }) => server === 'centrifugo')
  const times = theirs && ours && ratio(theirs, ours, ({ cpuUs }) => cpuUs)
  if (times !== undefined) {
    notes.push(
      `Centrifugo's CPU ÷ ours: ${timesText(times)}, at least ${timesText(aim)} wanted: ${times >= aim ? 'ok' : 'NOT MET'}`,
    )
  }
  return { name: `sdk ${name}`, about: `${about} (${rounds})`, lines: [heads, ...lines], notes }
}
