// The page's connection: npm's SDK with a WebSocket that nobody answers, and a clock made for the test.

import { Centrifuge } from 'centrifuge'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

interface Connection {
  readonly state: string
  readonly roundTripMs: number | undefined
  readonly client: Centrifuge
  connect(): void
  renew(): void
  measured(ms: number): void
}

const PAGE = new URL('../../packages/roomcast/page/', import.meta.url)
const { Connection } = (await import(new URL('connection.js', PAGE).href)) as {
  Connection: new (url: string, on: object, parts: object) => Connection
}
const { asksForToken, endText, errorText, isLost, roomText } = (await import(new URL('words.js', PAGE).href)) as {
  asksForToken: (code: number) => boolean
  endText: (code: number) => string
  errorText: (error: { code: number; message?: string }) => string
  isLost: (code: number) => boolean
  roomText: (error: { code: number; message?: string }) => string
}

/** Connects when the test says so; a call of `close` ends it at once, as a browser does while it is connecting. */
class FakeSocket extends EventTarget {
  static made: FakeSocket[] = []
  binaryType = 'blob'
  readyState = 0
  onopen: (() => void) | null = null
  onclose: ((event: { code: number; reason: string }) => void) | null = null
  onerror: ((event: unknown) => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null

  constructor() {
    super()
    FakeSocket.made.push(this)
  }

  send(): void {}

  close(): void {
    if (this.readyState === 3) return
    this.readyState = 3
    this.onclose?.({ code: 1006, reason: '' })
    this.dispatchEvent(new Event('close'))
  }

  /** The server answers the handshake. */
  answer(): void {
    this.readyState = 1
    this.onopen?.()
    this.dispatchEvent(new Event('open'))
  }
}

describe('the connection', () => {
  let states: string[]
  let connection: Connection
  beforeEach(() => {
    vi.useFakeTimers()
    FakeSocket.made = []
    states = []
    const on = { state: (state: string) => states.push(state), failed() {} }
    connection = new Connection('ws://test/', on, { Centrifuge, WebSocket: FakeSocket })
    connection.connect()
  })
  afterEach(() => {
    connection.client.disconnect()
    vi.useRealTimers()
  })

  test('an attempt that nobody answers is given up after 5 s, and others follow', async () => {
    await vi.advanceTimersByTimeAsync(4000)
    expect(FakeSocket.made.map(({ readyState }) => readyState)).toEqual([0])
    await vi.advanceTimersByTimeAsync(2000)
    expect(FakeSocket.made[0]?.readyState).toBe(3)
    await vi.advanceTimersByTimeAsync(192_000)
    expect(FakeSocket.made.length).toBeGreaterThan(10)
    expect(FakeSocket.made.slice(0, -1).every(({ readyState }) => readyState === 3)).toBe(true)
    expect(new Set(states)).toEqual(new Set(['connecting']))
  })

  test('one that was answered is not', async () => {
    FakeSocket.made[0]!.answer()
    FakeSocket.made[0]!.onmessage?.({ data: '{"id":1,"connect":{"client":"a","version":"x"}}' })
    await vi.advanceTimersByTimeAsync(60_000)
    expect(connection.state).toBe('open')
    expect(FakeSocket.made).toHaveLength(1)
  })

  test('a server whose pings stay away is left', async () => {
    FakeSocket.made[0]!.answer()
    FakeSocket.made[0]!.onmessage?.({ data: '{"id":1,"connect":{"client":"a","version":"x","ping":25,"pong":true}}' })
    await vi.advanceTimersByTimeAsync(34_000)
    expect(connection.state).toBe('open')
    await vi.advanceTimersByTimeAsync(2000)
    expect(connection.state).toBe('waiting')
  })

  test('who does not want to wait connects at once', () => {
    connection.renew()
    expect(FakeSocket.made.map(({ readyState }) => readyState)).toEqual([3, 0])
    expect(states).toEqual(['connecting', 'connecting'])
  })

  test('the round trip is the median of the last nine', () => {
    expect(connection.roundTripMs).toBeUndefined()
    for (const ms of [900, 1, 2, 3, 4, 5, 6, 7, 8, 9]) connection.measured(ms)
    expect(connection.roundTripMs).toBe(5)
  })
})

describe('words', () => {
  test('every refusal and every end is a sentence', () => {
    const codes = [100, 102, 103, 106, 107, 108, 109, 111, 2000, 2500, 2501, 777]
    const errors = codes.flatMap((code) => [errorText({ code, message: 'x' }), roomText({ code, message: 'x' })])
    const ends = [1, 3, 109, 3500, 3501, 3503, 3504, 3505, 3507, 4999].map(endText)
    for (const text of [...errors, ...ends]) expect(text).toMatch(/^[A-Z][^{}]+\.$/)
  })

  test.each([1, 101, 109, 3500, 3501, 3507])('%i asks for a token', (code) => expect(asksForToken(code)).toBe(true))
  test.each([3, 3503, 3504])('%i does not', (code) => expect(asksForToken(code)).toBe(false))
  test.each([1, 2, 3, 10, 11])('%i leaves open whether it was done', (code) => expect(isLost(code)).toBe(true))
  test.each([7, 100, 103, 111])('%i does not', (code) => expect(isLost(code)).toBe(false))
})
