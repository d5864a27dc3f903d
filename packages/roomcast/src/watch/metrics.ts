// The metrics of one server, in a registry of its own: what is counted as it happens, and what is read when somebody asks.

import { setTimeout as sleep } from 'node:timers/promises'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { METRICS, type MetricRow } from './metric-table.ts'

type Labels = Readonly<Record<string, string>>

/** What is read when somebody asks: sets metrics by name. */
export type Reading = (set: (name: string, value: number, labels?: Labels) => void) => void

/** The metrics of one server. */
export interface Metrics {
  /** A counter has these labels from now on, at 0. */
  begin(name: string, labels: Labels): void
  /** Counts one. */
  count(name: string, labels?: Labels): void
  /** Adds a value to a histogram. */
  observe(name: string, value: number, labels?: Labels): void
  /** Adds what is read each time. */
  read(reading: Reading): void
  /** As Prometheus reads it: what is in the turn after this one. */
  text(): Promise<string>
  readonly contentType: string
}

/** Makes the metrics of a server. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  const all = new Map(Object.entries(METRICS).map(([name, row]) => [name, metricOf(name, row, registry)]))
  const readings: Reading[] = []
  const set = (name: string, value: number, labels: Labels = {}): void => {
    const metric = all.get(name)
    if (metric instanceof Counter) metric.inc(labels, value)
    else if (metric instanceof Gauge) metric.set(labels, value)
  }
  /** Those that `read` sets. */
  const taken = new Set<string>()
  return {
    contentType: registry.contentType,
    begin: (name, labels) => (all.get(name) as Counter).inc(labels, 0),
    count: (name, labels = {}) => (all.get(name) as Counter).inc(labels),
    observe: (name, value, labels = {}) => (all.get(name) as Histogram).observe(labels, value),
    read: (reading) => void readings.push(reading),
    async text() {
      // In the turn that asks, others have written what is on its way at the turn's end: it would be taken for what waits.
      await sleep(0)
      for (const name of taken) (all.get(name) as Gauge | Counter).reset()
      for (const reading of readings) {
        reading((name, value, labels) => {
          taken.add(name)
          set(name, value, labels)
        })
      }
      return registry.metrics()
    },
  }
}

function metricOf(name: string, row: MetricRow, registry: Registry): Counter | Gauge | Histogram {
  const { kind, help, labels = [], buckets } = row
  const common = { name, help, labelNames: [...labels], registers: [registry] }
  if (kind === 'counter') return new Counter(common)
  return kind === 'gauge' ? new Gauge(common) : new Histogram({ ...common, buckets: [...buckets!] })
}
