// The checker itself: each thing it must find, in a history that has it, and silence about one that is right.

import { expect, test } from 'vitest'
import { check, type NodeLog } from './history.ts'
import type { NodeRecord } from './node/records.ts'

const nameOf = new Map([['aa', 'A']])

/** A says `count` messages, one a second from second 10; B, which was ready at second 1, has these records. */
function judge(count: number, atB: NodeRecord[], more: Partial<NodeLog> = {}): string[] {
  const a: NodeLog = {
    name: 'A',
    records: Array.from({ length: count }, (_, i) => ({
      what: 'published',
      at: 10_000 + i * 1000,
      channel: 'r',
      seq: i + 1,
    })),
    ...more,
  }
  const b: NodeLog = {
    name: 'B',
    records: [{ what: 'joined', at: 0, channel: 'r' }, { what: 'ready', at: 1000, channel: 'r' }, ...atB],
  }
  return check({ logs: [a, b], nameOf }).violations
}

const got = (...seqs: number[]): NodeRecord[] =>
  seqs.map((seq) => ({ what: 'delivered', at: 10_000 + seq * 1000, channel: 'r', from: 'A', seq }))
const gap = (info: { node?: string; missed?: number }): NodeRecord[] => [
  { what: 'gap', at: 20_000, channel: 'r', ...info },
]

test('a history that is right', () => {
  expect(judge(3, got(1, 2, 3))).toEqual([])
  expect(judge(3, [...got(1), ...gap({ node: 'aa', missed: 1 }), ...got(3)])).toEqual([])
  expect(judge(3, [...got(1), ...gap({ node: 'aa', missed: 1 }), ...gap({ node: 'aa', missed: 1 })])).toEqual([])
  expect(judge(3, [...gap({ node: 'aa' }), ...got(2, 3)])).toEqual([])
  expect(judge(3, [...got(1), ...gap({}), ...got(2, 3)])).toEqual([])
  expect(judge(3, [...gap({})])).toEqual([])
})

test('what was published before the node was ready is not owed', () => {
  const early: NodeRecord[] = [{ what: 'left', at: 1500, channel: 'r' }]
  const again: NodeRecord[] = [
    { what: 'joined', at: 10_500, channel: 'r' },
    { what: 'ready', at: 11_500, channel: 'r' },
  ]
  expect(judge(3, [...early, ...again, ...got(3)])).toEqual([])
  expect(judge(4, [...early, ...again, ...got(3)])).toMatchObject([expect.stringContaining('silent loss: 1 lost')])
})

test.each([
  ['a silent hole', judge(3, got(1, 3)), /silent loss: 1 lost, 0 reported.*before 3/],
  ['a silent end', judge(3, got(1)), /silent loss: 2 lost.*at the end/],
  ['a silent beginning', judge(3, got(2, 3)), /silent loss: 1 lost/],
  ['nothing at all', judge(3, []), /silent loss: 3 lost/],
  [
    'a hole reported too small',
    judge(4, [...got(1), ...gap({ node: 'aa', missed: 1 }), ...got(4)]),
    /2 lost, 1 reported/,
  ],
  ['a hole reported too late', judge(3, [...got(1, 3), ...gap({ node: 'aa', missed: 1 })]), /silent loss/],
  ['a hole reported too large', judge(3, [...got(1), ...gap({ node: 'aa', missed: 5 }), ...got(3)]), /false gap: 5/],
  ['a gap of nothing', judge(2, [...got(1), ...gap({ node: 'aa', missed: 1 }), ...got(2)]), /false gap: 1/],
  ['a vague gap of nothing', judge(2, [...got(1), ...gap({ node: 'aa' }), ...got(2)]), /false gap/],
  ['a gap of a stranger', judge(1, [...got(1), ...gap({ node: 'bb' })]), /unknown node bb/],
  ['a message twice', judge(2, got(1, 1, 2)), /twice: 1 of A/],
  ['out of order', judge(3, got(1, 3, 2)), /out of order or twice: 2 of A in r after 3/],
  ['a phantom', judge(1, got(1, 2)), /a phantom: 2 of A/],
  ['a stray', judge(0, [{ what: 'stray', at: 1, channel: 'r', bytes: 'zz' }]), /stray message in r: zz/],
  ['to nobody', judge(1, [{ what: 'left', at: 9000, channel: 'r' }, ...got(1)]), /delivered to nobody: 1 of A/],
] as const)('%s', (_, violations, expected) => {
  expect(violations.join('\n')).toMatch(expected)
})

test('the end of a publisher that was killed may be lost, what it could tell of may not', () => {
  expect(judge(3, got(1, 2), { killedAt: 12_100 })).toEqual([])
  expect(judge(3, got(1), { killedAt: 15_600 })).toMatchObject([expect.stringContaining('silent loss')])
  expect(judge(3, got(1, 3), { killedAt: 12_100 })).toMatchObject([expect.stringContaining('silent loss')])
})

test('what is lost in the first moment of a subscription is counted apart, what comes later is not', () => {
  const late = (at: number): NodeRecord[] => [
    { what: 'left', at: 1500, channel: 'r' },
    { what: 'joined', at: at - 10, channel: 'r' },
    { what: 'ready', at, channel: 'r' },
  ]
  expect(judge(2, [...late(9_800), ...got(2)])).toEqual([])
  expect(judge(2, [...late(9_600), ...got(2)])).toHaveLength(1)
  expect(judge(3, [...late(9_800), ...got(3)])).toHaveLength(1)
})

test('a node hears itself exactly once', () => {
  const own = (...seqs: number[]): string[] => {
    const records: NodeRecord[] = [
      { what: 'joined', at: 0, channel: 'r' },
      { what: 'published', at: 1, channel: 'r', seq: 1 },
      ...seqs.map((seq): NodeRecord => ({ what: 'delivered', at: 2, channel: 'r', from: 'A', seq })),
    ]
    return check({ logs: [{ name: 'A', records }], nameOf }).violations
  }
  expect(own(1)).toEqual([])
  expect(own(1, 1)).toHaveLength(1)
  expect(own()).toHaveLength(1)
})
