// Draws the figures of speed.json as one picture: a row for each scenario, a mark for each server, further left is better.
// The scale is logarithmic, so there are marks and no bars: a bar's length would tell a proportion that is not there.

import { BASE } from './options.ts'
import { PEOPLE_CALL, SHOWN, type Speed, timesCell } from './speed.ts'

/** Which page it stands on. */
export type Theme = 'light' | 'dark'

interface Ink {
  text: string
  muted: string
  line: string
  /** Of the marks, by server: colours that people who see few colours tell apart, too; shapes differ as well. */
  marks: Record<string, string>
}

const INK: Record<Theme, Ink> = {
  light: {
    text: '#1f2328',
    muted: '#59636e',
    line: '#d1d9e0',
    marks: { roomcast: '#0a6b64', ws: '#b45309', uwebsockets: '#1d4ed8', 'socket.io': '#86198f' },
  },
  dark: {
    text: '#f0f6fc',
    muted: '#9198a1',
    line: '#3d444d',
    marks: { roomcast: '#5fd3c4', ws: '#f0a35e', uwebsockets: '#82aaff', 'socket.io': '#e39bea' },
  },
}

const WIDTH = 820
const LABELS = 300
const PLOT_END = 730
const TOP = 92
const ROW = 34
const MARGIN = 16
/** Of the axis, in µs. */
const [LEAST_US, MOST_US] = [0.5, 150] as const
const TICKS_US = [0.5, 1, 2, 5, 10, 20, 50, 100]

/** An SVG picture, with a text for those who do not see it. */
export function drawChart({ machine, scenarios }: Speed, theme: Theme): string {
  const ink = INK[theme]
  const rows = Object.entries(scenarios)
  const bottom = TOP + rows.length * ROW
  const height = bottom + 64
  const described = rows.map(([name, costs]) => {
    const values = Object.keys(PEOPLE_CALL).flatMap((server) =>
      costs[server] ? [`${PEOPLE_CALL[server]} ${costs[server].cpuUs} µs`] : [],
    )
    return `${SHOWN[name]}: ${values.join(', ')}.`
  })
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title described" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif" font-size="13">`,
    '<title id="title">CPU time of the server for each message delivered</title>',
    `<desc id="described">${escaped(described.join(' '))}</desc>`,
    text(MARGIN, 24, 'CPU time of the server for each message delivered', ink.text, 'font-size="16" font-weight="600"'),
    text(MARGIN, 44, 'µs, logarithmic: further left is better', ink.muted),
    ...legend(ink),
    text(WIDTH - MARGIN, TOP - 8, 'ws costs', ink.muted, 'text-anchor="end"'),
    ...TICKS_US.flatMap((us) => [
      `<line x1="${x(us)}" y1="${TOP}" x2="${x(us)}" y2="${bottom}" stroke="${ink.line}"/>`,
      text(x(us), bottom + 18, String(us), ink.muted, 'text-anchor="middle"'),
    ]),
    ...rows.flatMap(([name, costs], i) => row(name, costs, TOP + (i + 0.5) * ROW, ink)),
    text(MARGIN, height - 14, `${machine}. Medians; how it was measured: bench/README.md`, ink.muted, 'font-size="12"'),
    '</svg>',
  ].join('\n')}\n`
}

/** Label, a line from the cheapest to the dearest, the marks, and how many times Roomcast's cost ws's is. */
function row(name: string, costs: Speed['scenarios'][string], y: number, ink: Ink): string[] {
  const servers = Object.keys(PEOPLE_CALL).filter((server) => costs[server])
  const at = servers.map((server) => x(costs[server]!.cpuUs))
  const times = costs[BASE]?.times
  return [
    text(LABELS - 18, y + 4, SHOWN[name]!, ink.text, 'text-anchor="end"'),
    `<line x1="${Math.min(...at)}" y1="${y}" x2="${Math.max(...at)}" y2="${y}" stroke="${ink.line}" stroke-width="3"/>`,
    // Ours last: it is a ring, and what it covers is seen through it.
    ...servers.toReversed().map((server) => mark(server, x(costs[server]!.cpuUs), y, ink)),
    ...(times === undefined
      ? []
      : [text(WIDTH - MARGIN, y + 4, `${timesCell(times)} ×`, ink.text, 'text-anchor="end"')]),
  ]
}

function legend(ink: Ink): string[] {
  let left = LABELS
  return Object.entries(PEOPLE_CALL).flatMap(([server, name]) => {
    const drawn = [mark(server, left, TOP - 24, ink), text(left + 11, TOP - 20, name, ink.text)]
    left += 34 + name.length * 8
    return drawn
  })
}

/** A ring for Roomcast, a square for ws, a triangle for uWebSockets.js, a diamond for Socket.IO. */
function mark(server: string, cx: number, cy: number, ink: Ink): string {
  const fill = `fill="${ink.marks[server]}"`
  const path = (d: string): string => `<path d="M${cx} ${cy}${d}z" ${fill}/>`
  if (server === 'ws') return path('m-5 -5h10v10h-10')
  if (server === 'uwebsockets') return path('m0 -6l6 11h-12')
  if (server === 'socket.io') return path('m0 -7l7 7l-7 7l-7 -7')
  return `<circle cx="${cx}" cy="${cy}" r="6.5" fill="none" stroke="${ink.marks[server]}" stroke-width="4"/>`
}

/** Where a cost stands. */
function x(us: number): number {
  const share = Math.log(us / LEAST_US) / Math.log(MOST_US / LEAST_US)
  return Math.round((LABELS + share * (PLOT_END - LABELS)) * 10) / 10
}

function text(left: number, base: number, words: string, fill: string, more = ''): string {
  return `<text x="${left}" y="${base}" fill="${fill}"${more && ` ${more}`}>${escaped(words)}</text>`
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
