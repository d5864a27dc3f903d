// A broker whose deliveries pass the gate: what other servers said reaches the members of a channel when they have room.
// And one that remembers whether the bus took what was published last, which `broadcast` does not tell.

import type { Broker } from '@roomcast/channels'
import type { Gate } from './gate.ts'

export interface GatedBroker extends Broker {
  /** Did the bus take what was published last? Else too much waits for it, and other servers do not get it. */
  readonly tookLast: boolean
}

/** The same broker, but for that.
 * @param gate asked for at each delivery: it is made of the channels that the broker is for. */
export function gatedBroker(broker: Broker, gate: () => Gate): GatedBroker {
  let tookLast = true
  const start: Broker['start'] = (sink) =>
    broker.start({
      ...sink,
      deliver: (channel, frame) => gate().pass(channel, frame.bytes.length, () => sink.deliver(channel, frame)),
    })
  const publish: Broker['publish'] = (channel, frame) => {
    // A broker of before there was an answer has none.
    tookLast = (broker.publish(channel, frame) as boolean | undefined) !== false
    return tookLast
  }
  return new Proxy(broker, {
    get(target, name) {
      if (name === 'start') return start
      if (name === 'publish') return publish
      if (name === 'tookLast') return tookLast
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  }) as GatedBroker
}
