// Rounds → a table: the median of each figure, its range, and how servers compare.

import type { Round } from './round.ts'

/** The rounds of one server, in the order they ran. */
export interface Series {
  server: string
  rounds: Round[]
}

/** How many times the deliveries per second of `base` a server reaches: the median over the rounds, each compared with
 * the base's round beside it. */
export function ratio(series: Series, base: Series): number {
  return median(series.rounds.map((round, i) => round.deliveriesPerSecond / base.rounds[i]!.deliveriesPerSecond))
}

/** A plain text table, one line a server. `base` is the server the others are compared with. */
export function table(all: Series[], base: Series | undefined): string {
  const isCounted = all.some(({ rounds }) => rounds.some((round) => round.writesPerSocketAndTurn !== undefined))
  const heads = ['server', 'k deliveries/s', 'server CPU µs/delivery', `× ${base?.server ?? '-'}`]
  heads.push('B/delivery', 'B/read', 'RSS MiB', 'server CPU %', 'load CPU %')
  if (isCounted) heads.push('writes/socket and turn')
  const lines = all.map((series) => {
    const cell = (figure: keyof Round, scale: number, digits: number): string => show(series, figure, scale, digits)
    const cells = [series.server, cell('deliveriesPerSecond', 1e-3, 0), cell('serverCpuUsPerDelivery', 1, 2)]
    cells.push(base ? ratio(series, base).toFixed(1) : '-')
    cells.push(cell('bytesPerDelivery', 1, 1), cell('bytesPerRead', 1, 0), cell('rssMiB', 1, 0))
    cells.push(cell('serverCpuShare', 100, 0), cell('loadCpuShare', 100, 0))
    if (isCounted) cells.push(cell('writesPerSocketAndTurn', 1, 3))
    return cells
  })
  return align([heads, ...lines])
}

/** Lines of cells → text with its columns below each other. */
export function align(lines: string[][]): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  return lines
    .map((line) =>
      line
        .map((text, i) => text.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function show(series: Series, figure: keyof Round, scale: number, digits: number): string {
  const values = series.rounds.map((round) => round[figure]).filter((value) => value !== undefined)
  return spread(values, scale, digits)
}

/** The median of some figures, and their range. */
export function spread(values: number[], scale: number, digits: number): string {
  if (values.length === 0) return '-'
  const text = (value: number): string => (value * scale).toFixed(digits)
  const [low, high] = [text(Math.min(...values)), text(Math.max(...values))]
  return text(median(values)) + (low === high ? '' : ` (${low}–${high})`)
}

/** The middle one. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
