// One share per turn, however the callbacks of a socket return: the messages of one, hundreds in one read, leave room for
// other sockets, for timers and for immediates, and stay whole and in order.

import { afterEach, describe, expect, test } from 'vitest'
import { Op } from '../support/client-frames.ts'
import { cleanUp } from '../support/core-server.ts'
import { closePlaces, places } from './places.ts'

afterEach(async () => {
  await cleanUp()
  closePlaces()
})

const COUNT = 600

function work(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

/** How a callback returns. */
const RETURNS: readonly (readonly [string, (ms: number) => unknown])[] = [
  ['at once', (ms) => work(ms)],
  ['a promise, async', async (ms) => work(ms)],
  ['a promise after its first await', (ms) => Promise.resolve().then(() => work(ms))],
  [
    'a promise after many',
    async (ms) => {
      for (let i = 0; i < 5; i++) await null
      work(ms)
    },
  ],
  [
    'a thenable',
    (ms) => ({
      // biome-ignore lint/suspicious/noThenProperty: this is what is tested.
      then(settled: () => void) {
        work(ms)
        settled()
      },
    }),
  ],
]

const DURATIONS = [0.05, 0.2, 0.6]

const ROWS = RETURNS.flatMap(([how, handle]) => DURATIONS.map((ms) => ({ how, handle, ms })))

describe.each(places('own port', 'TLS', 'Duplex'))('$name', (place) => {
  test.each(ROWS)('$ms ms each, returned $how: others come in between', async ({ handle, ms }) => {
    let ofFlood = 0
    const seen: Record<string, number> = {}
    const server = await place.serve<undefined, { path: string }>({
      sliceMs: 2,
      handler: {
        handshake: ({ path }) => ({ path }),
        message({ state }) {
          if (state.path === '/other') {
            seen.other ??= ofFlood
            return
          }
          if (ofFlood++ === 0) {
            setTimeout(() => (seen.timer ??= ofFlood), 0)
            setImmediate(() => (seen.immediate ??= ofFlood))
          }
          return handle(ms)
        },
      },
    })
    const flood = await server.connect({ url: '/flood' })
    const other = await server.connect({ url: '/other' })
    const texts = Array.from({ length: COUNT }, (_, i) => `message ${i}`)
    flood.client.say(...texts)
    other.client.say('me too')
    await server.messages.count(COUNT + 1)
    const own = server.messages.all.filter(({ socket }) => socket === flood.socket)
    expect(own.map(({ data }) => `${data}`)).toEqual(texts)
    // A slice is 40 of them at most; some of their turns pass before the other is read.
    expect(Object.keys(seen).sort()).toEqual(['immediate', 'other', 'timer'])
    for (const [what, after] of Object.entries(seen)) expect(after, what).toBeLessThan(COUNT / 2)
  })
})

test.each(RETURNS)('pongs have the same share as messages: returned %s', async (_, handle) => {
  let ofFlood = 0
  let timerAfter = -1
  const server = await places('own port')[0]!.serve({
    sliceMs: 2,
    maxControlFramesPerSecond: 10_000,
    handler: {
      pong() {
        if (ofFlood++ === 0) setTimeout(() => (timerAfter = ofFlood), 0)
        if (ofFlood === COUNT) done()
        return handle(0.1)
      },
    },
  })
  let done = (): void => {}
  const all = new Promise<void>((resolve) => (done = resolve))
  const { client } = await server.connect()
  client.send(...Array.from({ length: COUNT }, () => ({ opcode: Op.PONG })))
  await all
  expect(timerAfter).toBeGreaterThan(0)
  expect(timerAfter).toBeLessThan(COUNT / 2)
})
