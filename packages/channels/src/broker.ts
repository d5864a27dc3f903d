// The port between channels and a bus: what `createChannels` needs of whatever carries broadcasts to other nodes, and
// what it offers in return. Types only; memory-bus.ts is the smallest broker there is.

import type { Framed } from '@roomcast/core'

/** How a broker stands with its bus. `'connecting'`: not there yet, for the first time. `'ready'`: messages go both ways.
 * `'degraded'`: lost, and being sought again. `'closed'`: for good. */
export type BrokerStatus = 'connecting' | 'ready' | 'degraded' | 'closed'

/** What is known of a loss. */
export interface GapInfo {
  /** The node whose messages were lost; absent when unknown. */
  node?: string
  /** How many were lost; absent when unknown. */
  missed?: number
}

/** Carries broadcasts between nodes. None of its methods throws for the condition of the bus, and none calls the sink
 * before it has returned. */
export interface Broker {
  /** Called once, by `createChannels`, before anything else.
   * @throws Error when it was started before: a broker serves one `createChannels`. */
  start(sink: BrokerSink): void
  /** The first local member of a channel came: its messages are wanted from now on. */
  join(channel: string): void
  /** The last local member went: nothing is delivered for the channel any more. */
  leave(channel: string): void
  /** Resolves when every message published from then on by another node will be delivered here, or be reported as a gap.
   * For a channel that is not joined, or was left meanwhile, and when the broker closes: resolves too, as nobody is
   * left to miss anything. */
  ready(channel: string): Promise<void>
  /** Hands a frame to the other nodes that joined the channel, never back to this one, in the order of the calls. Whether
   * this node has members there does not matter.
   * @returns false when it is lost here, as too much waits for the bus: the other nodes are told of a gap, and nobody else
   * is. True says that it waits for the bus, not that anybody has it. After `close`: a no-op, and false. */
  publish(channel: string, frame: Framed): boolean
  readonly status: BrokerStatus
  /** Lets go of the bus; resolves when nothing is held any more. Again: the same. */
  close(): Promise<void>
}

/** Where a broker puts what it received. */
export interface BrokerSink {
  /** Passes a frame of another node, as it is, to the local members of a channel. It is never published again. */
  deliver(channel: string, frame: Framed): void
  /** Reports that messages of a channel were lost on the bus. */
  gap(channel: string, info: GapInfo): void
}
