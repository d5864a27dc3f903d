// A bus inside one process: the broker to test and to show several `createChannels` with, and the smallest example of
// how to write one. It loses nothing, so it never reports a gap.

import type { Framed } from '@roomcast/core'
import type { Broker, BrokerSink, BrokerStatus } from './broker.ts'

/** Makes brokers that see each other. */
export interface MemoryBus {
  /** A new broker on this bus, for one `createChannels`. */
  broker(): Broker
}

/** Makes a bus for several `createChannels` of one process. Delivery is asynchronous (a microtask), in the order of
 * publishing, to the brokers that had joined the channel when it was published and still are in it. */
export function createMemoryBus(): MemoryBus {
  const brokers = new Set<MemoryBroker>()
  return { broker: () => new MemoryBroker(brokers) }
}

class MemoryBroker implements Broker {
  readonly #bus: Set<MemoryBroker>
  readonly #joined = new Set<string>()
  #sink: BrokerSink | undefined
  #status: BrokerStatus = 'connecting'

  constructor(bus: Set<MemoryBroker>) {
    this.#bus = bus
  }

  get status(): BrokerStatus {
    return this.#status
  }

  start(sink: BrokerSink): void {
    if (this.#status !== 'connecting') throw new Error('a broker can be started once')
    this.#sink = sink
    this.#status = 'ready'
    this.#bus.add(this)
  }

  join(channel: string): void {
    if (this.#status === 'ready') this.#joined.add(channel)
  }

  leave(channel: string): void {
    this.#joined.delete(channel)
  }

  ready(_channel: string): Promise<void> {
    return Promise.resolve()
  }

  publish(channel: string, frame: Framed): boolean {
    if (this.#status !== 'ready') return false
    for (const broker of this.#bus) {
      if (broker === this || !broker.#joined.has(channel)) continue
      // Microtasks run in the order they were queued: that keeps each publisher's order.
      queueMicrotask(() => {
        if (broker.#joined.has(channel)) broker.#sink?.deliver(channel, frame)
      })
    }
    return true
  }

  close(): Promise<void> {
    this.#status = 'closed'
    this.#joined.clear()
    this.#bus.delete(this)
    return Promise.resolve()
  }
}
