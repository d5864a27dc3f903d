// The gate, and how much waits at it.

import type { Gate } from '../gate.ts'
import type { Waiting } from './waiting.ts'

/** What is done at a gate. */
export type Passage = Pick<Gate, 'say' | 'turn' | 'pass'>

/** The same gate; what waits at it is in `waiting`. */
export function watchGate(gate: Passage, waiting: Waiting): Passage {
  function waited(bytes: number, turn: ReturnType<Gate['say']>): ReturnType<Gate['say']> {
    if (!(turn instanceof Promise)) return turn
    const end = waiting.begin(bytes)
    turn.then(end, end)
    return turn
  }
  return {
    say: (channel, bytes, speak, speaker) => waited(bytes, gate.say(channel, bytes, speak, speaker)),
    turn: (channel, bytes, speaker) => waited(bytes, gate.turn(channel, bytes, speaker)),
    pass(channel, bytes, deliver) {
      let end: (() => number) | undefined
      let isDone = false
      gate.pass(channel, bytes, () => {
        isDone = true
        end?.()
        deliver()
      })
      if (!isDone) end = waiting.begin(bytes)
    },
  }
}
