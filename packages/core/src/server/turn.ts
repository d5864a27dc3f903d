// One pass of the event loop, as the one object that knows it: which turn it is, what is done when it ends, and what goes
// on in the next. Writes are flushed at its end, a socket's share of it is counted by its number.

import type { AsyncResource } from 'node:async_hooks'
import { callSafely } from '../connection/call-safely.ts'
import { setImmediate } from './real-time.ts'

/** Something that waits for the end of a turn. */
export interface TurnTask {
  onTurnEnd(): void
}

/** The turns of one server. */
export class Turn {
  readonly #scope: AsyncResource
  readonly #onError: (error: unknown) => void
  /** Counts the turns in which something was under way. */
  number = 1
  #begun = false
  #atEnd: TurnTask[] = []
  #afterEnd: TurnTask[] = []

  /** @param scope the server's own asynchronous context: whoever begins a turn must not lend it theirs.
   * @param onError hears what a task throws: the others are done all the same. */
  constructor(scope: AsyncResource, onError: (error: unknown) => void) {
    this.#scope = scope
    this.#onError = onError
  }

  /** This turn has an end, after which its number is another. */
  begin(): void {
    if (this.#begun) return
    this.#begun = true
    this.#scope.runInAsyncScope(setImmediate, undefined, this.#end)
  }

  /** Calls `task` when this turn ends. */
  atEnd(task: TurnTask): void {
    this.#atEnd.push(task)
    this.begin()
  }

  /** Calls `task` after all that is done at this turn's end, when the next has begun. */
  afterEnd(task: TurnTask): void {
    this.#afterEnd.push(task)
    this.begin()
  }

  readonly #end = (): void => {
    this.#begun = false
    this.number++
    const tasks = this.#atEnd
    const later = this.#afterEnd
    this.#atEnd = []
    this.#afterEnd = []
    for (const task of tasks.concat(later)) void callSafely(() => task.onTurnEnd(), this.#onError)
  }
}
