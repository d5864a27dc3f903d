// The chart of the README: what `bench --json` prints becomes medians, the pictures are drawn from the medians that are
// committed, and the table beside them says the same.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { drawChart } from '../../bench/src/chart.ts'
import { PEOPLE_CALL, type Report, SHOWN, type Speed, speedOf, speedRows } from '../../bench/src/speed.ts'

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const speed = JSON.parse(read('bench/speed.json')) as Speed

test.each(['light', 'dark'] as const)(
  'docs/images/speed-%s.svg is drawn from speed.json: run `pnpm bench:chart`',
  (theme) => {
    expect(read(`docs/images/speed-${theme}.svg`)).toBe(drawChart(speed, theme))
  },
)

test('the README shows both, and its text for those who do not see it', () => {
  const readme = read('README.md')
  expect(readme).toMatch(/<source media="\(prefers-color-scheme: dark\)" srcset="docs\/images\/speed-dark\.svg">/)
  expect(readme).toMatch(/<img [^>]*src="docs\/images\/speed-light\.svg" alt="[^"]{40,}"/)
})

test('bench/README has the table of these figures: every scenario, every server', () => {
  const lines = read('bench/README.md')
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map((cells) => cells.slice(1, -1))
  expect(Object.keys(speed.scenarios)).toEqual(Object.keys(SHOWN))
  for (const cells of speedRows(speed)) {
    expect(cells).not.toContain('-')
    expect(lines).toContainEqual(cells)
  }
})

test('every mark of the chart lies within it, and the text tells every figure', () => {
  const svg = drawChart(speed, 'light')
  const [, width] = /viewBox="0 0 (\d+) /.exec(svg)!
  const lefts = [...svg.matchAll(/(?:M|cx="|x=")(\d+(?:\.\d+)?)/g)].map(([, left]) => Number(left))
  expect(lefts.length).toBeGreaterThan(9 * Object.keys(PEOPLE_CALL).length)
  expect(lefts.filter((left) => left < 0 || left > Number(width))).toEqual([])
  expect(svg).toContain('500 members, 16 messages under way: Roomcast 0.63 µs, ws 8.87 µs')
})

const machine: Report['machine'] = {
  node: 'v20.20.0',
  cpu: 'a CPU',
  cores: 2,
  memoryGiB: 8,
  system: 'linux 6.1 x64',
  openFiles: 1024,
  pinned: true,
}
const series = (server: string, ...costs: number[]) => ({
  server,
  rounds: costs.map((serverCpuUsPerDelivery) => ({ serverCpuUsPerDelivery })),
})

test('reports become medians: of each figure, and of the quotients of rounds side by side', () => {
  const busy = { machine, rounds: 3, results: { busy: [series('roomcast', 1, 2, 4), series('ws', 10, 10, 20)] } }
  const tls = {
    machine,
    rounds: 3,
    results: { tls: [series('roomcast', 1, 1, 1.005), series('bun', 1), { ...series('ws'), failure: 'lost one' }] },
  }
  const idle = { machine, rounds: 3, results: { memory: [series('roomcast', 1)] } }
  expect(speedOf([busy, tls, idle])).toEqual({
    machine: 'Node v20.20.0, linux 6.1 x64, a CPU, 2 cores, 8 GiB; server on core 0, load on core 1',
    rounds: 3,
    scenarios: {
      busy: { roomcast: { cpuUs: 2 }, ws: { cpuUs: 10, times: 5 } },
      tls: { roomcast: { cpuUs: 1 } },
    },
  })
  const again = { ...busy, results: { busy: [series('roomcast', 3)] } }
  expect(speedOf([busy, again]).scenarios.busy).toEqual({ roomcast: { cpuUs: 3 } })
  expect(speedRows(speedOf([tls]))).toEqual([['busy, over TLS (`tls`)', '1.00 µs', '-', '-', '-']])
})

test('reports that do not go together are refused', () => {
  const report = { machine, rounds: 3, results: { busy: [series('ws', 1)] } }
  expect(() => speedOf([])).toThrow(RangeError)
  expect(() => speedOf([report])).toThrow(/without roomcast/)
  const ours = { machine, rounds: 3, results: { busy: [series('roomcast', 1)] } }
  expect(() => speedOf([ours, { ...ours, rounds: 5 }])).toThrow(RangeError)
  expect(() => speedOf([ours, { ...ours, machine: { ...machine, node: 'v26.0.0' } }])).toThrow(RangeError)
})
