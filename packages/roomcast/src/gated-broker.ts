// A broker whose deliveries pass the gate: what other servers said reaches the members of a channel when they have room.

import type { Broker } from '@roomcast/channels'
import type { Gate } from './gate.ts'

/** The same broker, but for that.
 * @param gate asked for at each delivery: it is made of the channels that the broker is for. */
export function gatedBroker(broker: Broker, gate: () => Gate): Broker {
  const start: Broker['start'] = (sink) =>
    broker.start({
      ...sink,
      deliver: (channel, frame) => gate().pass(channel, frame.bytes.length, () => sink.deliver(channel, frame)),
    })
  return new Proxy(broker, {
    get(target, name) {
      if (name === 'start') return start
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
