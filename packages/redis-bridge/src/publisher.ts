// Publishing without sockets or a subscription, from a worker or a cron job. Nothing of its own comes back to it, so what
// proves that Redis is there is the answer to what it wrote.

import { randomBytes } from 'node:crypto'
import { isChannelName } from '@roomcast/channels'
import { type Framed, frame, type Opcode, type Payload } from '@roomcast/core'
import { Sender } from './bus/sender.ts'
import { type PublisherOptions, readQueueLimits, readTarget } from './options.ts'
import { realClock, settled } from './real-clock.ts'

/** Publishes to the members on every node. */
export interface Publisher {
  /** Resolves when Redis has the message; waits for it through an outage. Rejects when it is lost: too much waits
   * already, it waited for over 60 s, Redis refuses it, or the publisher was closed.
   * @param data as for `channels.broadcast`.
   * @throws TypeError for an argument of the wrong type, RangeError for what is no channel's name or another opcode. */
  publish(channel: string, data: Payload | Framed, options?: { opcode?: Opcode }): Promise<void>
  /** Gives what was published up to 2 s, then lets go of Redis: nothing keeps the process any more. */
  close(): Promise<void>
}

/** Makes a publisher; it connects at once.
 * @throws TypeError for an option of the wrong type, RangeError for a wrong value. */
export function createPublisher(options: PublisherOptions): Publisher {
  const target = readTarget(options, false)
  const sender = new Sender({ ...target, ...readQueueLimits(options), clock: realClock, newId: () => randomBytes(8) })
  let closing: Promise<void> | undefined
  sender.open()
  return {
    publish(channel, data, { opcode } = {}) {
      if (typeof channel !== 'string') throw new TypeError('channel must be a string')
      if (!isChannelName(channel)) throw new RangeError('channel is no name of a channel')
      const { bytes } = frame(data, opcode)
      return new Promise((resolve, reject) => {
        if (closing !== undefined) return reject(new Error('the publisher is closed'))
        const heard = (error?: Error): void => (error === undefined ? resolve() : reject(error))
        if (!sender.publish(channel, bytes, heard)) reject(new Error('too much waits for Redis already'))
      })
    },
    close: () => (closing ??= sender.close().then(settled)),
  }
}
