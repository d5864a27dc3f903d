// The page's connection, with a WebSocket and a clock made for the test.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

type Outcome = { ms: number } | { error: string } | { lost: number }

interface Connection {
  readonly state: string
  connect(): void
  ask(message: object, settle: (outcome: Outcome) => void): void
}

interface Listener {
  state(state: string, why?: string): void
  said(channel: string, value: unknown): void
  error(error: string): void
}

const PAGE = new URL('../../packages/roomcast/page/', import.meta.url)
const { Connection, retryDelayMs } = (await import(new URL('connection.js', PAGE).href)) as {
  Connection: new (url: string, on: Listener) => Connection
  retryDelayMs: (attempt: number, random?: () => number) => number
}
const { closeText, errorText, REFUSED } = (await import(new URL('words.js', PAGE).href)) as {
  closeText: (code: number) => string
  errorText: (error: string) => string
  REFUSED: string
}

class FakeSocket {
  static made: FakeSocket[] = []
  onopen: (() => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: ((event: { code: number }) => void) | null = null
  sent: { ref: number }[] = []
  isClosed = false

  constructor() {
    FakeSocket.made.push(this)
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as { ref: number })
  }

  close(): void {
    this.isClosed = true
  }
}

const last = (): FakeSocket => FakeSocket.made.at(-1)!
let states: unknown[][]
let heard: unknown[]
let connection: Connection

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  vi.stubGlobal('WebSocket', FakeSocket)
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  FakeSocket.made = []
  states = []
  heard = []
  connection = new Connection('ws://test/', {
    state: (...args) => void states.push(args),
    said: (channel, value) => void heard.push({ channel, value }),
    error: (error) => void heard.push(error),
  })
  connection.connect()
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

/** Ends the connection and returns how long it takes until the next one is begun. */
function delayAfter(code: number, options: { openMs?: number } = {}): number {
  if (options.openMs !== undefined) {
    last().onopen?.()
    vi.advanceTimersByTime(options.openMs)
  }
  const { length } = FakeSocket.made
  last().onclose?.({ code })
  let waited = 0
  while (FakeSocket.made.length === length && waited <= 40_000) {
    vi.advanceTimersByTime(50)
    waited += 50
  }
  return waited
}

describe('waiting', () => {
  test.each([
    [0, 0.999, 500],
    [0, 0, 0],
    [1, 0.5, 500],
    [5, 0.5, 8000],
    [6, 0.5, 15_000],
    [1000, 0.999, 30_000],
  ])('attempt %i with random %d: about %i ms', (attempt, random, expected) => {
    const delay = retryDelayMs(attempt, () => random)
    expect(Math.abs(delay - expected)).toBeLessThanOrEqual(30)
  })

  test('doubles from failure to failure', () => {
    vi.stubGlobal('fetch', () => Promise.reject(new Error('no server')))
    expect([1006, 1006, 1006, 1006, 1006].map((code) => delayAfter(code))).toEqual([250, 500, 1000, 2000, 4000])
  })

  test('starts over only after a connection of ten seconds', () => {
    const delays = [0, 0, 9990, 10_000, 0].map((openMs) => delayAfter(1006, { openMs }))
    expect(delays).toEqual([250, 500, 1000, 250, 500])
  })

  test.each([
    [1001, 250],
    [1009, 250],
    [1012, 1000],
    [1013, 4000],
    [3000, 250],
    [4008, 250],
  ])('after %i it starts at %i ms', (code, delay) => {
    expect(delayAfter(code, { openMs: 20_000 })).toBe(delay)
  })

  test('1000 is obeyed: no return by itself, but by hand', () => {
    expect(delayAfter(1000, { openMs: 0 })).toBeGreaterThan(40_000)
    expect(states.at(-1)).toEqual(['stopped', closeText(1000)])
    connection.connect()
    expect(FakeSocket.made).toHaveLength(2)
  })

  test('connecting by hand replaces the waiting, and never makes a second connection', () => {
    last().onclose?.({ code: 1006 })
    connection.connect()
    connection.connect()
    vi.advanceTimersByTime(60_000)
    expect(FakeSocket.made).toHaveLength(2)
  })

  test('a server that answers HTTP but refuses twice is called refusing', async () => {
    vi.stubGlobal('fetch', () => Promise.resolve({ ok: true }))
    delayAfter(1006)
    last().onclose?.({ code: 1006 })
    await vi.waitFor(() => expect(states.at(-1)).toEqual(['waiting', REFUSED]))
  })
})

describe('asking', () => {
  test('answers find their questions, in any order', () => {
    last().onopen?.()
    const outcomes: Outcome[] = []
    for (const join of ['a', 'b', 'c']) connection.ask({ join }, (outcome) => outcomes.push(outcome))
    const [a, b, c] = last().sent.map(({ ref }) => ref)
    vi.advanceTimersByTime(7)
    for (const answer of [{ ok: c }, { error: 'full', ref: a }, { joined: 'b', ref: b }, { joined: 'b', ref: b }]) {
      last().onmessage?.({ data: JSON.stringify(answer) })
    }
    expect(outcomes).toEqual([{ ms: 7 }, { error: 'full' }, { ms: 7 }])
  })

  test('what is said and errors without a question are passed on', () => {
    last().onopen?.()
    for (const data of ['{"said":null,"in":"lobby"}', '{"error":"bad_request"}']) last().onmessage?.({ data })
    expect(heard).toEqual([{ channel: 'lobby', value: null }, 'bad_request'])
  })

  test('questions are lost with their connection, after its end is known', () => {
    last().onopen?.()
    const seen: unknown[] = []
    connection.ask({ say: 1 }, (outcome) => seen.push(outcome, connection.state))
    last().onclose?.({ code: 1012 })
    expect(seen).toEqual([{ lost: 1012 }, 'waiting'])
  })

  test('no answer for ten seconds: the connection is taken for dead and left', () => {
    last().onopen?.()
    const outcomes: Outcome[] = []
    connection.ask({ say: 1 }, (outcome) => outcomes.push(outcome))
    connection.ask({ say: 2 }, (outcome) => outcomes.push(outcome))
    vi.advanceTimersByTime(9999)
    expect(outcomes).toEqual([])
    vi.advanceTimersByTime(1)
    expect(outcomes).toEqual([{ lost: 1006 }, { lost: 1006 }])
    expect([last().isClosed, last().onclose]).toEqual([true, null])
    vi.advanceTimersByTime(500)
    expect(FakeSocket.made).toHaveLength(2)
  })
})

test('every error and close code has a sentence of its own', () => {
  const sentences = [
    ...['not_a_member', 'full', 'bad_name', 'busy', 'too_large', 'bad_request'].map(errorText),
    ...[1000, 1001, 1002, 1003, 1006, 1007, 1008, 1009, 1011, 1012, 1013, 3000, 4002, 4008].map(closeText),
  ]
  expect(new Set(sentences).size).toBe(sentences.length)
  for (const sentence of sentences) expect(sentence).toMatch(/^[A-Z].*\.$/)
  expect([closeText(4999), errorText('__proto__')]).toEqual([
    'The connection ended (code 4999).',
    'The server refused: __proto__.',
  ])
})
