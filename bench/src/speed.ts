// The figures that README and chart show: what `bench --json` printed, come down to two medians for each server and scenario.

import { type Machine, machineLine } from './machine.ts'
import { medianOf, OURS, ratio, type Series } from './report.ts'
import type { Round } from './round.ts'

/** What one delivery costs a server. */
interface Cost {
  /** CPU time of the server's process, in µs: the median of the rounds. */
  cpuUs: number
  /** How many times Roomcast's that is: each round by the one next to it, then the median. */
  times?: number
}

/** `bench/speed.json`. */
export interface Speed {
  /** Where it was measured, as a reader is told. */
  machine: string
  rounds: number
  /** Scenario → server → cost. */
  scenarios: Record<string, Record<string, Cost>>
}

/** What `bench --json` prints, as far as it is used here. */
export interface Report {
  machine: Machine
  rounds: number
  results: Record<string, Series<Partial<Round>>[]>
}

/** Scenarios of a chart and a table, in their order, in words. What else was measured is left out. */
export const SHOWN: Readonly<Record<string, string>> = {
  busy: '500 members, 16 messages under way',
  quiet: '500 members, 1 under way',
  rooms: '100 rooms of 10',
  'echo-deep': 'echo, 50 sockets × 32',
  'echo-wide': 'echo, 200 sockets × 1',
  'deflate-1k': 'busy, 1 KiB of JSON, compressed',
  'deflate-4k': 'busy, 4 KiB of JSON, compressed',
  'plain-4k': 'busy, 4 KiB of text, plain',
  tls: 'busy, over TLS',
}

/** Servers in the order of their columns. */
export const PEOPLE_CALL: Readonly<Record<string, string>> = {
  roomcast: 'Roomcast',
  ws: 'ws',
  uwebsockets: 'uWebSockets.js',
  'socket.io': 'Socket.IO',
}

/** Reports of one machine → their medians. Where two have measured the same scenario, the later one counts.
 * @throws RangeError for none, for reports of different machines or rounds, and for a scenario without Roomcast. */
export function speedOf(reports: readonly Report[]): Speed {
  const [first] = reports
  if (!first) throw new RangeError('no report to take figures from')
  const { rounds } = first
  const machine = machineLine(first.machine)
  const results: Report['results'] = {}
  for (const report of reports) {
    if (machineLine(report.machine) !== machine || report.rounds !== rounds) {
      throw new RangeError(`reports of different machines or rounds: ${machine}; ${machineLine(report.machine)}`)
    }
    Object.assign(results, report.results)
  }
  const scenarios = Object.keys(SHOWN).flatMap((name) => (results[name] ? [[name, costsOf(name, results[name])]] : []))
  return { machine, rounds, scenarios: Object.fromEntries(scenarios) }
}

function costsOf(name: string, all: Series<Partial<Round>>[]): Record<string, Cost> {
  const figure = (round: Partial<Round>): number | undefined => round.serverCpuUsPerDelivery
  const ours = all.find(({ server }) => server === OURS)
  if (!ours) throw new RangeError(`${name} was measured without ${OURS}`)
  const costs: Record<string, Cost> = {}
  for (const series of all) {
    const values = series.rounds.map(figure).filter((value) => value !== undefined)
    if (!(series.server in PEOPLE_CALL) || values.length === 0) continue
    const times = series === ours ? undefined : ratio(series, ours, figure)
    costs[series.server] = {
      cpuUs: rounded(medianOf(values), 2),
      ...(times !== undefined && { times: Number(times.toPrecision(3)) }),
    }
  }
  return costs
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))

/** The table of a README: its rows, each of cells. */
export function speedRows({ scenarios }: Speed): string[][] {
  return Object.entries(scenarios).map(([name, costs]) => [
    `${SHOWN[name]} (\`${name}\`)`,
    ...Object.keys(PEOPLE_CALL).map((server) => costText(costs[server])),
  ])
}

function costText(cost: Cost | undefined): string {
  if (!cost) return '-'
  const digits = cost.cpuUs < 100 ? 2 : 1
  return `${cost.cpuUs.toFixed(digits)} µs${cost.times === undefined ? '' : `, ${timesCell(cost.times)} ×`}`
}

/** Three digits that count. */
export function timesCell(times: number): string {
  return times.toFixed(times < 10 ? 2 : times < 100 ? 1 : 0)
}
