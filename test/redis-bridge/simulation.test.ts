// A thousand schedules of three nodes and a Redis that delays, drops, cuts, freezes and restarts, in virtual time.

import { expect, test } from 'vitest'
import { runSchedule } from './sim/world.ts'

const SCHEDULES = Number(process.env.SIM_SCHEDULES ?? 1000)
const FIRST_SEED = Number(process.env.SIM_SEED ?? 1)

test(`${SCHEDULES} schedules: nothing twice, nothing out of order, no silent loss, no false alarm`, async () => {
  const failures: string[] = []
  const sum = { lost: 0, tooEarly: 0, tooLate: 0, gaps: 0, deliveries: 0 }
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SCHEDULES; seed++) {
    const { faults, lost, tooEarly, tooLate, gaps, deliveries } = await runSchedule(seed)
    sum.lost += lost
    sum.tooEarly += tooEarly
    sum.tooLate += tooLate
    sum.gaps += gaps
    sum.deliveries += deliveries
    if (faults.length > 0) failures.push(`seed ${seed}: ${faults.length} faults: ${faults.slice(0, 3).join('; ')}`)
  }
  console.log(`seeds ${FIRST_SEED} to ${FIRST_SEED + SCHEDULES - 1}:`, sum)
  expect(failures.slice(0, 20)).toEqual([])
  // A run in which nothing is lost proves nothing.
  expect(sum.lost).toBeGreaterThan(SCHEDULES)
  // An alarm is false only where a stall held an envelope for longer than it is given, and that is rare.
  expect(sum.tooLate).toBeLessThan(1 + sum.gaps / 700)
}, 400_000)
