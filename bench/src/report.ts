// Rounds → tables: the median of each figure, its range, and how Roomcast compares. A table is text for a terminal or
// Markdown for a README.

import type { Round } from './round.ts'

/** The rounds of one server, in the order they ran. */
export interface Series<Figures = Round> {
  server: string
  rounds: Figures[]
  /** Why it has no more rounds. */
  failure?: string
}

/** One table of the report. */
export interface Table {
  name: string
  about: string
  /** The first line is the heads. */
  lines: string[][]
  notes: string[]
}

/** The server that the others are compared with. */
export const OURS = 'roomcast'

/** How many times of a peer's figure ours is, or the other way round: the median over the rounds, each compared with the
 * round beside it. Undefined where there is nothing to compare. */
export function ratio<Figures>(
  dividend: Series<Figures>,
  divisor: Series<Figures>,
  figure: (round: Figures) => number | undefined,
): number | undefined {
  const ratios: number[] = []
  for (const [i, round] of dividend.rounds.entries()) {
    const [above, below] = [figure(round), divisor.rounds[i] && figure(divisor.rounds[i])]
    if (above !== undefined && below !== undefined && below > 0) ratios.push(above / below)
  }
  return ratios.length === 0 ? undefined : medianOf(ratios)
}

/** A column: its head and how a server's rounds become its cell. */
interface Column {
  head: string
  cell: (series: Series) => string
}

/** The table of a scenario with deliveries.
 * @param base the server that the others are compared with. */
export function trafficTable(name: string, about: string, all: readonly Series[], base: string = OURS): Table {
  const has = (figure: keyof Round): boolean =>
    all.some(({ rounds }) => rounds.some((round) => round[figure] !== undefined))
  const ours = all.find(({ server }) => server === base)
  const column = (head: string, figure: keyof Round, scale: number, digits: number): Column => ({
    head,
    cell: ({ rounds }) => spread(figuresOf(rounds, figure), scale, digits),
  })
  const times = (head: string, compare: (series: Series, base: Series) => number | undefined): Column => ({
    head,
    cell: (series) => (ours && series !== ours ? timesText(compare(series, ours)) : '-'),
  })
  const isPaced = has('echoWorstMs')
  const columns: Column[] = [
    { head: 'server', cell: ({ server }) => server },
    column('k deliveries/s', 'deliveriesPerSecond', 1e-3, 0),
    column('server CPU µs/delivery', 'serverCpuUsPerDelivery', 1, 2),
    ...(isPaced
      ? [
          column('echo median ms', 'echoMedianMs', 1, 1),
          column('echo p99 ms', 'echoP99Ms', 1, 1),
          column('echo worst ms', 'echoWorstMs', 1, 1),
          column("load's own worst delay ms", 'probeDelayMs', 1, 1),
        ]
      : [
          times(`${base} ×, by CPU`, (series, first) => ratio(series, first, (round) => round.serverCpuUsPerDelivery)),
          times(`${base} ×, by rate`, (series, first) => ratio(first, series, (round) => round.deliveriesPerSecond)),
        ]),
    column('B/delivery', 'bytesPerDelivery', 1, 1),
    column('B/read', 'bytesPerRead', 1, 0),
    column('RSS MiB', 'rssMiB', 1, 0),
    column('server CPU %', 'serverCpuShare', 100, 0),
    column('load CPU %', 'loadCpuShare', 100, 0),
  ]
  if (has('writesPerSocketAndTurn')) columns.push(column('writes/socket and turn', 'writesPerSocketAndTurn', 1, 3))
  return tableOf(name, about, columns, all)
}

/** Columns and servers → a table; what failed is told under it. */
function tableOf(name: string, about: string, columns: Column[], all: readonly Series[]): Table {
  const lines = [columns.map(({ head }) => head), ...all.map((series) => columns.map(({ cell }) => cell(series)))]
  return { name, about, lines, notes: failuresOf(all) }
}

/** One line for each server that failed. */
export function failuresOf(all: readonly Series<unknown>[]): string[] {
  return all.flatMap(({ server, failure }) => (failure === undefined ? [] : [`${server} FAILED: ${failure}`]))
}

/** A table as text, its columns below each other. */
export function asText({ name, about, lines, notes }: Table): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  const rows = lines.map((line) =>
    line
      .map((text, i) => text.padEnd(widths[i]!))
      .join('  ')
      .trimEnd(),
  )
  return [`${name}: ${about}`, ...rows, ...notes].join('\n')
}

/** A table as Markdown. */
export function asMarkdown({ name, about, lines, notes }: Table): string {
  const [heads, ...rows] = lines.map((line) => `| ${line.join(' | ')} |`)
  const rule = `|${lines[0]!.map((_, i) => (i === 0 ? ' --- |' : ' ---: |')).join('')}`
  return [`\`${name}\`: ${about}`, '', heads, rule, ...rows, ...notes.flatMap((note) => ['', note])].join('\n')
}

/** A ratio as text. */
export function timesText(value: number | undefined): string {
  return value === undefined ? '-' : value.toFixed(value < 10 ? 2 : 1)
}

/** What the rounds have of one figure. */
function figuresOf(rounds: readonly Round[], figure: keyof Round): number[] {
  return rounds.map((round) => round[figure]).filter((value) => value !== undefined)
}

/** The median of some figures, and their range. */
export function spread(values: readonly number[], scale: number, digits: number): string {
  if (values.length === 0) return '-'
  const text = (value: number): string => (value * scale).toFixed(digits)
  const [low, high] = [text(Math.min(...values)), text(Math.max(...values))]
  return text(medianOf(values)) + (low === high ? '' : ` [${low}–${high}]`)
}

/** The middle one. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
