// A thousand schedules of three nodes whose rooms are kept in a Redis that is cut off, stalls, restarts, is emptied, falls
// back to a replica that lags, evicts and refuses; in virtual time, with the store's own scripts. A seed that fails is named:
// SIM_SEED=n SIM_SCHEDULES=1 runs it alone.

import { expect, test } from 'vitest'
import { StoreNode } from '../../../packages/redis-bridge/src/store/store-node.ts'
import { runSchedule } from '../sim/rooms-world.ts'

const SCHEDULES = Number(process.env.SIM_SCHEDULES ?? 1000)
const FIRST_SEED = Number(process.env.SIM_SEED ?? 1)

test(`${SCHEDULES} schedules: one order, nothing twice, no silent hole, no false recovery, no ghost`, async () => {
  const failures: string[] = []
  const sum = { deliveries: 0, recovered: 0, unrecovered: 0, told: 0 }
  const broken = new Map<string, number>()
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SCHEDULES; seed++) {
    const { faults, broken: all, ...counts } = await runSchedule(seed, { StoreNode })
    for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += counts[name]
    for (const [fault, count] of all) broken.set(fault, (broken.get(fault) ?? 0) + count)
    if (faults.length > 0) failures.push(`seed ${seed}: ${faults.length} faults: ${faults.slice(0, 3).join('; ')}`)
  }
  console.log(`seeds ${FIRST_SEED} to ${FIRST_SEED + SCHEDULES - 1}:`, sum, Object.fromEntries(broken))
  expect(failures.slice(0, 20)).toEqual([])
  // A run in which everything is easy proves nothing.
  expect(Math.min(sum.recovered, sum.unrecovered, sum.told)).toBeGreaterThan(SCHEDULES / 2)
}, 300_000)

test('100 schedules in which nothing fails: nobody is put out, joins and leaves come in turns and are true', async () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + 100; seed++) {
    const { faults, told } = await runSchedule(seed, { StoreNode, calm: true })
    expect({ seed, faults, told }).toEqual({ seed, faults: [], told: 0 })
  }
}, 60_000)
