// How long a connection lives: first words, pings, tokens that expire, buckets; on a clock that a test moves.

import { expect, test } from 'vitest'
import { type Peer, Stage } from './stage.ts'

const SUBSCRIBE = '{"id":2,"subscribe":{"channel":"r"}}'

test('no connect within 10 s: 3502', async () => {
  const stage = new Stage()
  const peer = stage.open()
  await stage.clock.pass(9_999)
  expect(peer.end).toBeUndefined()
  await stage.clock.pass(1)
  expect(peer.end).toBe('3502 stale')
})

test('an authentication that takes too long is stale, and whoever is let in after it is told to be gone', async () => {
  const gone: unknown[] = []
  let admit = (_: { user: string }): void => {}
  const stage = new Stage({
    policy: {
      authenticate: () => new Promise((resolve) => (admit = resolve)),
      disconnected: (client, info) => gone.push([client.user, info]),
    },
  })
  const peer = stage.open()
  await peer.say('{"id":1,"connect":{}}', SUBSCRIBE)
  await stage.clock.pass(10_000)
  expect(peer.end).toBe('3502 stale')
  expect(gone).toEqual([])
  admit({ user: 'late' })
  await stage.clock.pass(1)
  expect(gone).toEqual([['late', { code: 3502, reason: 'stale' }]])
  expect(peer.heard).toEqual([])
})

test('after an error of connect nothing is read, and it ends as stale', async () => {
  const stage = new Stage()
  const peer = stage.open()
  await peer.say('{"id":1,"connect":{"token":"u/0"}}', SUBSCRIBE)
  await peer.say('nonsense')
  await peer.say('{}')
  expect(peer.values.map(({ error }) => error)).toEqual([{ code: 110, message: 'expired' }])
  await stage.clock.pass(10_000)
  expect(peer.end).toBe('3502 stale')
})

test('pings: the first after a half to one interval, then each interval; a pong is awaited for 8 s', async () => {
  for (const [random, first] of [
    [0, 12_500],
    [0.5, 18_750],
  ] as const) {
    const stage = new Stage({ random: () => random })
    const peer = await stage.client()
    await stage.clock.pass(first - 1)
    expect(peer.heard).toEqual([])
    await stage.clock.pass(1)
    expect(peer.heard).toEqual(['{}'])
    await stage.clock.pass(7_000)
    await peer.say('{}')
    await stage.clock.pass(17_999)
    expect(peer.heard).toEqual(['{}'])
    await stage.clock.pass(1)
    expect(peer.heard).toEqual(['{}', '{}'])
    // Anything but a pong is no answer.
    await stage.clock.pass(7_000)
    await peer.say('{"id":2,"rpc":{}}')
    await stage.clock.pass(1_000)
    expect(peer.end).toBeUndefined()
    // What came while the process was busy is read before it is judged.
    await stage.clock.pass(100)
    expect(peer.end).toBe('3012 no pong')
  }
})

test('a second pong for one ping: 3501', async () => {
  const stage = new Stage()
  const peer = await stage.client('u', 'protobuf')
  await stage.clock.pass(12_500)
  expect(peer.socket.messages.at(-1)).toEqual(Buffer.of(0))
  await peer.sayBytes(Buffer.of(0), 'binary')
  expect(peer.end).toBeUndefined()
  await peer.sayBytes(Buffer.of(0), 'binary')
  expect(peer.end).toBe('3501 bad request')
})

test('who has not been handed the ping yet is waited for, four times', async () => {
  const stage = new Stage()
  const peer = await stage.client()
  ;(peer.socket as { bufferedBytes: number }).bufferedBytes = 1
  await stage.clock.pass(12_500 + 5 * 8_100 - 1)
  expect(peer.end).toBeUndefined()
  await stage.clock.pass(1)
  expect(peer.end).toBe('3012 no pong')
})

test('who is not read by our doing is not blamed for it', async () => {
  const stage = new Stage({ commandBurst: 1, commandsPerSecond: 1 })
  const peer = await stage.client()
  const data = 'x'.repeat(1_000)
  await peer.say(...Array.from({ length: 300 }, (_, i) => `{"id":${i + 2},"rpc":{"data":"${data}"}}`))
  await stage.clock.pass(120_000)
  expect(peer.end).toBeUndefined()
  expect(peer.heard.filter((text) => text === '{}')).toEqual(['{}'])
  // Now it is read again, and an answer is awaited.
  await stage.clock.pass(60_000)
  expect(peer.end).toBe('3012 no pong')
})

test('a connection outlives its token by 25 s, and a new token prolongs it', async () => {
  const stage = new Stage()
  const peer = await stage.client('u/60')
  await alive(stage, peer, 60_000)
  await peer.say('{"id":2,"refresh":{"token":"120"}}')
  expect(peer.values.at(-1)).toEqual({ id: 2, refresh: { expires: true, ttl: 60 } })
  await alive(stage, peer, 84_000)
  expect(peer.end).toBeUndefined()
  await alive(stage, peer, 1_000)
  expect(peer.end).toBe('3005 connection expired')
})

test('a second that has begun counts: clients that are told 0 read nothing', async () => {
  const half = { expiresAt: 1_800_000_000.5 }
  const stage = new Stage({
    policy: {
      authenticate: () => ({ user: 'u', ...half }),
      subscribe: () => half,
      refresh: () => half,
      subRefresh: () => half,
    },
  })
  const peer = stage.open()
  await peer.say(
    '{"id":1,"connect":{}}',
    SUBSCRIBE,
    '{"id":3,"refresh":{"token":"t"}}',
    '{"id":4,"sub_refresh":{"channel":"r","token":"t"}}',
  )
  expect(peer.values.map((reply) => Object.values(reply)[1])).toMatchObject(
    [1, 2, 3, 4].map(() => ({ expires: true, ttl: 1 })),
  )
})

test('the server prolongs a connection itself, lets it stay, or ends it', async () => {
  const stage = new Stage()
  const peer = await stage.client('u/60')
  await stage.rooms.refresh('u', { expiresAt: 1_800_000_120 })
  expect(peer.heard).toEqual(['{"push":{"refresh":{"expires":true,"ttl":120}}}'])
  await stage.rooms.refresh('u')
  expect(peer.heard.at(-1)).toBe('{"push":{"refresh":{}}}')
  await alive(stage, peer, 200_000)
  expect(peer.end).toBeUndefined()
  await stage.rooms.refresh('u', { expiresAt: 1_800_000_000 })
  expect(peer.end).toBe('3005 connection expired')
})

test('a subscription outlives its token by 25 s, then it is out: 2501', async () => {
  const stage = new Stage({ policy: { subscribe: () => ({ expiresAt: 1_800_000_010 }) } })
  const peer = await stage.client()
  await peer.say(SUBSCRIBE)
  await stage.clock.pass(10_000)
  await peer.say('{"id":3,"sub_refresh":{"channel":"r","token":"20"}}')
  await peer.say('{"id":4,"sub_refresh":{"channel":"r","token":"5"}}')
  peer.forget()
  await alive(stage, peer, 34_999)
  expect(peer.heard.filter((text) => text !== '{}')).toEqual([])
  await stage.clock.pass(1)
  expect(peer.heard.at(-1)).toBe('{"push":{"channel":"r","unsubscribe":{"code":2501,"reason":"subscription expired"}}}')
  expect(stage.rooms.stats()).toMatchObject({ rooms: 0 })
})

test('one that the server made ends the connection: 3006', async () => {
  const stage = new Stage({
    policy: { authenticate: () => ({ user: 'u', rooms: { r: { expiresAt: 1_800_000_010 } } }) },
  })
  const peer = await stage.client()
  await alive(stage, peer, 35_000)
  expect(peer.end).toBe('3006 subscription expired')
})

test('200 commands a second, after 1,000 at once: the rest waits its turn, and pongs do not', async () => {
  const stage = new Stage()
  const peer = await stage.client()
  const rpc = Array.from({ length: 1_500 }, (_, i) => `{"id":${i + 2},"rpc":{}}`)
  await stage.clock.pass(12_500)
  await peer.say(...rpc)
  await peer.say('{}')
  const answered = (): number => peer.values.filter(({ id }) => id !== undefined).length
  expect(answered()).toBe(1_000)
  await stage.clock.pass(1_000)
  expect(answered()).toBe(1_200)
  await stage.clock.pass(1_500)
  expect(answered()).toBe(1_500)
  expect(peer.end).toBeUndefined()
})

test('what waits is bounded: then the socket is not read', async () => {
  const stage = new Stage({ commandBurst: 1, commandsPerSecond: 1_000 })
  const peer = await stage.client()
  const pauses: string[] = []
  peer.socket.pause = () => pauses.push('pause')
  peer.socket.resume = () => pauses.push('resume')
  const data = 'x'.repeat(10_000)
  await peer.say(...Array.from({ length: 20 }, (_, i) => `{"id":${i + 2},"rpc":{"data":"${data}"}}`))
  expect(pauses).toEqual([])
  await peer.say(...Array.from({ length: 20 }, (_, i) => `{"id":${i + 22},"rpc":{"data":"${data}"}}`))
  expect(pauses).toEqual(['pause'])
  await stage.clock.pass(60)
  expect(pauses).toEqual(['pause', 'resume'])
  expect(peer.values).toHaveLength(40)
})

/** Time passes, and every ping is answered. */
async function alive(stage: Stage, peer: Peer, ms: number): Promise<void> {
  const end = stage.clock.now() + ms
  let heard = peer.heard.length
  while (stage.clock.now() < end) {
    await stage.clock.pass(Math.min(1_000, end - stage.clock.now()))
    const pings = peer.heard.slice(heard).filter((text) => text === '{}')
    heard = peer.heard.length
    for (const _ of pings) await peer.say('{}')
  }
}
