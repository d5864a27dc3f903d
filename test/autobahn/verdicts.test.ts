// The Autobahn runner's judgement: anything but exactly the expected cases with the expected verdicts, in both fields,
// is told. The suite itself exits 0 in every one of these situations.

import { describe, expect, test } from 'vitest'
import { casesNamed, casesOf, OVER_DEFAULT_LIMIT, secondsOf, split } from '../../autobahn/src/cases.ts'
import { readExpected } from '../../autobahn/src/expected.ts'
import { expectedOfDefaults, judge, readReport, summarise, type Verdict, words } from '../../autobahn/src/verdicts.ts'

const AGENT = 'roomcast'
const OK: Verdict = { behavior: 'OK', behaviorClose: 'OK' }
const INFORMATIONAL: Verdict = { behavior: 'INFORMATIONAL', behaviorClose: 'INFORMATIONAL' }
const expected = new Map([
  ['1.1.1', OK],
  ['6.4.1', OK],
  ['7.1.6', INFORMATIONAL],
])

/** `index.json` as the suite writes it, with `changes` to a report in which everything is as expected. */
function index(changes: Record<string, object | undefined> = {}): string {
  const rest = { duration: 3, remoteCloseCode: 1000, reportfile: 'roomcast_case_1_1_1.json' }
  const cases = [...expected].map(([id, verdict]) => [id, { ...verdict, ...rest }])
  return JSON.stringify({ [AGENT]: { ...Object.fromEntries(cases), ...changes } })
}

/** What is told about one report: each offender's id with what was found. */
function told(text: string): Record<string, Verdict[]> {
  const offenders = judge(expected, [readReport(text, AGENT)])
  return Object.fromEntries(
    offenders.map(({ id, found }) => [id, found.map(({ behavior, behaviorClose }) => ({ behavior, behaviorClose }))]),
  )
}

describe('judge', () => {
  test('accepts exactly what is expected', () => {
    expect(told(index())).toEqual({})
  })

  const verdicts = ['NON-STRICT', 'FAILED', 'UNIMPLEMENTED', 'INFORMATIONAL', 'WRONG CODE', 'UNCLEAN', 'ok', '']
  test.each([...verdicts, 'FAILED BY CLIENT'])('tells "%s" in either field alone', (verdict) => {
    for (const field of ['behavior', 'behaviorClose']) {
      const found: Verdict = { ...OK, [field]: verdict }
      expect(told(index({ '6.4.1': found }))).toEqual({ '6.4.1': [found] })
    }
  })

  test.each(['behavior', 'behaviorClose'])('an informational case must be so: OK in %s is told', (field) => {
    const found = { ...INFORMATIONAL, [field]: 'OK' }
    expect(told(index({ '7.1.6': found }))).toEqual({ '7.1.6': [found] })
  })

  test('tells cases that are missing: a partial report', () => {
    expect(told(index({ '6.4.1': undefined }))).toEqual({ '6.4.1': [] })
    expect(told(JSON.stringify({ [AGENT]: { '1.1.1': OK } }))).toEqual({ '6.4.1': [], '7.1.6': [] })
  })

  test.each(['{}', `{"${AGENT}": {}}`])('tells every case when nothing was reported: %s', (text) => {
    expect(Object.keys(told(text))).toEqual([...expected.keys()])
  })

  test('tells every case of a process that left no report', () => {
    expect(judge(expected, []).map(({ id }) => id)).toEqual([...expected.keys()])
  })

  test('tells cases that nobody asked for, whatever their verdict', () => {
    expect(told(index({ '9.1.1': OK }))).toEqual({ '9.1.1': [OK] })
  })

  test('tells a case that two processes reported', () => {
    const report = readReport(index(), AGENT)
    const offenders = judge(expected, [report, new Map([['6.4.1', OK]])])
    expect(offenders).toEqual([{ id: '6.4.1', expected: OK, found: [{ ...OK, closeCode: 1000 }, OK] }])
  })

  test('puts the reports of several processes together', () => {
    const reports = [...expected].map(([id, verdict]) => new Map([[id, verdict]]))
    expect(judge(expected, reports)).toEqual([])
  })

  test.each([0, 1.8e12, null])('does not read durations: %s', (duration) => {
    expect(told(index({ '1.1.1': { ...OK, duration } }))).toEqual({})
  })
})

describe('the defaults, which refuse messages over 1 MiB', () => {
  const REFUSED = { behavior: 'FAILED', behaviorClose: 'FAILED', remoteCloseCode: 1009 }
  const usual = new Map([...expected, ['9.1.3', OK], ['9.1.4', OK]])
  const wanted = expectedOfDefaults(usual, ['9.1.4'])
  const offenders = (changes: Record<string, object>): string[] => {
    const text = index({ '9.1.3': OK, '9.1.4': REFUSED, ...changes })
    return judge(wanted, [readReport(text, AGENT)]).map(({ id }) => id)
  }

  test('accepts 1009 for what is over the limit, and everything else as always', () => {
    expect(offenders({})).toEqual([])
  })

  test.each([
    ['an echo', { ...OK, remoteCloseCode: 1000 }],
    ['an echo that says 1009', { ...OK, remoteCloseCode: 1009 }],
    ['another code', { ...REFUSED, remoteCloseCode: 1008 }],
    ['no Close frame', { ...REFUSED, remoteCloseCode: null }],
    ['a report without a code', { behavior: 'FAILED', behaviorClose: 'FAILED' }],
    ['a code that is text', { ...REFUSED, remoteCloseCode: '1009' }],
    ['another verdict in behavior', { ...REFUSED, behavior: 'NON-STRICT' }],
    ['another verdict in behaviorClose', { ...REFUSED, behaviorClose: 'UNCLEAN' }],
  ])('tells a message over the limit that got %s', (_, found) => {
    expect(offenders({ '9.1.4': found })).toEqual(['9.1.4'])
  })

  test('tells a message within the limit that was refused', () => {
    expect(offenders({ '9.1.3': REFUSED })).toEqual(['9.1.3'])
  })

  test('names the code where it was read', () => {
    expect(words(wanted.get('9.1.4'))).toBe('FAILED / FAILED (1009)')
    expect(words(OK)).toBe('OK / OK')
  })

  test('a list with a case that does not exist is a mistake', () => {
    expect(() => expectedOfDefaults(usual, ['9.1.7'])).toThrow(RangeError)
  })

  test('24 of the fast cases are over the limit, all of them in 9.1 to 9.4', () => {
    const fast = casesOf('fast', [...readExpected().cases.keys()])
    const over = fast.filter((id) => /^9\.([12]\.[4-6]|[34]\.[1-9])$/.test(id))
    expect(OVER_DEFAULT_LIMIT).toEqual(over)
    expect(over).toHaveLength(24)
  })
})

describe('readReport', () => {
  test.each([
    ['cut in the middle', index().slice(0, -20)],
    ['empty', ''],
    ['a list', '[]'],
    ['null', 'null'],
    ['about another server', index().replace(AGENT, 'UnknownServer')],
    ['about two servers', `{"${AGENT}": {}, "UnknownServer": {}}`],
    ['cases that are a list', `{"${AGENT}": []}`],
    ['a case without its verdict', index({ '1.1.1': { behavior: 'OK' } })],
    ['a case whose verdict is not text', index({ '1.1.1': { behavior: 'OK', behaviorClose: 1 } })],
  ])('throws for a report that is %s', (_, text) => {
    expect(() => readReport(text, AGENT)).toThrow()
  })
})

test('summarise counts both fields, and all that is neither OK nor INFORMATIONAL', () => {
  const changed = index({ '1.1.1': { behavior: 'NON-STRICT', behaviorClose: 'OK' } })
  expect(summarise([readReport(changed, AGENT), new Map([['2.1', OK]])])).toBe(
    'Autobahn: 4 cases, 2 OK, 1 INFORMATIONAL, 1 other (behavior); 3 OK, 1 INFORMATIONAL, 0 other (behaviorClose)',
  )
})

describe('the committed expectation', () => {
  const { cases } = readExpected()
  const ids = [...cases.keys()]

  test('is 514 OK, and INFORMATIONAL for the three cases that cannot be anything else', () => {
    const informational = ['7.1.6', '7.13.1', '7.13.2']
    expect(ids).toHaveLength(517)
    for (const [id, verdict] of cases) expect(verdict, id).toEqual(informational.includes(id) ? INFORMATIONAL : OK)
  })

  test('has every case of every chapter', () => {
    const counts: Record<string, number> = {}
    for (const id of ids) counts[id.split('.')[0]!] = (counts[id.split('.')[0]!] ?? 0) + 1
    expect(counts).toEqual({ 1: 16, 2: 11, 3: 7, 4: 10, 5: 20, 6: 145, 7: 37, 9: 54, 10: 1, 12: 90, 13: 126 })
  })

  test('has three sets: fast without compression, ci with its quick sizes, all', () => {
    const [fast, ci] = [casesOf('fast', ids), casesOf('ci', ids)]
    expect(casesOf('all', ids)).toEqual(ids)
    expect(fast).toHaveLength(301)
    expect(ci).toHaveLength(301 + 12 * 10)
    expect(fast.filter((id) => /^1[23]\./.test(id))).toEqual([])
    expect(ci.filter((id) => id.startsWith('13.7.'))).toEqual(
      [1, 2, 3, 4, 5, 6, 7, 8, 11, 12].map((size) => `13.7.${size}`),
    )
  })

  test('a word names a case, a group or a chapter, and nothing that only begins like it', () => {
    expect(casesNamed('1.1.1', ids)).toEqual(['1.1.1'])
    expect(casesNamed('1.1', ids)).toHaveLength(8)
    expect(casesNamed('1', ids)).toHaveLength(16)
    expect(casesNamed('2.1', ids)).toEqual(['2.1'])
    for (const word of ['8', '1.', '1*', '', '1.1.9']) expect(() => casesNamed(word, ids), word).toThrow(RangeError)
  })

  test.each([1, 2, 3])('%i processes share all cases, each about the same work', (parts) => {
    const shares = split(ids, parts)
    expect(shares.flat().sort()).toEqual([...ids].sort())
    const seconds = shares.map((share) => share.reduce((sum, id) => sum + secondsOf(id), 0))
    expect(Math.max(...seconds) - Math.min(...seconds)).toBeLessThan(1)
  })
})
