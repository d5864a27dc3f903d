// What a listener or a callback of the facade throws, or rejects with, ends that connection or upgrade alone, and `onError`
// hears it: with a server of its own, attached, and with `noServer`, where frameworks call `handleUpgrade`.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { createServer } from 'node:http'
import { type WebSocket, WebSocketServer, type WebSocketServerOptions } from '@roomcast/core/ws'
import { afterEach, describe, expect, test } from 'vitest'
import { cleanUp, track } from '../../support/core-server.ts'
import { inTime, Log } from '../../support/log.ts'
import { RawClient } from '../../support/raw-client.ts'
import { endSides, listen } from './sides.ts'

afterEach(async () => {
  await cleanUp()
  endSides()
})

const mistake = new Error('the user’s mistake')
const throws = (): never => {
  throw mistake
}
const rejects = (): Promise<never> => Promise.reject(mistake)

type OnOpen = (ws: WebSocket) => unknown

class Overriding extends WebSocketServer {
  should: () => unknown = () => true

  override shouldHandle(): boolean {
    return this.should() as boolean
  }
}

/** A server, reached in one of the ways, and what it was told. */
async function serve(way: string, options: WebSocketServerOptions = {}, onOpen: OnOpen = () => {}) {
  const errors = new Log<{ error: unknown; where: string }>('errors')
  const web = createServer()
  const wss = new Overriding({
    ...(way === 'attached' ? { server: web } : { noServer: true }),
    ...options,
    onError: (error, { where }) => errors.push({ error, where }),
  })
  track(wss)
  if (way === 'attached') wss.on('connection', (ws) => onOpen(ws))
  else web.on('upgrade', (request, socket, head) => wss.handleUpgrade(request, socket, head, (ws) => onOpen(ws)))
  const port = await listen(web)
  return { wss, errors, connect: () => RawClient.connect({ port }) }
}

const protocols = { headers: { 'Sec-WebSocket-Protocol': 'a' } }
const HOW = [
  ['throws', throws],
  ['rejects', rejects],
] as const

describe.each(['attached', 'noServer'])('%s', (way) => {
  describe.each(HOW)('what %s', (how, work) => {
    test('in an upgrade: 500, for that one alone', async () => {
      const { wss, errors, connect } = await serve(way)
      const answer = async () => (await (await connect()).upgrade(protocols)).status
      wss.once('headers', work)
      // Nobody waits for a listener: what it rejects with comes too late to refuse.
      expect(await answer()).toBe(how === 'throws' ? 500 : 101)
      expect((await errors.at(0)).error).toBe(mistake)
      wss.options.handleProtocols = work as never
      expect(await answer()).toBe(500)
      wss.options.handleProtocols = undefined
      wss.should = work
      expect(await answer()).toBe(500)
      wss.should = () => true
      expect(await answer()).toBe(101)
      expect(errors.length).toBe(3)
    })

    test('as it opens: 1011', async () => {
      const heard: unknown[] = []
      const onHeard = (message: unknown): void => void heard.push((message as { error: unknown }).error)
      subscribe('roomcast:error', onHeard)
      const { errors, connect } = await serve(way, {}, work)
      const client = await connect()
      expect((await client.upgrade()).status).toBe(101)
      expect((await client.close()).code).toBe(1011)
      expect(errors.all).toEqual([{ error: mistake, where: 'opened' }])
      unsubscribe('roomcast:error', onHeard)
      expect(heard).toEqual([mistake])
    })

    test.each<[string, (ws: WebSocket) => unknown]>([
      ['on("message")', (ws) => ws.on('message', work)],
      ['onmessage', (ws) => (ws.onmessage = work)],
      ['addEventListener', (ws) => ws.addEventListener('message', { handleEvent: work })],
    ])('in a listener to messages, by %s: 1011', async (_, add) => {
      const { errors, connect } = await serve(way, {}, (ws) => void add(ws))
      const client = await connect()
      await client.upgrade()
      client.say('x')
      expect((await client.close()).code).toBe(1011)
      expect(errors.all).toEqual([{ error: mistake, where: 'message' }])
    })

    test('in listeners to the end, and in the callback of send', async () => {
      const { wss, errors, connect } = await serve(way, {}, (ws) => {
        ws.on('error', work)
        ws.on('close', work)
        ws.send('x', work)
      })
      const client = await connect()
      await client.upgrade()
      await errors.count(1)
      client.send({ opcode: 3, payload: '' })
      await errors.count(2)
      wss.on('close', work)
      await inTime(wss.close(), 'close()')
      await errors.find(({ where }) => where === 'server')
      expect(errors.all.every(({ error }) => error === mistake)).toBe(true)
    })
  })

  test('nobody listens to "error" of a socket that broke a rule: it ends alone', async () => {
    const { wss, errors, connect } = await serve(way)
    const client = await connect()
    await client.upgrade()
    client.send({ opcode: 3, payload: '' })
    expect((await client.close()).code).toBe(1002)
    expect([errors.all, wss.server.stats().closes]).toEqual([[], expect.anything()])
  })

  test('what onError throws of the callback of send is a warning', async () => {
    const warned = new Log<Error>('warnings')
    const hear = (warning: Error): void => warned.push(warning)
    process.on('warning', hear)
    const web = createServer()
    const wss = new WebSocketServer({ server: web, onError: throws })
    track(wss)
    wss.on('connection', (ws) => ws.send('x', throws))
    const client = await RawClient.connect({ port: await listen(web) })
    await client.upgrade()
    await warned.find(({ message }) => message.includes('onError'))
    process.off('warning', hear)
  })
})

test('a listener to "listening" that throws', async () => {
  const errors = new Log<unknown>('errors')
  const wss = new WebSocketServer({ port: 0, host: '127.0.0.1', onError: (error) => errors.push(error) }, throws)
  track(wss)
  expect(await errors.at(0)).toBe(mistake)
})

test('a listener to headers that throws is heard, whatever the upgrade comes to', async () => {
  const { wss, errors, connect } = await serve('noServer', { pathname: '/elsewhere' })
  wss.on('headers', throws)
  expect((await (await connect()).upgrade()).status).toBe(404)
  expect(errors.all).toEqual([{ error: mistake, where: 'handshake' }])
})

test('options that are replaced as a whole are a TypeError: a handshake is among them', () => {
  const wss = new WebSocketServer({ noServer: true, handshake: throws })
  expect(() => Object.assign(wss, { options: {} })).toThrow(TypeError)
  expect(wss.options.handshake).toBe(throws)
})
