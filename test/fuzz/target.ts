// What the fuzzer drives: something that makes an input out of random numbers, and says what is wrong with the answer.

import type { Random } from './random.ts'

export interface Target<Input> {
  readonly name: string
  /** What is tried, and what must hold. */
  readonly about: string
  /** Inputs of one run of CI. */
  readonly inputs: number
  make(random: Random): Input
  /** What is wrong; null: nothing. `random` goes on where `make` left it. */
  check(input: Input, random: Random): string | null | Promise<string | null>
  /** The input as a row of regressions.ts. */
  show(input: Input): string
  /** A smaller input for which `fails` is still true. */
  shrink?(input: Input, fails: (smaller: Input) => boolean): Input
}

/** The bytes without the parts that a failure does not need: tries to leave out halves, quarters … single bytes. */
export function shrinkBytes(bytes: Buffer, fails: (smaller: Buffer) => boolean): Buffer {
  let best = bytes
  for (let size = best.length >> 1; size > 0; size >>= 1) {
    for (let at = 0; at < best.length; ) {
      const smaller = Buffer.concat([best.subarray(0, at), best.subarray(at + size)])
      if (fails(smaller)) best = smaller
      else at += size
    }
  }
  return best
}
