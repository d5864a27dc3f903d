// Publishing without sockets or a subscription, from a worker or a cron job. Nothing of its own comes back to it, so what
// proves that Redis is there is the acknowledgement.

import { randomBytes } from 'node:crypto'
import { isChannelName } from '@roomcast/channels'
import { type Framed, frame, type Opcode, type Payload } from '@roomcast/core'
import { realClock } from './clock.ts'
import { type RedisTarget, readTarget } from './options.ts'
import { Outgoing } from './outgoing.ts'
import { Session } from './session.ts'

/** Unacknowledged for longer, Redis is sought anew. */
const ACKNOWLEDGE_MS = 5000
const CLOSE_TIMEOUT_MS = 2000

/** Publishes to the members on every node. */
export interface Publisher {
  /** Resolves when Redis has the message; waits for it through an outage. Rejects when it is lost: too much waits
   * already, or the publisher was closed.
   * @param data as for `channels.broadcast`.
   * @throws TypeError for an argument of the wrong type, RangeError for what is no channel's name or another opcode. */
  publish(channel: string, data: Payload | Framed, options?: { opcode?: Opcode }): Promise<void>
  /** Gives what was published up to 2 s, then lets go of Redis: nothing keeps the process any more. */
  close(): Promise<void>
}

/** Makes a publisher; it connects at once.
 * @throws TypeError for an option of the wrong type, RangeError for a wrong value. */
export function createPublisher(options: RedisTarget): Publisher {
  const { openLink, names, onLost } = readTarget(options, false)
  const clock = realClock
  let closing: Promise<void> | undefined
  let cancelWatch: (() => void) | undefined
  const outgoing = new Outgoing({
    clock,
    node: randomBytes(8),
    nameOf: names.of,
    failed: (error) => session.fail(error),
    acknowledged: () => session.established(),
  })
  const session = new Session(clock, openLink, {
    up(link) {
      session.answered()
      outgoing.up(link)
      cancelWatch = clock.after(ACKNOWLEDGE_MS, watch)
    },
    down() {
      cancelWatch?.()
      outgoing.down()
    },
    message: () => {},
    lost: onLost,
  })
  const watch = (): void => {
    cancelWatch = clock.after(ACKNOWLEDGE_MS, watch)
    if (outgoing.oldestWrittenAt < clock.now() - ACKNOWLEDGE_MS) session.fail(new Error('Redis does not answer'))
  }
  session.open()

  async function finish(): Promise<void> {
    let cancel: (() => void) | undefined
    await Promise.race([
      outgoing.drain(),
      new Promise<void>((resolve) => {
        cancel = clock.after(CLOSE_TIMEOUT_MS, resolve)
      }),
    ])
    cancel?.()
    session.close()
    outgoing.close()
  }

  return {
    publish(channel, data, { opcode } = {}) {
      if (typeof channel !== 'string') throw new TypeError('channel must be a string')
      if (!isChannelName(channel)) throw new RangeError('channel is no name of a channel')
      const { bytes } = frame(data, opcode)
      return new Promise((resolve, reject) => {
        if (closing !== undefined) return reject(new Error('the publisher is closed'))
        const settled = (error?: Error): void => (error === undefined ? resolve() : reject(error))
        if (!outgoing.publish(channel, bytes, settled)) reject(new Error('too much waits for Redis already'))
      })
    },
    close: () => (closing ??= finish()),
  }
}
