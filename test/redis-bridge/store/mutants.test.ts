// Each rule of the store switched off in turn: the simulated schedules must find it missing.

import { expect, test } from 'vitest'
import type { StoreNode } from '../../../packages/redis-bridge/src/store/store-node.ts'
import { runSchedule } from '../sim/rooms-world.ts'
import { STORE_MUTANTS } from '../sim/store-mutants.ts'

const SCHEDULES = 500
const SOURCE = '../../../packages/redis-bridge/src/store/store-node.ts'

test.each(STORE_MUTANTS)(
  '$rule',
  async ({ rule }) => {
    const code: { StoreNode: typeof StoreNode } = await import(`${SOURCE}?mutant=${encodeURIComponent(rule)}`)
    for (let seed = 1; seed <= SCHEDULES; seed++) {
      const { faults } = await runSchedule(seed, code)
      if (faults.length === 0) continue
      console.log(`${rule}: seed ${seed}: ${faults[0]}`)
      return
    }
    expect.fail(`${SCHEDULES} schedules and nobody noticed`)
  },
  300_000,
)
