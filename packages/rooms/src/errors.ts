// What can go wrong without anybody's mistake: the store is away, or a position cannot be had any more.

/** The store could not carry out a call, or not in time. It may have been carried out: a publication with an idempotency
 * key can be repeated safely. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError'

  constructor(message = 'the store is not available', options?: ErrorOptions) {
    super(message, options)
  }
}

/** A history was asked for from a position of another epoch, or one after which something was trimmed. */
export class UnrecoverablePositionError extends Error {
  override readonly name = 'UnrecoverablePositionError'

  constructor(room: string) {
    super(`the history of ${JSON.stringify(room)} does not reach back to that position`)
  }
}
