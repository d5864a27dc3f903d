// The lines that are there: one for each place, shared by the partitions that it carries.

import type { Attention } from './attention.ts'
import type { Clock } from './clock.ts'
import { Line, type LineUser } from './line.ts'
import type { Transport } from './link.ts'

export interface LinesOptions {
  clock: Clock
  attention: Attention
  transport: Transport
  message(line: Line, route: string, bytes: Buffer): void
}

export class Lines {
  readonly #options: LinesOptions
  readonly #lines = new Map<string, Line>()

  constructor(options: LinesOptions) {
    this.#options = options
  }

  /** Finds who carries a partition and lets `user` use the line to it, which is opened when there is none. When that is
   * over, or nobody is found, `user` hears `down`, once. The function returned calls it off. */
  attach(partition: number, user: LineUser): () => void {
    let line: Line | undefined
    let over = false
    const cancel = this.#options.transport.locate(partition, (place) => {
      if (over) return
      if (typeof place !== 'string') return this.#options.clock.soon(() => over || user.down(place))
      line = this.#lines.get(place) ?? this.#open(place)
      line.add(user)
    })
    return () => {
      over = true
      cancel()
      line?.remove(user)
    }
  }

  #open(place: string): Line {
    const { clock, attention, transport, message } = this.#options
    const line = new Line({
      clock,
      attention,
      message,
      open: (events) => transport.open(place, events),
      over: () => {
        if (this.#lines.get(place) === line) this.#lines.delete(place)
      },
    })
    this.#lines.set(place, line)
    return line
  }
}
