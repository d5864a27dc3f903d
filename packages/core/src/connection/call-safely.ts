// Calling what a user wrote, so that whatever it does harms nobody else.

/** Is it a promise, or something like one? To `await` a function with a `then` is one, too. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}

/** Has a handler this callback? A getter that throws counts as one: its throw is told where it is called. */
export function hasCallback<H extends object>(handler: H, name: keyof H): boolean {
  try {
    return Boolean(handler[name])
  } catch {
    return true
  }
}

/** Calls `work`; what it throws, or what a promise that it returns rejects with, goes to `onError`.
 * @returns when that promise has settled; never rejects. undefined: it returned none. */
export function callSafely(work: () => unknown, onError: (error: unknown) => void): Promise<void> | undefined {
  try {
    const result = work()
    return isThenable(result) ? Promise.resolve(result).then(() => {}, onError) : undefined
  } catch (error) {
    onError(error)
    return undefined
  }
}

/** Is it a promise where none may be? Nobody will wait for it: were its rejection not heard, it would end the process. */
export function isStray(value: unknown): boolean {
  if (!isThenable(value)) return false
  Promise.resolve(value).catch(() => {})
  return true
}

/** What a predicate says. A promise is truthy: one that is async must not let everybody in.
 * @throws TypeError for a promise, whose rejection then ends nothing. */
export function answerOf(answer: unknown): boolean {
  if (isStray(answer)) throw new TypeError('a predicate must not be async')
  return Boolean(answer)
}
