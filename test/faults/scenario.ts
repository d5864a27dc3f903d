// A scenario: a place, a step and a fault, with everything else made of the run's seed and the scenario's number. All
// combinations are cells, each with a name; a run goes through them in an order of its own, again and again.

import { Random } from '../fuzz/random.ts'
import { FAULTS, type Fault, fits } from './faults.ts'
import { HANDSHAKE_STEPS, LATE } from './handshake-steps.ts'
import { type Leaving, nameOf, PLACES, type Place } from './place.ts'
import { SOCKET_STEPS } from './socket-steps.ts'
import type { Step } from './step.ts'

export interface Cell {
  /** `place/step/fault`; the step has `drain+` or `close+` before it when the server leaves meanwhile. */
  readonly name: string
  readonly place: Place
  readonly step: Step
  readonly fault: Fault
  readonly leaving: Leaving | null
}

export interface Scenario {
  readonly number: number
  readonly cell: Cell
}

/** All that make sense. */
export const CELLS: readonly Cell[] = PLACES.flatMap((place) =>
  [...HANDSHAKE_STEPS, ...SOCKET_STEPS, LATE].flatMap((step) =>
    FAULTS.flatMap((fault) =>
      ([null, 'drain', 'close'] as const)
        .filter((leaving) => makesSense({ place, step, fault, leaving }))
        .map((leaving) => ({
          name: `${nameOf(place)}/${leaving === null ? '' : `${leaving}+`}${step.name}/${fault.name}`,
          ...{ place, step, fault, leaving },
        })),
    ),
  ),
)

function makesSense({ place, step, fault, leaving }: Omit<Cell, 'name'>): boolean {
  if (step.where?.(place) === false || !fits(fault, place)) return false
  if (leaving === null ? step === LATE : step.leaving !== true) return false
  if (step.belowTls && fault.layer !== undefined) return false
  // The socket of a peer that is still there lasts as long as our own callback.
  return !(step.forEver && !(fault.after === 'gone' && fault.leaves))
}

/** The cells whose names contain `only`, or the one of that name, in the order of this seed. */
export function cellsOf(seed: number, only = ''): Cell[] {
  const exact = CELLS.filter(({ name }) => name === only)
  const cells = exact.length > 0 ? exact : CELLS.filter(({ name }) => name.includes(only))
  const random = new Random(seed, 0xffff_ffff)
  // Fisher and Yates.
  for (let i = cells.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    ;[cells[i], cells[j]] = [cells[j]!, cells[i]!]
  }
  return cells
}
