// Every rule that makes recovery sound, taken out alone: the simulation must notice. Rule numbers are those of the README.

import { createRooms } from '@roomcast/rooms'
import { describe, expect, test } from 'vitest'
import { INTERLEAVINGS, interleave } from './interleavings.ts'
import type { Broken } from './sim/flaky-store.ts'
import { runSchedule, type Setting } from './sim/world.ts'
import { type Change, engineWithout } from './without.ts'

const SCHEDULES = 100

const track = (from: string, to: string): Change => ({ file: 'track.ts', from, to })

/** A publication names the one before it: of some rules that is a second line, which must not hide that the first is out. */
const NO_CHAIN = track('if (publication.previous !== this.#lastId) return this.#forked()', '')

const IN_THE_ENGINE: [string, ...Change[]][] = [
  [
    'a gap in the numbers is not passed over',
    track(
      'publication.offset === this.#offset + 1) {\n      this.#advance',
      'publication.offset > this.#offset) {\n      this.#advance',
    ),
    NO_CHAIN,
  ],
  [
    'a mark tells of a last one that was lost',
    track('if (known && offset > this.#offset)', 'if (true) return\n    if (known && offset > this.#offset)'),
  ],
  [
    'another epoch is another history',
    track('publication.epoch !== this.#epoch) {\n      this.#hold', 'false) {\n      this.#hold'),
  ],
  [
    'repeats are dropped by number',
    track('return this.#repeated(publication)\n    } else if', 'this.#advance(publication)\n    } else if'),
    NO_CHAIN,
  ],
  ['who comes back is compared with the store', track('if (this.#synced && since === undefined)', 'if (this.#synced)')],
  ['recovery needs the same epoch', { file: 'replay.ts', from: 'since.epoch !== epoch', to: 'false' }],
  [
    'recovery is of everything',
    {
      file: 'window.ts',
      from: 'if (first === undefined || first > since + 1) return undefined',
      to: 'if (first === undefined) return undefined\n    since = Math.max(since, first - 1)',
    },
  ],
  [
    'what was trimmed is told',
    track(
      'if (page.offset > this.#offset) this.#top = Math.max(this.#top, page.offset)',
      'if (page.offset > this.#offset) [this.#offset, this.#lastId] = [page.offset, page.lastId]',
    ),
    NO_CHAIN,
  ],
  [
    'the reply is made in the step in which its member goes live',
    {
      file: 'entering.ts',
      from: 'if (entering.every(isKnown)) return live()',
      to: 'if (entering.every(isKnown)) {\n      await store.lease().catch(() => {})\n      return live()\n    }',
    },
  ],
  [
    'what failed to be removed is asserted away',
    { file: 'presence.ts', from: 'this.#dirty = true\n    this.#renewLater()', to: 'this.#renewLater()' },
  ],
]

const IN_THE_STORE: [string, Broken][] = [
  ['marks are given', { noMarks: true }],
  ['repeats of a key are not carried out', { noKeys: true }],
  ['a room that was forgotten has another epoch', { sameEpoch: true }],
]

/** The first seed that notices. */
async function noticedBy(setting: Setting): Promise<number | undefined> {
  for (let seed = 1; seed <= SCHEDULES; seed++) {
    const { faults } = await runSchedule(seed, setting)
    if (faults.length > 0) return seed
  }
  return undefined
}

describe('without one rule, the checker is red', () => {
  test.each(IN_THE_ENGINE)(
    '%s',
    async (_, ...changes) => {
      expect(await noticedBy({ createRooms: await engineWithout(changes) })).toBeDefined()
    },
    60_000,
  )

  test.each(IN_THE_STORE)(
    'in the store: %s',
    async (_, broken) => {
      expect(await noticedBy({ createRooms, broken })).toBeDefined()
    },
    60_000,
  )
})

test('reading before the subscription: some interleaving of enter has a hole', async () => {
  const make = await engineWithout([track(': store.ready(room)', ': Promise.resolve()')])
  const faults = await Promise.all(INTERLEAVINGS.map((interleaving) => interleave(interleaving, make)))
  expect(faults.filter((fault) => fault !== undefined)).not.toEqual([])
})

describe('a store that goes back, and gives numbers twice', () => {
  test('is noticed, and no fork is taken for one history', async () => {
    const failures: string[] = []
    for (let seed = 1; seed <= SCHEDULES; seed++) {
      const { faults } = await runSchedule(seed, { createRooms, rollbacks: 'told' })
      if (faults.length > 0) failures.push(`seed ${seed}: ${faults.slice(0, 3).join('; ')}`)
    }
    expect(failures).toEqual([])
  }, 60_000)

  test('without asking for another epoch, the checker is red', async () => {
    const change = track(
      'this.#forking = forkUntilHeard(store, clock, room, this.#epoch)',
      'void [store, clock, room, forkUntilHeard]',
    )
    expect(await noticedBy({ createRooms: await engineWithout([change]), rollbacks: 'told' })).toBeDefined()
  }, 60_000)
})
