// Drives one target, for a number of inputs or until a time, and tells of the first input that fails: its seed and number,
// and the row that makes it a regression.

import { Random } from './random.ts'
import type { Target } from './target.ts'

export interface Plan {
  readonly seed: number
  /** The first input's number; default 0. */
  readonly from?: number
  /** How many; default: without end. */
  readonly inputs?: number
  /** When to stop, by `performance.now()`; default: never. */
  readonly until?: number
}

export interface Outcome {
  readonly inputs: number
  /** What is wrong with the first input that failed; null: none did. */
  readonly failure: string | null
}

/** Inputs between two looks at the clock. */
const CLOCK_EVERY = 64

/** What is wrong may quote an input of any length, and the input is printed anyway. */
const MAX_SHOWN = 2000

export async function runTarget<Input>(target: Target<Input>, plan: Plan): Promise<Outcome> {
  const { seed, from = 0, inputs = Number.POSITIVE_INFINITY, until = Number.POSITIVE_INFINITY } = plan
  const stackTraceLimit = Error.stackTraceLimit
  // Very many errors are made: without their stack traces it is several times as fast.
  Error.stackTraceLimit = 0
  try {
    for (let done = 0; done < inputs; done++) {
      if (done % CLOCK_EVERY === 0 && performance.now() > until) return { inputs: done, failure: null }
      const number = from + done
      const random = new Random(seed, number)
      const input = target.make(random)
      const answer = target.check(input, random)
      const wrong = answer instanceof Promise ? await answer : answer
      if (wrong !== null) return { inputs: done + 1, failure: report(target, { seed, number, input, wrong }) }
    }
    return { inputs, failure: null }
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

function report<Input>(
  target: Target<Input>,
  { seed, number, input, wrong }: { seed: number; number: number; input: Input; wrong: string },
): string {
  const lines = [
    `${target.name} input ${number} of seed ${seed}: ${wrong.slice(0, MAX_SHOWN)}`,
    `again: pnpm fuzz --only ${target.name} --seed ${seed} --from ${number} --inputs 1`,
    `as it was: ${target.show(input)}`,
  ]
  const smaller = target.shrink?.(input, (tried) => typeof target.check(tried, new Random(seed, number)) === 'string')
  if (smaller !== undefined) lines.push(`a row for test/fuzz/regressions.ts: ${target.show(smaller)}`)
  return lines.join('\n')
}
