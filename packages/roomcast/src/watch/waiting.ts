// What is under way: how much of it, and since when the oldest.

/** Things under way, from `begin` to the end of each. */
export class Waiting {
  readonly #now: () => number
  readonly #since = new Map<object, number>()
  #bytes = 0

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  get count(): number {
    return this.#since.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** How long the oldest has been under way, in ms; 0: nothing is. */
  get oldestMs(): number {
    // A map keeps the order in which things came.
    const [first] = this.#since.values()
    return first === undefined ? 0 : this.#now() - first
  }

  /** Something begins.
   * @returns a function that ends it, and says how long it took, in ms. */
  begin(bytes = 0): () => number {
    const key = {}
    const began = this.#now()
    this.#since.set(key, began)
    this.#bytes += bytes
    return () => {
      if (this.#since.delete(key)) this.#bytes -= bytes
      return this.#now() - began
    }
  }
}
