// The campaign in short (`pnpm faults:core` plays every cell), and with servers that are broken on purpose: it must notice.

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { describeFailure, type Outcome, runCampaign } from './campaign.ts'
import { endPeers } from './peer.ts'
import type { Break } from './place.ts'
import { CELLS, cellsOf } from './scenario.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const program = new URL('../dist/faults/server.js', import.meta.url)
const seed = Math.floor(Math.random() * 2 ** 32)
const PATIENCE_MS = 120_000

// The servers run in a process of their own, as users do, from what was built; nothing to do when it is up to date.
beforeAll(() => {
  const tsc = ['node_modules/typescript/bin/tsc', '-b', 'test/tsconfig.programs.json']
  execFileSync(process.execPath, tsc, { cwd: ROOT })
}, PATIENCE_MS)

afterEach(endPeers)

function broken(what: Break, only: string): Promise<Outcome> {
  return runCampaign({ program, seed, only, connections: 16, failures: 1, endWithinMs: 3000, broken: what })
}

test(
  `300 connections, seed ${seed}`,
  async () => {
    const { connections, failures } = await runCampaign({ program, seed, connections: 300, failures: 3 })
    expect(failures.map((failure) => describeFailure(failure, seed))).toEqual([])
    expect(connections).toBe(300)
  },
  PATIENCE_MS,
)

test('every cell has a name of its own, and a seed its order', () => {
  expect(new Set(CELLS.map(({ name }) => name)).size).toBe(CELLS.length)
  expect(cellsOf(seed)).toEqual(cellsOf(seed))
  expect(cellsOf(seed)).not.toEqual(cellsOf(seed + 1))
})

describe('a broken server is noticed', () => {
  const rows = [
    ['unheard', 'idle-tcp/nobody-takes/reset', /process ended \(1\): Error: read ECONNRESET/],
    ['leaky', 'attached-tcp/head/silence', /the end did not come/],
    ['patient', 'own-tcp/headers/silence', /the end did not come/],
    ['patient', 'attached-tls/pending-never/silence', /the end did not come/],
  ] as const
  test.each(rows)(
    '%s: %s',
    async (what, cell, wrong) => {
      const { failures } = await broken(what, cell)
      expect(failures.map((failure) => failure.cell?.name)).toEqual([cell])
      expect(failures[0]!.wrong).toMatch(wrong)
    },
    PATIENCE_MS,
  )
})
