// The fault matrix, for real: three node processes, a real Redis, real time. `pnpm faults` runs all of it; else each
// fault once, and shorter. FAULTS_SEED and FAULTS_ROW repeat what a failed run printed.

import { availableParallelism } from 'node:os'
import { beforeAll, expect, test } from 'vitest'
import { describeRedis } from '../../support/redis.ts'
import { FAULTS, runFault } from './faults.ts'
import { buildNodes } from './node-process.ts'

const full = process.env.FAULTS === 'full'
const seeds = process.env.FAULTS_SEED ? [Number(process.env.FAULTS_SEED)] : full ? [1, 2] : [1]
const MIXES = full ? 10 : 2
const row = process.env.FAULTS_ROW

const runs = FAULTS.filter((fault) => row === undefined || fault.row === row).flatMap((fault) => {
  const all = fault.row === 'mix' && !process.env.FAULTS_SEED ? Array.from({ length: MIXES }, (_, i) => i + 1) : seeds
  return all.map((seed) => ({ fault, seed, title: `row ${fault.row}, ${fault.name}, seed ${seed}` }))
})

/** Five processes each: more of them at once than the machine can feed would be faults of their own. */
let free = Math.min(8, 2 * availableParallelism())
const waiting: (() => void)[] = []

async function whenFree<T>(run: () => Promise<T>): Promise<T> {
  if (free > 0) free--
  else await new Promise<void>((resolve) => waiting.push(resolve))
  try {
    return await run()
  } finally {
    const next = waiting.shift()
    if (next === undefined) free++
    else next()
  }
}

describeRedis('faults', () => {
  beforeAll(buildNodes)

  test.concurrent.each(runs)(
    '$title',
    async ({ fault, seed, title }) => {
      const outcome = await whenFree(() => runFault(fault, seed, full))
      const { published, delivered, lost, gaps, unreported, tooEarly, reportMs } = outcome
      if (full) {
        const late = `${unreported > 0 ? `, ${unreported} lost with a killed node` : ''}${tooEarly > 0 ? `, ${tooEarly} lost too early` : ''}`
        const report = gaps > 0 ? `, the last within ${Math.round(reportMs)} ms` : ''
        console.log(
          `${title}: ${published} published, ${delivered} delivered, ${lost} lost, ${gaps} gaps${report}${late}`,
        )
      }
    },
    // Most of it may be waiting for the others.
    600_000,
  )

  test('there are enough of them', () => {
    if (row === undefined) expect(runs.length).toBeGreaterThanOrEqual(full ? 30 : 8)
  })
})
