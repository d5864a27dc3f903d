// What becomes of rounds: medians, ranges, ratios within a round, and a profile's self times.

import { expect, test } from 'vitest'
import { selfTimes } from '../../bench/src/profile.ts'
import { asMarkdown, asText, ratio, spread, trafficTable } from '../../bench/src/report.ts'

const round = (deliveriesPerSecond: number, serverCpuUsPerDelivery: number) => ({
  deliveriesPerSecond,
  serverCpuUsPerDelivery,
  bytesPerDelivery: 66,
  bytesPerRead: 66,
  rssMiB: 50,
  serverCpuShare: 1,
  loadCpuShare: 0.5,
})
const ours = { server: 'roomcast', rounds: [round(1e6, 1), round(5e5, 2), round(1e6, 1)] }
const peer = { server: 'ws', rounds: [round(1e5, 10), round(1e5, 10), round(5e4, 20)] }

test('a figure is the median, with its range', () => {
  expect(spread([3, 1, 2], 1, 0)).toBe('2 [1–3]')
  expect(spread([2, 1], 10, 1)).toBe('15.0 [10.0–20.0]')
  expect(spread([2, 2], 1, 0)).toBe('2')
  expect(spread([], 1, 0)).toBe('-')
})

test('a ratio compares each round with the one beside it', () => {
  expect(ratio(ours, peer, (figures) => figures.deliveriesPerSecond)).toBe(10)
  expect(ratio(peer, ours, (figures) => figures.serverCpuUsPerDelivery)).toBe(10)
  expect(ratio(ours, { server: 'none', rounds: [] }, (figures) => figures.rssMiB)).toBeUndefined()
})

test('a table is text or Markdown, and tells what failed', () => {
  const failed = { server: 'bun', rounds: [], failure: 'lost 3 of 9 messages' }
  const table = trafficTable('busy', 'a room', [ours, peer, failed])
  const text = asText(table).split('\n')
  expect(text[0]).toBe('busy: a room')
  expect(text[2]).toMatch(/^roomcast +1000 \[500–1000\] +1\.00 \[1\.00–2\.00\] +- /)
  expect(text.at(-1)).toBe('bun FAILED: lost 3 of 9 messages')
  const lines = asMarkdown(table).split('\n')
  expect(lines[3]).toMatch(/^\| --- \| ---: \|/)
  expect(new Set(lines.slice(2, 7).map((line) => line.split('|').length)).size).toBe(1)
  expect(lines[5]).toContain('| ws |')
  expect(lines.at(-1)).toBe('bun FAILED: lost 3 of 9 messages')
})

test('self times are added up by function, of the measured time, without what was idle', () => {
  const node = (id: number, functionName: string, url = '') => ({
    id,
    callFrame: { functionName, url, scriptId: '0', lineNumber: 4, columnNumber: 0 },
  })
  const profile = {
    nodes: [node(1, '(idle)'), node(2, 'writeBuffer'), node(3, 'walk', 'node:net'), node(4, 'writeBuffer')],
    startTime: 0,
    endTime: 100,
    samples: [2, 1, 2, 3, 4, 2],
    timeDeltas: [5, 20, 30, 10, 20, 15],
  }
  const { functions, idleShare } = selfTimes(profile, { fromUs: 10, toUs: 90 })
  expect(functions).toEqual([
    { name: 'writeBuffer', where: 'native', share: 50 / 60 },
    { name: 'walk', where: 'node:net:5', share: 10 / 60 },
  ])
  expect(idleShare).toBe(20 / 80)
})
