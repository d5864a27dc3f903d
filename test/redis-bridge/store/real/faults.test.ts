// The fault matrix of rooms, for real: three node processes with real WebSocket clients, a real Redis, real time.
// `pnpm faults:rooms` runs all of it in full size; else each fault once, and smaller. FAULTS_SEED and FAULTS_ROW repeat what
// a failed run printed.

import { beforeAll, expect, test } from 'vitest'
import { describeRedis } from '../../../support/redis.ts'
import { FAULTS, runFault } from './faults.ts'
import { buildRoomsNodes } from './node.ts'

const full = process.env.FAULTS === 'full'
const seeds = process.env.FAULTS_SEED ? [Number(process.env.FAULTS_SEED)] : full ? [1, 2] : [1]
const row = process.env.FAULTS_ROW

const runs = FAULTS.filter((fault) => row === undefined || fault.row === row).flatMap((fault) =>
  seeds.map((seed) => ({ fault, seed, title: `row ${fault.row}, ${fault.name}, seed ${seed}` })),
)

describeRedis('rooms, faults', () => {
  beforeAll(buildRoomsNodes)

  // In full size each needs the machine for itself.
  const each = full ? test.each(runs) : test.concurrent.each(runs)
  each(
    '$title',
    async ({ fault, seed, title }) => {
      const { acknowledged, deliveries, recovered, unrecovered, told, longestMs } = await runFault(fault, {
        seed,
        full,
      })
      const counts = `${acknowledged} published, ${deliveries} delivered, ${told} told`
      const back = `back ${recovered} times recovered, ${unrecovered} not, within ${Math.round(longestMs)} ms`
      if (full) console.log(`${title}: ${counts}; ${back}`)
    },
    180_000,
  )

  test('there are enough of them', () => {
    if (row === undefined) expect(runs.length).toBeGreaterThanOrEqual(full ? 30 : 12)
  })
})
