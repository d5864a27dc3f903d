// The fuzzer in short, on the sources (`pnpm fuzz` runs it at length, on the built packages), with everything it ever found,
// and with faults put in on purpose: each target must find its own.

import { Buffer } from 'node:buffer'
import { afterEach, describe, expect, test } from 'vitest'
import * as deflate from '../../packages/core/src/handshake/deflate-negotiation.ts'
import * as extension from '../../packages/core/src/handshake/extension.ts'
import * as grammar from '../../packages/core/src/handshake/grammar.ts'
import * as handshake from '../../packages/core/src/handshake/handshake.ts'
import * as response from '../../packages/core/src/handshake/response.ts'
import { Protocol } from '../../packages/core/src/protocol/protocol.ts'
import { cleanUp, serve } from '../support/core-server.ts'
import { runTarget } from './campaign.ts'
import { framesTarget, type ProtocolClass } from './frames.ts'
import { headerValuesTarget } from './header-values.ts'
import { headsTarget } from './heads.ts'
import { Random } from './random.ts'
import { FRAMES, HEADERS, HEADS } from './regressions.ts'
import { ECHO_OPTIONS, type EchoServer, sessionsTarget } from './sessions.ts'
import type { Target } from './target.ts'
import { Bystander } from './visit.ts'
import { wireHeadsTarget } from './wire-heads.ts'

const bystanders = new Set<Bystander>()
afterEach(async () => {
  for (const bystander of bystanders) bystander.end()
  bystanders.clear()
  await cleanUp()
})

const seed = Math.floor(Math.random() * 2 ** 32)
const api = { ...handshake, ...response, ...extension, ...grammar, ...deflate }

async function echoServer(): Promise<{ server: EchoServer; bystander: Bystander }> {
  const { target, errors } = await serve({
    ...ECHO_OPTIONS,
    handler: { message: (socket, data, opcode) => void socket.write(data, opcode) },
  })
  const { port } = target as { port: number }
  const server = { port, wrong: () => (errors.length === 0 ? null : String(errors.all[0]!.error)) }
  const bystander = new Bystander(port)
  bystanders.add(bystander)
  return { server, bystander }
}

async function failureOf<Input>(target: Target<Input>, inputs: number): Promise<string | null> {
  return (await runTarget(target, { seed, inputs })).failure
}

describe(`a short run, seed ${seed}`, () => {
  test('5,000 sessions of frames, at once and cut', async () => {
    expect(await failureOf(framesTarget(Protocol), 5000)).toBeNull()
  })

  test('3,000 handshake heads', async () => {
    expect(await failureOf(headsTarget(api), 3000)).toBeNull()
  })

  test('5,000 values of extensions and subprotocols', async () => {
    expect(await failureOf(headerValuesTarget(api), 5000)).toBeNull()
  })

  test('300 sessions at a socket', async () => {
    expect(await failureOf(sessionsTarget(Protocol, await echoServer()), 300)).toBeNull()
  })

  test('300 heads at a socket', async () => {
    expect(await failureOf(wireHeadsTarget(await echoServer()), 300)).toBeNull()
  })
})

describe('what was found once', () => {
  const random = new Random(1, 1)

  test.each(FRAMES)('$name', (row) => {
    const input = { ...row, wire: Buffer.from(row.wire, 'hex') }
    expect(framesTarget(Protocol, { everyPlace: true }).check(input, random)).toBeNull()
  })

  test.each(HEADS)('$name', async ({ head }) => {
    const text = Buffer.from(head, 'hex').toString('latin1')
    expect(headsTarget(api).check(text, random)).toBeNull()
    expect(await wireHeadsTarget(await echoServer()).check(text, random)).toBeNull()
  })

  test.each(HEADERS)('$name', ({ value }) => {
    expect(headerValuesTarget(api).check(value, random)).toBeNull()
  })
})

describe('a fault is found', () => {
  class WrongKeyAfterThree extends Protocol {
    override receive(chunk: Buffer): void {
      if (chunk.length === 3) chunk[2]! ^= 1
      super.receive(chunk)
    }
  }
  class Throws extends Protocol {
    override next(): ReturnType<Protocol['next']> {
      const event = super.next()
      if (event?.type === 'message' && event.data.length === 5) throw new Error('five')
      return event
    }
  }
  class Slow extends Protocol {
    override receive(chunk: Buffer): void {
      if (chunk[0] === 0x82) for (const end = performance.now() + 60; performance.now() < end; );
      super.receive(chunk)
    }
  }
  class Holds extends Protocol {
    override get heldBytes(): number {
      return this.midMessage ? 2 ** 22 : super.heldBytes
    }
  }
  class Lenient extends Protocol {
    override receive(chunk: Buffer): void {
      // Reserved bits are taken for none.
      if (chunk.length > 1) chunk[0]! &= 0x8f
      super.receive(chunk)
    }
  }

  test.each<[string, ProtocolClass, RegExp]>([
    ['bytes that depend on the cut', WrongKeyAfterThree, /cut at|single bytes/],
    ['a throw', Throws, /threw Error: five/],
    ['memory', Holds, /holds 4194304 bytes/],
    ['a rule left out', Lenient, /by the reference|at once/],
  ])('%s', async (_name, Class, words) => {
    const failure = await failureOf(framesTarget(Class), 5000)
    expect(failure).toMatch(words)
    expect(failure).toMatch(new RegExp(`seed ${seed}[^]*a row for test/fuzz/regressions.ts: .*wire: '[0-9a-f]*'`))
  })

  test('an input that takes 60 ms', async () => {
    // Making it smaller would take a minute of that.
    const { shrink: _, ...target } = framesTarget(Slow)
    expect(await failureOf(target, 5000)).toMatch(/took over 50 ms/)
  })

  test('a key that is not looked at', async () => {
    const readHandshake: typeof handshake.readHandshake = ({ rawHeaders, ...request }, limits) =>
      handshake.readHandshake(
        {
          ...request,
          rawHeaders: rawHeaders.map((text) => (text.endsWith('ZR==') ? 'dGhlIHNhbXBsZSBub25jZQ==' : text)),
        },
        limits,
      )
    expect(await failureOf(headsTarget({ ...api, readHandshake }), 5000)).toMatch(/accepted, though no key/)
  })

  test('a grammar that lets too much through', async () => {
    const parseTokens = (value: string): string[] | null => grammar.parseTokens(value.replace('=', 'a'))
    expect(await failureOf(headerValuesTarget({ ...api, parseTokens }), 5000)).toMatch(/tokens are/)
  })

  test('at the socket: a protocol that does not answer every ping', async () => {
    class NoPong extends Protocol {
      override next(): ReturnType<Protocol['next']> {
        const event = super.next()
        return event?.type === 'ping' ? super.next() : event
      }
    }
    expect(await failureOf(sessionsTarget(NoPong, await echoServer()), 2000)).toMatch(/the answer was/)
  })
})
