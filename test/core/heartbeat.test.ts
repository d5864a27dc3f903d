// The clocks of a socket: a ping after silence, an end without an answer, deadlines for messages and for the Close. They
// stand still while the server itself does not read, and a blocked event loop is not the peer's fault.

import { AsyncResource } from 'node:async_hooks'
import { Buffer } from 'node:buffer'
import { connect as connectTcp } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { resolveLimits } from '../../packages/core/src/limits.ts'
import { Heartbeat } from '../../packages/core/src/server/heartbeat.ts'
import { clientFrame, Op } from '../support/client-frames.ts'
import { cleanUp, serve } from '../support/core-server.ts'
import { eventually, nextTurn } from '../support/log.ts'
import { type RawClient, describe as short } from '../support/raw-client.ts'

afterEach(cleanUp)

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Blocks the event loop. */
function block(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

/** Answers every ping of the server, as a healthy peer does. */
function answering(client: RawClient): RawClient {
  let next = 0
  client.socket.on('data', () => {
    for (const frame of client.frames.all.slice(next)) {
      if (frame.opcode === Op.PING) client.send({ opcode: Op.PONG, payload: frame.payload })
    }
    next = client.frames.length
  })
  return client
}

describe('idle and pong', () => {
  test('silence, a ping; no byte back: 1006 by network, counted', async () => {
    const test = await serve({ idleTimeoutMs: 60, pongTimeoutMs: 60 })
    const began = performance.now()
    const { client } = await test.connect()
    expect(short(await client.frame())).toBe('ping')
    const pinged = performance.now() - began
    expect(await test.info()).toEqual({ code: 1006, reason: '', by: 'network' })
    const ended = performance.now() - began
    expect(pinged).toBeGreaterThanOrEqual(55)
    expect(ended).toBeGreaterThanOrEqual(115)
    expect(test.server.stats().limits).toEqual({ pongTimeoutMs: 1 })
    expect(client.frames.length).toBe(1)
  })

  test('a peer that answers stays, through many pings', async () => {
    const test = await serve({ idleTimeoutMs: 20, pongTimeoutMs: 40 })
    const { client, socket } = await test.connect()
    answering(client)
    await client.frames.count(8)
    expect(socket.readyState).toBe('open')
    expect(test.closed.length).toBe(0)
  })

  test('any byte counts as an answer, also a part of a frame', async () => {
    const test = await serve({ idleTimeoutMs: 40, pongTimeoutMs: 60 })
    const { client, socket } = await test.connect()
    const bytes = clientFrame({ opcode: Op.TEXT, payload: 'drip' })
    for (const byte of bytes) {
      const pings = client.frames.length
      await client.frames.count(pings + 1)
      client.write(Buffer.of(byte))
    }
    await test.messages.count(1)
    expect(test.texts).toEqual(['drip'])
    expect(socket.readyState).toBe('open')
  })

  test('a peer that talks is not pinged', async () => {
    const test = await serve({ idleTimeoutMs: 150 })
    const { client } = await test.connect()
    for (let i = 0; i < 12; i++) {
      client.say('here')
      await wait(25)
    }
    expect(client.frames.length).toBe(0)
  })

  test('what the server sends is no sign of life of the peer', async () => {
    const test = await serve({ idleTimeoutMs: 60, pongTimeoutMs: 60 })
    const { socket } = await test.connect()
    const timer = setInterval(() => socket.write('tick'), 10)
    expect(await test.info()).toMatchObject({ code: 1006, by: 'network' })
    clearInterval(timer)
  })
})

describe('the clocks stand still', () => {
  test.each(['paused', 'held behind a pending message'])('while %s', async (how) => {
    let release = (): void => {}
    const test = await serve({
      idleTimeoutMs: 40,
      pongTimeoutMs: 40,
      messageTimeoutMs: 60,
      handler: { message: () => new Promise<void>((resolve) => (release = resolve)) },
    })
    const { client, socket } = await test.connect()
    if (how === 'paused') socket.pause()
    else {
      client.say('pending', 'held')
      await test.messages.count(1)
      await nextTurn()
    }
    await wait(250)
    expect(socket.readyState).toBe('open')
    // They are pinged all the same, as nothing else would tell that a peer is gone.
    const pings = client.frames.all.map(short)
    expect(pings.length).toBeGreaterThan(2)
    expect(new Set(pings)).toEqual(new Set(['ping']))
    // And go on from where they stood.
    if (how === 'paused') socket.resume()
    else {
      release()
      await test.messages.count(2)
      release()
    }
    expect(short(await client.frame())).toBe('ping')
    expect(await test.info()).toMatchObject({ code: 1006, by: 'network' })
  })

  test('the clock of a message under way, while paused', async () => {
    const test = await serve({ messageTimeoutMs: 80 })
    const { client, socket } = await test.connect()
    client.send({ opcode: Op.TEXT, payload: 'be', fin: false })
    await eventually(() => test.server.stats().bytesIn > 0)
    socket.pause()
    await wait(250)
    expect(socket.readyState).toBe('open')
    socket.resume()
    client.send({ opcode: Op.CONTINUATION, payload: 'gun' })
    await test.messages.count(1)
    expect(test.texts).toEqual(['begun'])
  })

  test('after a ping: the time to answer is not used up while paused', async () => {
    const test = await serve({ idleTimeoutMs: 30, pongTimeoutMs: 60 })
    const { client, socket } = await test.connect()
    await client.frame()
    socket.pause()
    client.send({ opcode: Op.PONG })
    await wait(200)
    socket.resume()
    // The pong was waiting: it is found, and the next ping is due.
    expect(short(await client.frame())).toBe('ping')
    expect(socket.readyState).toBe('open')
  })

  test('an event loop blocked for thrice the pong timeout kills no healthy peer', async () => {
    const test = await serve({ idleTimeoutMs: 40, pongTimeoutMs: 40 })
    const pairs = await Promise.all(Array.from({ length: 20 }, () => test.connect()))
    for (const { client } of pairs) answering(client)
    for (let i = 0; i < 4; i++) {
      // Blocked just after the pings are out, when the pongs are on their way.
      await pairs[0]!.client.frames.count(pairs[0]!.client.frames.length + 1)
      block(120)
    }
    await Promise.all(pairs.map(({ client }) => client.frames.count(6)))
    expect(test.closed.length).toBe(0)
  })

  test('nor one whose message came to its end meanwhile', async () => {
    const test = await serve({ messageTimeoutMs: 40 })
    const { client } = await test.connect()
    for (let i = 1; i <= 3; i++) {
      const before = test.server.stats().bytesIn
      client.send({ opcode: Op.TEXT, payload: 'be', fin: false })
      await eventually(() => test.server.stats().bytesIn > before)
      client.send({ opcode: Op.CONTINUATION, payload: 'gun' })
      block(120)
      await test.messages.count(i)
    }
    expect(test.closed.length).toBe(0)
  })

  test('a Close that the peer answered during the block counts', async () => {
    const test = await serve({ closeTimeoutMs: 40 })
    const { client, socket } = await test.connect()
    socket.close(4000)
    await client.answerClose()
    block(150)
    expect(await test.info()).toEqual({ code: 4000, reason: '', by: 'server' })
  })
})

describe('messageTimeoutMs', () => {
  /** Begins a message in one of the ways there are, and goes on dripping. */
  const DRIPS: { name: string; begin: Buffer; drip: Buffer }[] = [
    {
      name: 'bytes of one frame',
      begin: clientFrame({ opcode: Op.BINARY, payload: Buffer.alloc(1000) }).subarray(0, 20),
      drip: Buffer.of(0),
    },
    {
      name: 'fragments',
      begin: clientFrame({ opcode: Op.TEXT, payload: 'x', fin: false }),
      drip: clientFrame({ opcode: Op.CONTINUATION, payload: 'y', fin: false }),
    },
    {
      name: 'pings between fragments',
      begin: clientFrame({ opcode: Op.TEXT, payload: 'x', fin: false }),
      drip: clientFrame({ opcode: Op.PING }),
    },
    { name: 'half a header', begin: Buffer.of(0x81), drip: Buffer.alloc(0) },
  ]

  test.each(DRIPS)('$name: 1008', async ({ begin, drip }) => {
    const test = await serve({ messageTimeoutMs: 100 })
    const { client } = await test.connect()
    const began = performance.now()
    client.write(begin)
    const timer = setInterval(() => client.write(drip), 10)
    expect(await client.answerClose()).toEqual({ code: 1008, reason: 'message took too long' })
    clearInterval(timer)
    expect(performance.now() - began).toBeGreaterThanOrEqual(90)
    expect(await test.info()).toEqual({ code: 1008, reason: 'message took too long', by: 'server' })
    expect(test.server.stats().limits).toEqual({ messageTimeoutMs: 1 })
  })

  test('each message has its own clock, and so has a control frame', async () => {
    const test = await serve({ messageTimeoutMs: 150 })
    const { client, socket } = await test.connect()
    const ends = clientFrame({ opcode: Op.CONTINUATION, payload: 'end' })
    const begins = clientFrame({ opcode: Op.TEXT, payload: 'begin ', fin: false })
    client.write(begins)
    for (let i = 0; i < 8; i++) {
      await wait(50)
      // The next begins in the very chunk that ends the one before.
      client.write(ends, begins)
    }
    client.write(ends)
    const ping = clientFrame({ opcode: Op.PING, payload: 'in parts' })
    for (let i = 0; i < 3; i++) {
      client.write(ping.subarray(0, 5))
      await wait(60)
      client.write(ping.subarray(5))
    }
    await client.frames.count(3)
    expect(test.messages.length).toBe(9)
    expect(socket.readyState).toBe('open')
  })
})

describe('after the Close', () => {
  test('never answered: terminated after closeTimeoutMs, what is sent is ignored', async () => {
    const test = await serve({ closeTimeoutMs: 80 })
    const { client, socket } = await test.connect({}, { halfOpen: true })
    const began = performance.now()
    socket.close(4000)
    const timer = setInterval(() => client.say('more'), 10)
    expect(await test.info()).toEqual({ code: 4000, reason: '', by: 'server' })
    clearInterval(timer)
    expect(performance.now() - began).toBeGreaterThanOrEqual(75)
    expect(test.messages.length).toBe(0)
    expect(test.server.stats().limits).toEqual({ closeTimeoutMs: 1 })
  })

  test('1,000 silent peers: none is left', async () => {
    const test = await serve({ closeTimeoutMs: 100 })
    const { port } = test.target as { port: number }
    const request = Buffer.from(
      'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    )
    const silent = Array.from({ length: 1000 }, () => {
      const tcp = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true }, () => tcp.write(request))
      return tcp.on('error', () => {}).resume()
    })
    await test.opened.count(1000)
    for (const socket of test.server.sockets) socket.close()
    await test.closed.count(1000)
    expect(new Set(test.infos.map(({ code }) => code))).toEqual(new Set([1000]))
    expect(test.server.stats()).toMatchObject({ sockets: 0, limits: { closeTimeoutMs: 1000 } })
    for (const tcp of silent) tcp.destroy()
  })

  test('answered, and TCP never ended: the server ends first, and lets go within a second', async () => {
    const test = await serve()
    const { client, socket } = await test.connect({}, { halfOpen: true })
    const began = performance.now()
    socket.close(4000)
    await client.answerClose()
    await client.ends.find((end) => end === 'fin')
    expect(performance.now() - began).toBeLessThan(500)
    expect(await test.info()).toEqual({ code: 4000, reason: '', by: 'server' })
    expect(performance.now() - began).toBeLessThan(1600)
  })

  test('the peer’s own Close: echoed, the server ends TCP first', async () => {
    const test = await serve()
    const { client } = await test.connect({}, { halfOpen: true })
    client.sendClose(3456, 'done')
    client.say('after the Close')
    expect(await client.close()).toEqual({ code: 3456, reason: 'done' })
    await client.ends.find((end) => end === 'fin')
    client.socket.end()
    expect(await test.info()).toEqual({ code: 3456, reason: 'done', by: 'peer' })
    expect(test.messages.length).toBe(0)
  })
})

test('its timer runs only while there is somebody, and never keeps the process alive', async () => {
  const seen: [number, number][] = []
  const one = { tick: (now: number, elapsed: number): void => void seen.push([now, elapsed]) }
  const heartbeat = new Heartbeat(resolveLimits({ closeTimeoutMs: 20 }), [[one]], new AsyncResource('test'), () => {
    if (seen.length === 3) heartbeat.stop()
  })
  const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  heartbeat.start()
  heartbeat.start()
  await eventually(() => seen.length === 3)
  await wait(30)
  expect(seen.length).toBe(3)
  expect(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length).toBeLessThanOrEqual(before)
  expect(heartbeat.now).toBe(seen.at(-1)![0])
  // The time it was stopped does not count.
  const { now } = heartbeat
  heartbeat.start()
  await eventually(() => seen.length === 4)
  expect(seen[3]![0] - now).toBeLessThan(25)
  heartbeat.stop()
})
