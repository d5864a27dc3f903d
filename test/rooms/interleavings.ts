// Every way in which publications, a leave or a close can fall between the steps of one `enter`. The store goes on step by
// step, and nothing is lost: no mark and no gap ever comes to help.

import { createMemoryDatabase, type createRooms, type Draft, type Store, type StoreSink } from '@roomcast/rooms'
import { Person, settled } from './person.ts'

/** The moments at which something can happen, and their order where subscribing takes long. */
const MOMENTS = ['called', 'subscribed', 'ready', 'read', 'answered', 'in'] as const
const SLOW_MOMENTS: readonly Moment[] = ['called', 'read', 'answered', 'subscribed', 'ready', 'in']
type Moment = (typeof MOMENTS)[number]

export interface Interleaving {
  /** When publications are made. */
  published: readonly Moment[]
  /** Do they reach this node at once, or only at the end? */
  bus: 'prompt' | 'late'
  /** Does the subscription take longer than a read? */
  slow: boolean
  /** What the client has seen of the three that there are; undefined: it is new. */
  seen: number | undefined
  /** What the client does, and when. */
  ends?: { how: 'leave' | 'close'; at: Moment } | undefined
}

const SUBSETS: Moment[][] = Array.from({ length: 2 ** MOMENTS.length }, (_, bits) =>
  MOMENTS.filter((_moment, i) => bits & (1 << i)),
)

const ENDS: Interleaving['ends'][] = [
  undefined,
  ...MOMENTS.flatMap((at) => (['leave', 'close'] as const).map((how) => ({ how, at }))),
]

export const INTERLEAVINGS: readonly Interleaving[] = SUBSETS.flatMap((published) =>
  ENDS.filter((ends) => ends === undefined || published.length < 3).flatMap((ends) =>
    [undefined, 0, 1, 3].flatMap((seen) =>
      [true, false].flatMap((slow) =>
        (['prompt', 'late'] as const).map((bus) => ({ published, bus, slow, seen, ends })),
      ),
    ),
  ),
)

const HISTORY = { size: 1000, ttlMs: 60_000, maxBytes: 1_000_000 }

/** Plays one; returns what is wrong with it, or undefined. */
export async function interleave(
  { published, bus, slow, seen, ends }: Interleaving,
  make: typeof createRooms,
): Promise<string | undefined> {
  const database = createMemoryDatabase()
  const elsewhere = database.store()
  elsewhere.start({ deliver: () => {}, mark: () => {}, gap: () => {}, answer: () => ({}) })
  let count = 0
  const publish = async (): Promise<string> => {
    const draft: Draft = { id: `${++count}`, data: `${count}` }
    return (await elsewhere.publish('r', draft, { ...HISTORY, metaTtlMs: 60_000 }, undefined)).epoch
  }
  for (let i = 0; i < 2; i++) await publish()
  const epoch = await publish()

  const steps = new Steps(database.store(), bus)
  const rooms = make({ store: steps.store, options: () => ({ history: HISTORY, presence: true }) })
  const person = new Person('c')
  const entered = person.enter(rooms, 'r', seen === undefined ? undefined : { epoch, offset: seen })
  for (const moment of slow ? SLOW_MOMENTS : MOMENTS) {
    steps.go(moment)
    await settled()
    if (published.includes(moment)) await publish()
    await settled()
    if (ends?.at !== moment) continue
    if (ends.how === 'leave') rooms.leave('r', person.socket)
    else person.socket.close()
  }
  steps.deliver()
  await settled()

  const result = await entered
  if (ends !== undefined) {
    const present = await rooms.presence('r')
    if (rooms.stats().rooms !== 0 || present.size !== 0) return `somebody is left behind: ${present.size}`
    if (ends.at !== 'in') return result === 'closed' && person.heard.length === 0 ? undefined : `it was ${result}`
  }
  const [reply] = person.replies
  if (result !== 'entered' || reply === undefined || person.heard[0]?.is !== 'reply') return `it was ${result}`
  if (reply.recovered !== (seen !== undefined)) return `recovered: ${reply.recovered}`
  const first = seen === undefined ? reply.offset : seen
  const expected = Array.from({ length: count - first }, (_, i) => first + 1 + i)
  const actual = person.said.map(({ offset }) => offset)
  // Who left is shown nothing more; what it was shown must still be in order and without a hole.
  const right = ends === undefined ? String(actual) === String(expected) : String(expected).startsWith(String(actual))
  return right ? undefined : `shown ${actual}, expected ${expected}`
}

/** A store that carries out nothing before it is told to go on. */
class Steps {
  readonly store: Store
  readonly #gates = new Map<Moment, () => void>()
  readonly #passed = new Set<Moment>()
  readonly #waiting: (() => void)[] = []
  #late: boolean

  constructor(inner: Store, bus: 'prompt' | 'late') {
    this.#late = bus === 'late'
    const gate = <T>(moment: Moment, value: T): Promise<T> => {
      if (this.#passed.has(moment)) return Promise.resolve(value)
      return new Promise((resolve) => this.#chain(moment, () => resolve(value)))
    }
    const steps = this
    const changes: Partial<Store> = {
      start(sink: StoreSink) {
        inner.start({
          ...sink,
          deliver: (room, record) => {
            if (steps.#late) steps.#waiting.push(() => sink.deliver(room, record))
            else sink.deliver(room, record)
          },
        })
      },
      join: (room, rule) => this.#chain('subscribed', () => inner.join(room, rule)),
      ready: () => gate('ready', undefined),
      read: async (...args) => {
        await gate('read', undefined)
        const page = await inner.read(...args)
        return gate('answered', page)
      },
      enter: async (...args) => gate('in', await inner.enter(...args)),
    }
    this.store = new Proxy(inner, {
      get: (target, name: keyof Store) => changes[name] ?? (target[name] as (() => void) | undefined)?.bind(target),
    })
  }

  go(moment: Moment): void {
    this.#passed.add(moment)
    this.#gates.get(moment)?.()
  }

  deliver(): void {
    this.#late = false
    for (const run of this.#waiting) run()
  }

  #chain(moment: Moment, run: () => void): void {
    const before = this.#gates.get(moment)
    this.#gates.set(moment, () => {
      before?.()
      run()
    })
  }
}
