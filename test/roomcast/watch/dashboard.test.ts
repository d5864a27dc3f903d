// The dashboard and the alerts of the guide: each query is one, asks for what is there, in the way that its kind of metric
// needs, and is shown in its unit.

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse as parseYaml } from 'yaml'
import { beginAtZero } from '../../../packages/roomcast/src/watch/beginnings.ts'
import { METRICS, type MetricRow } from '../../../packages/roomcast/src/watch/metric-table.ts'
import { type Query, readQuery, type Selected } from './promql.ts'

const ROOT = new URL('../../../', import.meta.url)
const read = (name: string): string => readFileSync(new URL(name, ROOT), 'utf8')

interface Panel {
  title: string
  description: string
  fieldConfig: { defaults: { unit: string; thresholds?: { steps: { value: number | null }[] } } }
  targets: { expr: string; legendFormat: string }[]
}
interface Dashboard {
  panels: Panel[]
  templating: { list: { name: string; allValue?: string }[] }
}
const { panels, templating } = JSON.parse(read('packages/roomcast/grafana/roomcast.json')) as Dashboard

interface Rule {
  alert: string
  expr: string
  for?: string
  labels: { severity: string }
  annotations: { summary: string }
}
const guide = read('docs/operating.md')
const rules = [...guide.matchAll(/^```yaml.*\n([\s\S]*?)^```/gm)]
  .map(([, yaml]) => parseYaml(yaml!) as { groups?: { rules: Rule[] }[] })
  .flatMap(({ groups = [] }) => groups.flatMap((group) => group.rules))

/** The labels that Prometheus itself gives. */
const PROMETHEUS = ['instance', 'job']
const OF_PROMETHEUS = ['up']

const baseOf = (name: string): string =>
  Object.hasOwn(METRICS, name) ? name : name.replace(/_(bucket|sum|count)$/, '')

/** The metric, with the labels of this series of it. */
function rowOf(name: string): MetricRow {
  const row = METRICS[baseOf(name)]
  if (row === undefined || (row.kind === 'histogram') !== (baseOf(name) !== name)) throw new Error(`no metric: ${name}`)
  return name.endsWith('_bucket') ? { ...row, labels: [...(row.labels ?? []), 'le'] } : row
}

/** What is wrong with a query, in words. */
function faultsOf({ selected, by }: Query): string[] {
  const faults: string[] = []
  const labels = new Set(PROMETHEUS)
  for (const { name, matchers, isRange, functions } of selected) {
    if (OF_PROMETHEUS.includes(name)) continue
    const row = rowOf(name)
    for (const label of row.labels ?? []) labels.add(label)
    for (const [label] of matchers) if (!labels.has(label)) faults.push(`${name} has no ${label}`)
    const isRate = /^(?:rate|increase)$/.test(functions[0] ?? '')
    if (isRate !== (row.kind !== 'gauge'))
      faults.push(`${name} is a ${row.kind}, asked by ${functions[0] ?? 'nothing'}`)
    if (isRate && !isRange) faults.push(`${name} without a time`)
    const needsLe = functions.includes('histogram_quantile')
    if (needsLe && !by.includes('le')) faults.push(`a quantile of ${name} that is not by le`)
    if (needsLe !== name.endsWith('_bucket') && !matchers.some(([label]) => label === 'le'))
      faults.push(`${name}: buckets are for quantiles`)
  }
  for (const label of by) if (!labels.has(label)) faults.push(`by ${label}, which is nowhere`)
  return faults
}

/** In what something is shown. */
function unitOf({ name, functions }: Selected): string {
  const base = baseOf(name)
  if (functions.includes('increase')) return 'short'
  const isRate = functions.includes('rate') && !functions.includes('histogram_quantile')
  if (!isRate) return base.endsWith('_seconds') ? 's' : base.endsWith('_bytes') ? 'bytes' : 'short'
  if (base.endsWith('_seconds_total')) return 'percentunit'
  return base.endsWith('_bytes_total') ? 'Bps' : 'ops'
}

describe('the dashboard', () => {
  const targets = panels.flatMap((panel) => panel.targets.map((target) => [target.expr, target, panel] as const))

  test.each(targets)('%s', (expr, { legendFormat }, panel) => {
    const query = readQuery(expr)
    expect(faultsOf(query)).toEqual([])
    const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!)
    const left = query.isAggregate
      ? query.by
      : [...PROMETHEUS, ...query.selected.flatMap(({ name }) => rowOf(name).labels ?? [])]
    expect(shown.filter((label) => !left.includes(label))).toEqual([])
    for (const selected of query.selected) {
      expect(selected.matchers, 'of the servers that were chosen').toContainEqual(['instance', '$instance'])
      expect(unitOf(selected), panel.title).toBe(panel.fieldConfig.defaults.unit)
    }
  })

  test('every metric of ours is on it', () => {
    const asked = new Set(targets.flatMap(([expr]) => readQuery(expr).selected.map(({ name }) => baseOf(name))))
    const ours = Object.keys(METRICS).filter((name) => name.startsWith('roomcast_'))
    expect(ours.filter((name) => !asked.has(name))).toEqual([])
  })

  test('all servers are those of Roomcast, not every process that Prometheus knows', () => {
    for (const { name, allValue } of templating.list) expect([name, allValue]).toEqual([name, undefined])
  })

  test('panels do not overlap, and thresholds rise', () => {
    const places = (JSON.parse(read('packages/roomcast/grafana/roomcast.json')) as { panels: { gridPos: object }[] })
      .panels
    expect(new Set(places.map(({ gridPos }) => JSON.stringify(gridPos))).size).toBe(places.length)
    for (const { fieldConfig } of panels) {
      const [first, ...rest] = (fieldConfig.defaults.thresholds?.steps ?? [{ value: null }]).map(({ value }) => value)
      expect([first, rest]).toEqual([null, [...rest].sort((a, b) => a! - b!)])
    }
  })
})

describe('the alerts of the guide', () => {
  test.each(rules.map((rule) => [rule.alert, rule] as const))('%s', (_, { expr, labels, annotations }) => {
    const query = readQuery(expr)
    expect(faultsOf(query)).toEqual([])
    expect(labels.severity).toMatch(/^(?:page|ticket)$/)
    // What is summed away cannot be told.
    const told = [...annotations.summary.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label!)
    const left = query.isAggregate
      ? query.by
      : [...PROMETHEUS, ...query.selected.flatMap(({ name }) => METRICS[baseOf(name)]?.labels ?? [])]
    expect(told.filter((label) => !left.includes(label))).toEqual([])
  })

  test('an increase that they are about has begun at 0', () => {
    const begun = new Set<string>()
    beginAtZero({ begin: (name, labels) => void begun.add(JSON.stringify([name, labels])) }, [])
    const selected = rules.flatMap(({ expr }) => readQuery(expr).selected)
    const late = selected.filter(
      ({ name, matchers, functions }) =>
        functions.includes('increase') &&
        (rowOf(name).labels ?? []).length > 0 &&
        ![...begun].some((one) => {
          const [begunName, labels] = JSON.parse(one) as [string, Record<string, string>]
          return begunName === name && matchers.every(([label, value]) => labels[label] === value)
        }),
    )
    expect(late.map(({ name, matchers }) => [name, matchers])).toEqual([])
  })

  test('there are some', () => {
    expect(rules.length).toBeGreaterThan(5)
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
  })
})
