// Whatever a client sends: a code, never a throw, nothing unbounded, and nobody else is harmed.

import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { COMMAND, delimited, protobufOf } from './reference.ts'
import { type Peer, Stage } from './stage.ts'

const BAD = '3501 bad request'
let bystander: Peer
let stage: Stage

async function victim(format: 'json' | 'protobuf' = 'json'): Promise<Peer> {
  stage = new Stage()
  bystander = await stage.client('bystander')
  await bystander.say('{"id":2,"subscribe":{"channel":"plain"}}')
  bystander.forget()
  return stage.client('hostile', format)
}

// The one beside it goes on, and was told nothing.
afterEach(async () => {
  expect(bystander.heard).toEqual([])
  await bystander.say('{"id":3,"publish":{"channel":"plain","data":1}}')
  expect(bystander.heard).toHaveLength(2)
  expect(bystander.end).toBeUndefined()
  expect(stage.errors).toEqual([])
})

describe('JSON', () => {
  test.each([
    ['nothing', ''],
    ['an empty line', '{"id":2,"rpc":{}}\n\n{"id":3,"rpc":{}}'],
    ['two line breaks at the end', '{"id":2,"rpc":{}}\n\n'],
    ['no JSON', '{"id":2'],
    ['no JSON behind a command', '{"id":2,"rpc":{}} x'],
    ['null', 'null'],
    ['an array', '[]'],
    ['a string', '"rpc"'],
    ['an unknown method', '{"id":2,"fly":{}}'],
    ['the method of a prototype', '{"id":2,"constructor":{}}'],
    ['an id over 32 bits', '{"id":4294967296,"rpc":{}}'],
    ['a negative id', '{"id":-1,"rpc":{}}'],
    ['half an id', '{"id":1.5,"rpc":{}}'],
    ['an id in words', '{"id":"2","rpc":{}}'],
    ['an id of 0', '{"id":0,"rpc":{}}'],
    ['a room that is a number', '{"id":2,"subscribe":{"channel":7}}'],
    ['a method that is a number', '{"id":2,"rpc":7}'],
    ['a method that is an array', '{"id":2,"rpc":[]}'],
    ['a limit over 32 bits', '{"id":2,"history":{"channel":"r","limit":2147483648}}'],
    ['an offset below 0', '{"id":2,"history":{"channel":"r","since":{"offset":-1}}}'],
    ['a truth in words', '{"id":2,"history":{"channel":"r","reverse":"true"}}'],
    ['headers that are none', '{"id":2,"connect":{"headers":{"a":1}}}'],
    ['subs that are none', '{"id":2,"connect":{"subs":["r"]}}'],
    ['10^6 levels', `{"id":2,"rpc":${'['.repeat(500_000)}${']'.repeat(500_000)}}`],
  ])('%s: 3501', async (_about, text) => {
    const peer = await victim()
    await peer.sayBytes(Buffer.from(text), 'text')
    expect(peer.end).toBe(BAD)
  })

  test('one line break at the end, unknown fields, repeated ones, escaped names, space: all of that is legal', async () => {
    const peer = await victim()
    const text = ' {"x":[{}] , "id":9, "id":2,"rpc":{"y":null},"rpc":{"d\\u0061ta" : {"a":[1, "}"]} ,"z":"\\""}}\n'
    await peer.sayBytes(Buffer.from(text), 'text')
    expect(peer.heard).toEqual(['{"id":2,"rpc":{"data":{"a":[1, "}"]}}}'])
  })

  test('in a binary message it is JSON all the same, if it is UTF-8', async () => {
    const peer = await victim()
    await peer.sayBytes(Buffer.from('{"id":2,"rpc":{"data":"é"}}'), 'binary')
    expect(peer.heard).toEqual(['{"id":2,"rpc":{"data":"é"}}'])
    await peer.sayBytes(Buffer.of(0xff), 'binary')
    expect(peer.end).toBe(BAD)
  })

  test('10^6 levels of data: an error to a publisher, and a prompt one', async () => {
    const peer = await victim()
    const deep = '['.repeat(500_000) + ']'.repeat(500_000)
    await peer.say(`{"id":2,"publish":{"channel":"plain","data":${deep.slice(475_000, 525_000)}}}`)
    expect(peer.values[0]).toMatchObject({ error: { code: 107 } })
    // What comes back to who sent it may be as deep as it likes.
    await peer.say(`{"id":3,"rpc":{"data":${deep}}}`)
    expect(peer.heard[1]).toHaveLength(deep.length + 24)
  })

  test('10 MB of commands: what the bucket holds is answered, the rest waits, and is not read', async () => {
    const peer = await victim()
    let pauses = 0
    peer.socket.pause = () => pauses++
    const line = '{"id":7,"rpc":{"method":"m","data":"x"}}'
    const message = Buffer.from(Array.from({ length: 25_000 }, () => line).join('\n'))
    for (let i = 0; i < 10; i++) await peer.sayBytes(message, 'text')
    expect(peer.heard).toHaveLength(999)
    expect(pauses).toBe(1)
    expect(peer.end).toBeUndefined()
    await peer.lose()
    await stage.clock.pass(10_000)
    expect(peer.heard).toHaveLength(999)
  })

  test('an id that is used again is answered again', async () => {
    const peer = await victim()
    await peer.say('{"id":2,"rpc":{"data":1}}', '{"id":2,"rpc":{"data":2}}')
    expect(peer.heard).toEqual(['{"id":2,"rpc":{"data":1}}', '{"id":2,"rpc":{"data":2}}'])
  })

  test('names that objects have are rooms, clients and tags like others', async () => {
    const peer = await victim()
    await peer.say(
      '{"id":2,"subscribe":{"channel":"__proto__"}}',
      '{"id":3,"publish":{"channel":"__proto__","data":{"__proto__":1}}}',
      '{"id":4,"subscribe":{"channel":"constructor"}}',
    )
    expect(peer.values.map(({ error }) => error)).toEqual([undefined, undefined, undefined, undefined])
  })
})

describe('Protobuf', () => {
  test.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('{"id":2,"rpc":{}}')],
    ['a length without an end', Buffer.alloc(20, 0xff)],
    ['a length of a terabyte', Buffer.of(0x80, 0x80, 0x80, 0x80, 0x80, 0x20)],
    ['a length of 2^32, in 32 bits nothing', Buffer.of(0x80, 0x80, 0x80, 0x80, 0x10)],
    ['a length over the end', Buffer.of(3, 8, 1)],
    ['a wrong varint', Buffer.concat([Buffer.of(12, 8), Buffer.alloc(11, 0xff)])],
    ['a field number of 0', Buffer.of(1, 0)],
    ['an end of a group', Buffer.of(1, 0x0c)],
    ['a group without an end', Buffer.of(1, 0x0b)],
    ['groups in groups', Buffer.concat([Buffer.of(0xf4, 3), Buffer.alloc(500, 0x0b)])],
    ['a string that is not UTF-8', Buffer.of(7, 8, 2, 0x6a, 3, 0x12, 1, 0xff)],
    ['a field of another type', Buffer.of(4, 8, 2, 0x68, 1)],
    ['an inner length over its end', Buffer.of(6, 8, 2, 0x6a, 9, 0x12, 0)],
    ['an inner length over its message, within the buffer', Buffer.of(8, 8, 2, 0x6a, 2, 0x12, 2, 0x61, 0x61)],
  ])('%s: 3501', async (_about, bytes) => {
    const peer = await victim('protobuf')
    await peer.sayBytes(bytes, 'binary')
    expect(peer.end).toBe(BAD)
  })

  test('unknown fields are passed over', async () => {
    const peer = await victim('protobuf')
    const { id, rpc } = { id: 2, rpc: { method: 'm' } }
    const known = delimited(COMMAND, { id, rpc }).subarray(1)
    // Number 99, of each wire type there is.
    const unknown = Buffer.from(
      '98060199060102030405060708 9a0602abcd 9b06 9c06 9d0601020304'.replaceAll(' ', ''),
      'hex',
    )
    const command = Buffer.concat([unknown, known])
    await peer.sayBytes(Buffer.concat([Buffer.of(command.length), command]), 'binary')
    expect(peer.values).toEqual([{ id: 2, rpc: {} }])
  })

  test('data that is no JSON does not reach those who speak JSON', async () => {
    const peer = await victim('protobuf')
    for (const data of [Buffer.of(0xff), Buffer.from('{'), Buffer.from('')]) {
      await peer.sayBytes(delimited(COMMAND, { id: 2, publish: { channel: 'plain', data } }), 'binary')
      expect(peer.values.at(-1)).toMatchObject({ error: { code: 107 } })
    }
  })
})

test.each(['json', 'protobuf'] as const)('any bytes at all, before and after connect, %s', async (format) => {
  await victim()
  const commands = [
    '{"id":2,"rpc":{"data":[1]}}',
    '{"id":3,"subscribe":{"channel":"plainer"}}',
    '{"id":4,"history":{"channel":"r"}}',
  ]
  const valid = format === 'json' ? commands.map((text) => Buffer.from(text)) : commands.map(protobufOf)
  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      fc.array(
        fc.oneof(
          fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
          fc
            .tuple(fc.constantFrom(...valid), fc.nat(), fc.nat(255))
            .map(([bytes, at, byte]) =>
              Buffer.concat([
                bytes.subarray(0, at % bytes.length),
                Buffer.of(byte),
                bytes.subarray((at % bytes.length) + 1),
              ]),
            ),
        ),
        { maxLength: 5 },
      ),
      async (isConnected, messages) => {
        const peer = isConnected ? await stage.client('hostile', format) : stage.open(format)
        for (const message of messages) await peer.sayBytes(message, 'binary')
        expect([undefined, BAD]).toContain(peer.end)
        await peer.lose()
      },
    ),
    { numRuns: 300 },
  )
})
