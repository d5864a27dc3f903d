// Numbers that look random and come back: each input of a run has a generator of its own, made of the run's seed and the
// input's number, so one input can be made again without those before it.

import { Buffer } from 'node:buffer'

/** A seeded generator: sfc32 by Chris Doty-Humphrey, 128 bits of state, passes PractRand. */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** @param seed of the run, @param input its number; both whole numbers below 2^32. */
  constructor(seed: number, input: number) {
    this.#a = seed | 0
    this.#b = input | 0
    this.#c = 0x9e37_79b9
    for (let i = 0; i < 12; i++) this.uint32()
  }

  /** 0 … 2^32 − 1 */
  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    return sum >>> 0
  }

  /** 0 … count − 1 */
  below(count: number): number {
    return Math.floor((this.uint32() / 0x1_0000_0000) * count)
  }

  /** from … to */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1)
  }

  /** True once in so many. */
  oneIn(count: number): boolean {
    return this.below(count) === 0
  }

  pick<T>(list: ArrayLike<T>): T {
    return list[this.below(list.length)]!
  }

  bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.below(256)))
  }
}
