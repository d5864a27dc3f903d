// Publishing for backends, by either HTTP API: when it is its turn, and told whether other servers get it.

import type { Rooms } from '@roomcast/rooms'
import type { Gate } from './gate.ts'

type Arguments = Parameters<Rooms["publish"]>
type Position = Awaited<ReturnType<Rooms['publish']>>

/** Publishes when it is its turn. `'busy'`: too much waits; `'lost'`: said here, and other servers do not get it, or nobody
 * is to hear it any more.
 * @param isToSay asked when it is its turn. */
export type Publish = (
  room: Arguments[0],
  data: Arguments[1],
  options?: Arguments[2],
  isToSay?: () => boolean,
) => Promise<Position | 'busy' | 'lost'>

/** What a frame has beside its data, about. */
const FRAME_BYTES = 64

/** Makes it.
 * @param tookLast did the bus, if there is one, take what was said last? */
export function createPublish(rooms: Rooms, gate: Gate, tookLast: () => boolean): Publish {
  return async (room, data, options = {}, isToSay = () => true) => {
    let said: Promise<Position | 'lost'> | undefined
    const speak = (): void => {
      if (!isToSay()) return
      said = rooms.publish(room, data, options)
      // Asked in the same step: the next one may fare otherwise.
      if (!tookLast()) said = said.then(() => 'lost')
    }
    const bytes = FRAME_BYTES + (typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength)
    const turn = await gate.say(room, bytes, speak)
    if (turn === 'busy') return turn
    return (await said) ?? 'lost'
  }
}
