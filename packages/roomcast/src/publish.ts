// Publishing for clients that speak the words, and for backends by either HTTP API: when it is its turn, and told whether
// other servers get it.

import type { Rooms } from '@roomcast/rooms'
import type { Speaker } from './gate.ts'
import type { Passage } from './watch/watched-gate.ts'

type Arguments = Parameters<Rooms['publish']>
type Position = Awaited<ReturnType<Rooms['publish']>>

/** Publishes when it is its turn. `'busy'`: too much waits; `'lost'`: said here, and other servers do not get it, or nobody
 * is to hear it any more.
 * @param more.isToSay asked when it is its turn.
 * @param more.speaker whoever goes away while it waits has not said it. */
export type Publish = (
  room: Arguments[0],
  data: Arguments[1],
  options?: Arguments[2],
  more?: { isToSay?: () => boolean; speaker?: Speaker },
) => Promise<Position | 'busy' | 'lost'>

/** What a frame has beside its data, about. */
const FRAME_BYTES = 64

/** Makes it.
 * @param tookLast did the bus, if there is one, take what was said last? */
export function createPublish(rooms: Rooms, gate: Pick<Passage, 'say'>, tookLast: () => boolean): Publish {
  return async (room, data, options = {}, { isToSay = () => true, speaker } = {}) => {
    let said: Promise<Position | 'lost'> | undefined
    const speak = (): void => {
      if (!isToSay()) return
      said = rooms.publish(room, data, options)
      // Asked in the same step: the next one may fare otherwise.
      if (!tookLast()) said = said.then(() => 'lost')
    }
    const bytes = FRAME_BYTES + (typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength)
    const turn = await gate.say(room, bytes, speak, speaker)
    if (turn === 'busy') return turn
    return (await said) ?? 'lost'
  }
}
