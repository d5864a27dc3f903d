// What numbers and histories cost: a busy room in memory with and without, two nodes over one Redis beside Socket.IO's
// adapter of streams, and many members that come back at the same moment.

import type { ChildProcess } from 'node:child_process'
import { ask, LOAD_CORE, startChild, stopChild } from './child.ts'
import type { SubjectName } from './peers.ts'
import { failuresOf, ratio, type Series, spread, type Table, timesText } from './report.ts'
import { type Round, startServer } from './round.ts'
import { COMING_BACK, type ComingBack } from './servers/engine.ts'

/** Rooms of the engine without and with a history, in memory. */
export const ENGINE = ['rooms-plain', 'rooms-history'] as const satisfies readonly SubjectName[]
/** Over Redis. */
export const STREAMED = ['rooms-history', 'socket.io-streams'] as const satisfies readonly SubjectName[]

/** A ratio of two figures of a noisy machine needs so many rounds. */
export const LEAST_ROUNDS = 9
/** A numbered room may cost so many times an unnumbered one. */
const MOST_TIMES = 1.25

/** How many times an unnumbered room's the cost of a numbered one is, in CPU for each delivery. */
function numberedTimes(all: readonly Series<Round>[]): number | undefined {
  const [plain, numbered] = ENGINE.map((name) => all.find(({ server }) => server === name))
  return plain && numbered && ratio(numbered, plain, ({ serverCpuUsPerDelivery }) => serverCpuUsPerDelivery)
}

/** 1,000 sockets come back to a room of one server, once, in a new process. */
export async function measureComingBack(server: SubjectName): Promise<ComingBack> {
  const started = await startServer(server, ['idle-2k'])
  let load: ChildProcess | undefined
  try {
    load = startChild('./load.js', { args: [server, 'idle-2k', String(started.port)], core: LOAD_CORE })
    await ask(load, 'start')
    // What they are sent now is no message: the load generator is not asked again.
    return await ask<ComingBack>(started.process, 'comeBack')
  } finally {
    await stopChild(started.process)
    if (load) await stopChild(load)
  }
}

/** What it came to. */
export function comingBackTable(rounds: number, all: readonly Series<ComingBack>[]): Table {
  const { members, missed } = COMING_BACK
  const about = `${members.toLocaleString('en')} members come back at once and missed ${missed} (${rounds} rounds)`
  const heads = [
    'server',
    'bodies made',
    'reads of the store',
    'ms to the last reply',
    'worst delay of the event loop, ms',
  ]
  const lines = all.map((series) => {
    const cell = (figure: keyof ComingBack, digits: number): string =>
      spread(
        series.rounds.map((round) => round[figure]),
        1,
        digits,
      )
    return [series.server, cell('bodies', 0), cell('reads', 0), cell('tookMs', 1), cell('worstDelayMs', 1)]
  })
  return { name: 'history, coming back', about, lines: [heads, ...lines], notes: failuresOf(all) }
}

/** One line under the table of the busy room. */
export function numberedLine(all: readonly Series<Round>[]): { line: string; isEnough: boolean } {
  const times = numberedTimes(all)
  const isEnough = times !== undefined && times <= MOST_TIMES
  const verdict = isEnough ? 'ok' : 'TOO SLOW'
  return {
    line: `history: ${timesText(times)} × a room without, by CPU, at most ${MOST_TIMES} wanted: ${verdict}`,
    isEnough,
  }
}
