// Each rule of the bus switched off in turn: the simulated histories must find it missing.

import { expect, test } from 'vitest'
import type { BusNode } from '../../packages/redis-bridge/src/bus/bus-node.ts'
import { MUTANTS } from './sim/mutants.ts'
import { runSchedule } from './sim/world.ts'

const SCHEDULES = 3000
const SOURCE = '../../packages/redis-bridge/src/bus/bus-node.ts'

test.each(MUTANTS)(
  '$rule',
  async ({ rule }) => {
    const code: { BusNode: typeof BusNode } = await import(`${SOURCE}?mutant=${encodeURIComponent(rule)}`)
    for (let seed = 1; seed <= SCHEDULES; seed++) {
      const { faults } = await runSchedule(seed, code.BusNode)
      if (faults.length === 0) continue
      console.log(`${rule}: seed ${seed}: ${faults[0]}`)
      return
    }
    expect.fail(`${SCHEDULES} schedules and nobody noticed`)
  },
  400_000,
)
