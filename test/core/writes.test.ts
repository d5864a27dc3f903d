// Whoever writes what and when, each peer gets its own, in the order of acceptance, and nothing of another's.

import { Buffer } from 'node:buffer'
import { bin, txt } from '@roomcast/core'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { Op } from '../support/client-frames.ts'
import { cleanUp, serve } from '../support/core-server.ts'
import { nextTurn } from '../support/log.ts'

afterEach(cleanUp)

const SOCKETS = 3

// Around where a header or a way of framing changes.
const length = fc.oneof(fc.nat(130), fc.integer({ min: 124, max: 128 }), fc.integer({ min: 1018, max: 1030 }))
const step = fc.record({
  to: fc.nat(SOCKETS - 1),
  kind: fc.constantFrom('text', 'binary', 'text of bytes', 'binary of text', 'array', 'framed', 'ping', 'turn'),
  length,
  times: fc.integer({ min: 1, max: 12 }),
})

const OPCODES = new Map<number, string>([
  [Op.TEXT, 'text'],
  [Op.BINARY, 'binary'],
  [Op.PING, 'ping'],
])

test('whoever writes what and when, each peer gets its own, in order', async () => {
  const server = await serve()
  const pairs = [await server.connect(), await server.connect(), await server.connect()]
  const expected: string[][] = pairs.map(() => [])
  let count = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      for (const { to, kind, length, times } of steps) {
        const { socket } = pairs[to]!
        const due = expected[to]!
        if (kind === 'turn') await nextTurn()
        for (let i = 0; i < times && kind !== 'turn'; i++) {
          // Every third with a letter that is two bytes long.
          const text = `${count++}${count % 3 === 0 ? 'é' : ''}`.padEnd(length, 'x')
          const bytes = Buffer.from(text)
          if (kind === 'text') socket.write(text)
          else if (kind === 'binary') socket.write(bytes)
          else if (kind === 'text of bytes') socket.write(bytes, 'text')
          else if (kind === 'binary of text') socket.write(text, 'binary')
          else if (kind === 'array') socket.write([text, bytes])
          else if (kind === 'framed') socket.write(count % 2 === 0 ? txt(text) : bin(text))
          else socket.ping(text.slice(0, 60))
          // What was given may be used again at once.
          bytes.fill(0)
          const opcode =
            kind === 'framed' ? (count % 2 === 0 ? 'text' : 'binary') : kind.startsWith('text') ? 'text' : 'binary'
          if (kind === 'ping') due.push(`ping ${text.slice(0, 60)}`)
          else due.push(`${opcode} ${kind === 'array' ? text + text : text}`)
        }
      }
      for (const [i, { client }] of pairs.entries()) {
        await client.frames.count(expected[i]!.length)
        const got = client.frames.all.map(({ opcode, payload }) => `${OPCODES.get(opcode)} ${payload}`)
        expect(got).toEqual(expected[i])
      }
    }),
    { numRuns: 60 },
  )
})

test('a Close follows what was accepted before it, with nothing else in the turn', async () => {
  const server = await serve()
  const [a, b] = [await server.connect(), await server.connect()]
  a.socket.write('one')
  b.socket.write('not for a')
  a.socket.write('two')
  a.socket.close(1000, 'done')
  expect(a.socket.write('too late')).toBe('closed')
  expect(await a.client.answerClose()).toEqual({ code: 1000, reason: 'done' })
  expect(a.client.frames.all.slice(0, 2).map(({ payload }) => `${payload}`)).toEqual(['one', 'two'])
  expect(await b.client.message()).toBe('not for a')
})

test('a message whose opcode is refused leaves no trace', async () => {
  const server = await serve()
  const { socket, client } = await server.connect()
  socket.write('one')
  // @ts-expect-error No such opcode.
  expect(() => socket.write('bad', 'ping')).toThrow(RangeError)
  // @ts-expect-error Not a payload.
  expect(() => socket.write(5)).toThrow(TypeError)
  socket.write('two')
  expect([await client.message(), await client.message()]).toEqual(['one', 'two'])
})
