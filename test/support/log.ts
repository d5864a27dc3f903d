// What happened, in its order, and a way to wait for it: every wait has a deadline and says what was waited for.

const DEADLINE_MS = 5_000

export class Log<T> {
  readonly all: T[] = []
  readonly #name: string
  readonly #deadlineMs: number
  readonly #waiting = new Set<() => void>()

  constructor(name: string, { deadlineMs = DEADLINE_MS }: { deadlineMs?: number } = {}) {
    this.#name = name
    this.#deadlineMs = deadlineMs
  }

  get length(): number {
    return this.all.length
  }

  push(item: T): void {
    this.all.push(item)
    for (const check of [...this.#waiting]) check()
  }

  /** The entry at `index`, as soon as there is one. */
  at(index: number): Promise<T> {
    return this.until(() => this.all[index], `entry ${index}`)
  }

  /** The first entry that `matches`. */
  find(matches: (item: T) => boolean): Promise<T> {
    return this.until(() => this.all.find(matches), 'an entry that matches')
  }

  /** All entries, as soon as there are `count`. */
  count(count: number): Promise<T[]> {
    return this.until(() => (this.all.length >= count ? this.all : undefined), `${count} entries`)
  }

  /** What `get` gives, as soon as it is not undefined; asked again after each entry. */
  until<R>(get: () => R | undefined, what: string): Promise<R> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(check)
        reject(
          new Error(`${what} of ${this.#name} did not come in ${this.#deadlineMs} ms; there are ${this.all.length}`),
        )
      }, this.#deadlineMs)
      const check = (): void => {
        const found = get()
        if (found === undefined) return
        this.#waiting.delete(check)
        clearTimeout(timer)
        resolve(found)
      }
      this.#waiting.add(check)
      check()
    })
  }
}

/** The same promise, with a deadline. */
export async function inTime<T>(promise: Promise<T>, what: string, deadlineMs = DEADLINE_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come in ${deadlineMs} ms`)), deadlineMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Waits until `holds`, asking again in every turn of the event loop: for what no event tells of. */
export async function eventually(
  holds: () => boolean,
  what = 'the condition',
  deadlineMs: number = DEADLINE_MS,
): Promise<void> {
  const end = performance.now() + deadlineMs
  while (!holds()) {
    if (performance.now() > end) throw new Error(`${what} did not come to hold in ${deadlineMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** The next turn of the event loop, after everything that is due in this one. */
export async function nextTurn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}
