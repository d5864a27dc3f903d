// What channels do with a broker, call by call. What a broker must do is ../support/broker-suite.ts.

import type { Broker, BrokerSink, BrokerStatus, GapEvent, OnGap } from '@roomcast/channels'
import { createChannels } from '@roomcast/channels'
import type { Framed } from '@roomcast/core'
import { bin, txt } from '@roomcast/core'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { FakeSocket, messageOf } from '../support/fake-socket.ts'

/** Writes down what it is told. */
class RecordingBroker implements Broker {
  readonly status: BrokerStatus = 'ready'
  readonly calls: string[] = []
  readonly published: Framed[] = []
  sink!: BrokerSink

  start(sink: BrokerSink): void {
    this.sink = sink
    this.calls.push('start')
  }

  join(channel: string): void {
    this.calls.push(`join ${channel}`)
  }

  leave(channel: string): void {
    this.calls.push(`leave ${channel}`)
  }

  ready(channel: string): Promise<void> {
    this.calls.push(`ready ${channel}`)
    return Promise.resolve()
  }

  publish(channel: string, frame: Framed): boolean {
    this.calls.push(`publish ${channel} ${messageOf(frame)}`)
    this.published.push(frame)
    return true
  }

  close(): Promise<void> {
    this.calls.push('close')
    return Promise.resolve()
  }
}

function setUp(onGap?: OnGap) {
  const broker = new RecordingBroker()
  const channels = createChannels({ broker, onGap })
  const all = [new FakeSocket(), new FakeSocket(), new FakeSocket()] as const
  expect(broker.calls.splice(0)).toEqual(['start'])
  return { broker, channels, all }
}

describe('interest', () => {
  test('first member in, last member out', () => {
    const { broker, channels, all } = setUp()
    const [one, two] = all
    channels.join('a', one)
    channels.join('a', two)
    channels.join('a', two)
    channels.leave('a', one)
    channels.leave('a', one)
    expect(broker.calls).toEqual(['join a'])
    channels.leave('a', two)
    channels.join('a', one)
    expect(broker.calls).toEqual(['join a', 'leave a', 'join a'])
  })

  test('a closing socket takes its channels’ interest with it, where it was the last', () => {
    const { broker, channels, all } = setUp()
    const [one, two] = all
    for (const name of ['a', 'b', 'c']) channels.join(name, one)
    channels.join('b', two)
    one.close()
    expect(broker.calls).toEqual(['join a', 'join b', 'join c', 'leave a', 'leave c'])
    channels.leaveAll(two)
    expect(broker.calls.at(-1)).toBe('leave b')
  })

  test('a refused join tells the broker nothing', () => {
    const { broker, channels, all } = setUp()
    all[0].close()
    channels.join('a', all[0])
    channels.join('', all[1])
    expect(broker.calls).toEqual([])
  })

  test('a broker that throws leaves no dead member behind', () => {
    const { broker, channels, all } = setUp()
    for (const name of ['a', 'b']) channels.join(name, all[0])
    broker.leave = () => {
      throw new Error('broken broker')
    }
    expect(() => all[0].close()).toThrow('broken broker')
    expect([channels.channelCount, channels.memberCount('b')]).toEqual([0, 0])
  })
})

describe('publish', () => {
  test('after the local members, with the same frame', () => {
    const { broker, channels, all } = setUp()
    channels.join('a', all[0])
    all[0].write = (data) => {
      broker.calls.push('local write')
      return FakeSocket.prototype.write.call(all[0], data)
    }
    expect(channels.broadcast('a', 'hello')).toBe(1)
    expect(broker.calls).toEqual(['join a', 'local write', 'publish a hello'])
    expect(broker.published[0]).toBe(all[0].frames[0])
  })

  test('also without a local member, and when the only one is excepted', () => {
    const { broker, channels, all } = setUp()
    expect(channels.broadcast('a', 'to others')).toBe(0)
    channels.join('a', all[0])
    expect(channels.broadcast('a', 'not to me', { except: all[0] })).toBe(0)
    expect(broker.calls).toEqual(['publish a to others', 'join a', 'publish a not to me'])
    expect(all[0].messages).toEqual([])
  })

  test('not when it is local, and not to a bad name', () => {
    const { broker, channels, all } = setUp()
    channels.join('a', all[0])
    expect(channels.broadcast('a', 'local', { scope: 'local' })).toBe(1)
    expect(channels.broadcast('nobody', 'local', { scope: 'local' })).toBe(0)
    for (const name of ['', 'a\nb', 'x'.repeat(201), '\ud800']) expect(channels.broadcast(name, 'x')).toBe(0)
    expect(broker.calls).toEqual(['join a'])
  })
})

describe('deliver', () => {
  test('to local members only, as it is, never published again', () => {
    const { broker, channels, all } = setUp()
    const [one, two, three] = all
    channels.join('a', one)
    channels.join('a', two)
    channels.join('b', three)
    const framed = bin([Buffer.from([1, 2, 3])])
    broker.sink.deliver('a', framed)
    for (const socket of [one, two]) expect(socket.frames).toEqual([framed])
    expect(one.frames[0]).toBe(framed)
    expect(three.frames).toEqual([])
    expect(broker.published).toEqual([])
  })

  test('to a channel that is gone, and after close: nothing', async () => {
    const { broker, channels, all } = setUp()
    channels.join('a', all[0])
    broker.sink.deliver('b', txt('x'))
    await channels.close()
    broker.sink.deliver('a', txt('x'))
    expect(all[0].messages).toEqual([])
  })
})

describe('ready and close', () => {
  test('ready asks the broker, about names that can be', async () => {
    const { broker, channels } = setUp()
    await channels.ready('a')
    await channels.ready('')
    expect(broker.calls).toEqual(['ready a'])
    await createChannels().ready('a')
  })

  test('close releases the broker once, and nothing is said to it afterwards', async () => {
    const { broker, channels, all } = setUp()
    channels.join('a', all[0])
    await Promise.all([channels.close(), channels.close()])
    channels.join('a', all[0])
    channels.broadcast('a', 'x')
    await channels.ready('a')
    all[0].close()
    expect(broker.calls).toEqual(['join a', 'close'])
  })
})

describe('gap', () => {
  const heard = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  afterEach(() => heard.mockClear())

  test('listeners hear the channel and what is known; on and off chain', () => {
    const { broker, channels, all } = setUp()
    channels.join('a', all[0])
    const gaps: GapEvent[] = []
    const listener = (gap: GapEvent): void => void gaps.push(gap)
    expect(channels.on('gap', listener).on('gap', listener)).toBe(channels)
    broker.sink.gap('a', { node: 'f00d', missed: 3 })
    expect(gaps).toEqual(Array(2).fill({ channel: 'a', node: 'f00d', missed: 3 }))
    expect(channels.off('gap', listener)).toBe(channels)
    broker.sink.gap('a', {})
    expect(gaps.slice(2)).toEqual([{ channel: 'a' }])
    channels.off('gap', listener).off('gap', listener)
    broker.sink.gap('a', {})
    expect(gaps).toHaveLength(3)
    expect(all[0].messages).toEqual([])
    expect(all[0].readyState).toBe('open')
  })

  test('off takes the latest of a listener given twice, and nobody else', () => {
    const { broker, channels } = setUp()
    const order: string[] = []
    const [x, y] = [() => void order.push('x'), () => void order.push('y')]
    channels.on('gap', x).on('gap', y).on('gap', x)
    channels.off('gap', () => {}).off('gap', x)
    broker.sink.gap('a', {})
    expect(order).toEqual(['x', 'y'])
  })

  test('a listener may take itself back while it runs', () => {
    const { broker, channels } = setUp()
    let count = 0
    const once = (): void => {
      count++
      channels.off('gap', once)
    }
    const always = (): void => void count++
    channels.on('gap', once).on('gap', always)
    broker.sink.gap('a', {})
    broker.sink.gap('a', {})
    expect(count).toBe(3)
  })

  test("onGap: 'close' closes the members of that channel with 4002", () => {
    const { broker, channels, all } = setUp('close')
    const [one, two, three] = all
    channels.join('a', one)
    channels.join('a', two)
    channels.join('b', three)
    const counts: number[] = []
    channels.on('gap', ({ channel }) => counts.push(channels.memberCount(channel)))
    broker.sink.gap('a', { missed: 1 })
    expect(counts).toEqual([2])
    expect([one, two].map(({ closes }) => closes)).toEqual(Array(2).fill([{ code: 4002, reason: 'gap' }]))
    expect(three.readyState).toBe('open')
    expect(channels.memberCount('a')).toBe(0)
  })

  test('onGap: a function’s data goes to the local members, in order', () => {
    const asked: unknown[] = []
    const { broker, channels, all } = setUp((channel, info) => {
      asked.push([channel, info])
      return info.missed === 0 ? undefined : JSON.stringify({ reload: channel })
    })
    channels.join('a', all[0])
    broker.sink.gap('a', { missed: 2 })
    broker.sink.deliver('a', txt('later'))
    broker.sink.gap('a', { missed: 0 })
    broker.sink.gap('nobody', {})
    expect(all[0].messages).toEqual(['{"reload":"a"}', 'later'])
    expect(asked).toEqual([
      ['a', { missed: 2 }],
      ['a', { missed: 0 }],
    ])
    expect(broker.published).toEqual([])
  })

  test('what listeners and onGap throw becomes a warning and harms nobody', async () => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    try {
      const results = [
        () => {
          throw new Error('sync')
        },
        () => Promise.reject(new Error('async')),
        () => 5,
        () => {
          throw Object.create(null)
        },
      ]
      for (const result of results) {
        const { broker, channels, all } = setUp(result as unknown as OnGap)
        const gaps: GapEvent[] = []
        channels.on('gap', result as () => void).on('gap', (gap) => gaps.push(gap))
        channels.join('a', all[0])
        broker.sink.gap('a', {})
        expect(gaps).toHaveLength(1)
        broker.sink.deliver('a', txt('later'))
        expect(all[0].messages).toEqual(['later'])
      }
      await new Promise((resolve) => setImmediate(resolve))
      expect(unhandled).not.toHaveBeenCalled()
      const warnings = heard.mock.calls.map(([warning]) => String(warning))
      expect(warnings.filter((text) => text.startsWith("a 'gap' listener failed"))).toHaveLength(3)
      expect(warnings.filter((text) => text.startsWith('onGap failed')).length).toBeGreaterThanOrEqual(4)
      expect(warnings.filter((text) => text.includes('Error: sync'))).toHaveLength(2)
    } finally {
      process.off('unhandledRejection', unhandled)
    }
  })

  test('after close nobody hears of gaps', async () => {
    const { broker, channels } = setUp()
    const listener = vi.fn()
    channels.on('gap', listener)
    await channels.close()
    broker.sink.gap('a', {})
    expect(listener).not.toHaveBeenCalled()
  })
})
