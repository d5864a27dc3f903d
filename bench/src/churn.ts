// Joins and leaves in memory, and what it costs to close a socket that is in many channels.

import { ask, LOAD_CORE, startChild, stopChild } from './child.ts'
import type { SubjectName } from './peers.ts'
import { failuresOf, OURS, ratio, type Series, spread, type Table, timesText } from './report.ts'
import { startServer } from './round.ts'
import type { CloseCosts } from './servers/close-costs.ts'

/** One round of one server. */
export interface Churn {
  /** Joins and leaves in a second of CPU time. */
  perSecond: number
  /** Roomcast's alone: CPU µs to close a socket in no channel, in 100 beside 1,000 others, in 100 beside 100,000. */
  closeUs?: CloseCosts
}

/** Measures one server once, in a new process with 2,000 idle sockets. */
export async function measureChurn(server: SubjectName): Promise<Churn> {
  const started = await startServer(server, ['idle-2k'], server === OURS ? ['--expose-gc'] : [])
  const load = startChild('./load.js', { args: [server, 'idle-2k', String(started.port)], core: LOAD_CORE })
  try {
    await ask(load, 'start')
    const perSecond = await ask<number>(started.process, 'churn')
    await ask(load, 'finish')
    if (server !== OURS) return { perSecond }
    return { perSecond, closeUs: await ask<CloseCosts>(started.process, 'closeCosts') }
  } finally {
    await stopChild(started.process)
    await stopChild(load)
  }
}

/** Joins and leaves as a table; closing as a note. */
export function churnTable(about: string, all: readonly Series<Churn>[]): Table {
  const ours = all.find(({ server }) => server === OURS)
  const heads = ['server', 'M joins + leaves/s of CPU', `${OURS} ×`]
  const lines = all.map((series) => [
    series.server,
    spread(
      series.rounds.map(({ perSecond }) => perSecond),
      1e-6,
      2,
    ),
    series === ours ? '-' : timesText(ours && ratio(ours, series, ({ perSecond }) => perSecond)),
  ])
  const close = (figure: keyof CloseCosts): string =>
    spread(ours?.rounds.flatMap(({ closeUs }) => closeUs?.[figure] ?? []) ?? [], 1, 1)
  const notes = [
    `closing a socket of ${OURS}, CPU µs: in no channel ${close('none')}; in 100 channels beside 1,000 others ` +
      `${close('few')}, beside 100,000 others ${close('many')}`,
  ]
  return { name: 'churn', about, lines: [heads, ...lines], notes: [...(ours ? notes : []), ...failuresOf(all)] }
}
