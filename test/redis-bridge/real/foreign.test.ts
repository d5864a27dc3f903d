// What others put on the bus: publishers in other processes and languages, strangers, another version, an ACL.

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { describeRedis, RedisServer, until } from '../../support/redis.ts'
import { buildNodes } from './node-process.ts'
import { Cleanup, Rig } from './rig.ts'

const run = promisify(execFile)
const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url))
const ROOT = here('../../../')

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

async function setUp() {
  const redis = cleanup.add(await RedisServer.start({ tcp: true }))
  const rig = await cleanup.add(new Rig({ url: redis.url })).ready()
  const member = await rig.readyMember('room')
  return { redis, rig, member }
}

/** An envelope by the table of the README. */
function envelope({
  version = 1,
  kind = 0,
  number = 1n,
  age = 0xffffffff,
  body = frame('hi'),
  node = randomBytes(8),
} = {}) {
  const head = Buffer.alloc(24)
  head.write('RC', 'latin1')
  head[2] = version
  head[3] = kind
  node.copy(head, 4)
  head.writeBigUInt64BE(number, 12)
  head.writeUInt32BE(age, 20)
  return Buffer.concat([head, body])
}

async function connections({ admin }: RedisServer): Promise<number> {
  return Number(/connected_clients:(\d+)/.exec(await admin.info('clients'))?.[1])
}

function frame(text: string, first = 0x81): Buffer {
  return Buffer.concat([Buffer.from([first, Buffer.byteLength(text)]), Buffer.from(text)])
}

describeRedis('others on the bus', () => {
  test('Python, with its standard library alone', async () => {
    const { redis, rig, member } = await setUp()
    const messages = ['hello', '', 'é 🦀', 'x'.repeat(126), 'y'.repeat(70_000)]
    const args = [here('publisher.py'), '127.0.0.1', String(redis.port), 'app', 'room', ...messages]
    const { stdout } = await run('python3', args)
    expect(stdout.trim().split('\n')).toEqual(messages.map(() => ':1'))
    await member.got(messages.at(-1)!)
    expect(member.messages).toEqual(messages)
    expect(rig.gaps).toEqual([])
    expect(rig.bridge.stats()).toMatchObject({ delivered: messages.length, invalid: 0 })
  })

  test('an envelope written by hand, and one the README would forbid', async () => {
    const { redis, rig, member } = await setUp()
    const publish = (bytes: Buffer, channel = 'room'): Promise<number> => redis.admin.publish(`app:${channel}`, bytes)
    const node = randomBytes(8)
    await publish(envelope({ node, body: Buffer.concat([frame('one'), frame('two', 0x82)]) }))
    await member.got('two')
    expect(member.messages).toEqual(['one', Buffer.from('two')])

    const long = Buffer.concat([Buffer.from([0x81, 126, 0, 2]), Buffer.from('hi')])
    const bad: [what: string, bytes: Buffer][] = [
      ['nothing', Buffer.alloc(0)],
      ['another app', Buffer.from('{"type":"chat","room":"room"}')],
      ['random bytes', randomBytes(500)],
      ['a header cut short', envelope().subarray(0, 23)],
      ['a later version', envelope({ version: 2 })],
      ['version 0', envelope({ version: 0 })],
      ['an unknown kind', envelope({ kind: 9 })],
      ['no frames', envelope({ body: Buffer.alloc(0) })],
      ['number 0', envelope({ number: 0n })],
      ['a number past 2^53', envelope({ number: 2n ** 53n + 1n })],
      ['a frame cut short', envelope({ body: frame('cut').subarray(0, 4) })],
      ['a half header of a frame', envelope({ body: Buffer.from([0x81]) })],
      ['a good frame and a cut one', envelope({ body: Buffer.concat([frame('good'), frame('cut').subarray(0, 3)]) })],
      ['a ping', envelope({ body: frame('hi', 0x89) })],
      ['a close', envelope({ body: frame('', 0x88) })],
      ['a continuation', envelope({ body: frame('hi', 0x80) })],
      ['no FIN', envelope({ body: frame('hi', 0x01) })],
      ['a reserved bit', envelope({ body: frame('hi', 0xc1) })],
      ['a mask', envelope({ body: Buffer.from([0x81, 0x82, 1, 2, 3, 4, 5, 6]) })],
      ['a length that is not minimal', envelope({ body: long })],
      [
        'a length past all memory',
        envelope({ body: Buffer.from([0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255]) }),
      ],
    ]
    for (const [, bytes] of bad) await publish(bytes)
    for (const [, bytes] of bad.slice(0, 5)) await publish(bytes, '')
    await publish(envelope({ node, number: 3n, age: 1, body: frame('fence') }))
    await member.got('fence')
    expect(member.messages.slice(2)).toEqual(['fence'])
    expect(rig.bridge.stats().invalid).toBe(bad.length + 5)
    expect(rig.gaps).toEqual([])
    expect(rig.bridge.status).toBe('ready')
  })

  test('ten thousand pieces of garbage', async () => {
    const { redis, rig, member } = await setUp()
    const valid = envelope({ body: frame('hi') })
    for (let i = 0; i < 10_000; i += 100) {
      const batch = redis.admin.pipeline()
      for (let j = 0; j < 100; j++) {
        const bytes = randomBytes(Math.floor(Math.random() * 60))
        batch.publish(j % 10 === 0 ? 'app:' : 'app:room', j % 2 ? Buffer.concat([valid.subarray(0, 3), bytes]) : bytes)
      }
      await batch.exec()
    }
    redis.admin.publish('app:room', envelope({ body: frame('fence') }))
    await member.got('fence')
    // Random bytes that happen to be an envelope are as rare as they are harmless; a stray frame would be seen here.
    expect(member.messages).toEqual(['fence'])
    expect(rig.bridge.stats().invalid).toBeGreaterThan(9_000)
    expect(rig.bridge.status).toBe('ready')
  })

  test('a repeat is dropped, of a partly new envelope the new part passes, a jump is a gap of its size', async () => {
    const { redis, rig, member } = await setUp()
    const node = randomBytes(8)
    const say = (number: number, ...texts: string[]): Promise<number> =>
      redis.admin.publish(
        'app:room',
        envelope({
          node,
          number: BigInt(number),
          age: number === 1 ? 0xffffffff : 10,
          body: Buffer.concat(texts.map((text) => frame(text))),
        }),
      )
    await say(1, 'm1', 'm2')
    await say(1, 'm1', 'm2')
    await say(2, 'm2', 'm3', 'm4')
    await say(3, 'm3')
    await say(8, 'm8')
    await member.got('m8')
    expect(member.messages).toEqual(['m1', 'm2', 'm3', 'm4', 'm8'])
    expect(rig.gaps).toEqual([{ channel: 'room', node: node.toString('hex'), missed: 3 }])
  })

  test('the least that an ACL must allow is enough', async () => {
    const redis = cleanup.add(await RedisServer.start({ tcp: true }))
    await redis.admin.call(
      ...(['ACL', 'SETUSER', 'bridge', 'on', '>secret', 'resetkeys', 'resetchannels', '&app:*', '-@all'] as const),
      ...['+subscribe', '+unsubscribe', '+publish', '+hello', '+auth'],
    )
    await redis.admin.call('ACL', 'SETUSER', 'default', 'on', '-@all', '+acl')
    const url = `redis://bridge:secret@127.0.0.1:${redis.port}`
    const [a, b] = [cleanup.add(new Rig({ url })), cleanup.add(new Rig({ url }))]
    const member = await b.readyMember('room')
    await a.ready()
    a.channels.broadcast('room', 'with little')
    await member.got('with little')
    const [errors, log] = [[...a.errors, ...b.errors], await redis.admin.call('ACL', 'LOG')]
    expect(errors).toEqual([])
    expect(log).toEqual([])

    // Another app's rooms are out of reach.
    const other = cleanup.add(new Rig({ url, prefix: 'other' }))
    await until('to be refused', () => other.errors.length > 0)
    expect(other.bridge.status).not.toBe('ready')
  })
})

describeRedis('the publisher', () => {
  beforeAll(buildNodes)

  test('publishes from a process that ends when it is done', async () => {
    const { redis, rig, member } = await setUp()
    const program = `
      import { createPublisher } from '@roomcast/redis-bridge/publisher'
      const publisher = createPublisher({ url: process.argv[1], prefix: 'app' })
      await publisher.publish('room', 'text')
      await publisher.publish('room', Buffer.from([1, 2, 3]))
      await Promise.all([publisher.publish('room', 'three'), publisher.publish('nobody', 'x'), publisher.publish('room', 'four')])
      console.log('published')
      await publisher.close()
    `
    const before = await connections(redis)
    const args = ['--input-type=module', '-e', program, redis.url]
    const { stdout } = await run(process.execPath, args, {
      cwd: ROOT,
      timeout: 15_000,
      env: { PATH: process.env.PATH },
    })
    expect(stdout).toBe('published\n')
    await member.got('four')
    expect(member.messages).toEqual(['text', Buffer.from([1, 2, 3]), 'three', 'four'])
    expect(rig.gaps).toEqual([])
    await until('its connection to be gone', async () => (await connections(redis)) === before)
  })

  test('has no subscription, and its loss is told by its last mark', async () => {
    const { createPublisher } = await import('@roomcast/redis-bridge/publisher')
    const { redis, rig, member } = await setUp()
    const publisher = createPublisher({ url: redis.url, prefix: 'app' })
    await publisher.publish('room', 'one')
    await member.got('one')
    expect(
      String(await redis.admin.call('CLIENT', 'LIST', 'TYPE', 'pubsub'))
        .trim()
        .split('\n'),
    ).toHaveLength(1)
    await redis.admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await publisher.publish('room', 'two')
    await publisher.publish('room', 'three')
    await rig.ready()
    await rig.channels.ready('room')
    await publisher.close()
    await until('the loss to be told, or everything to be there', () => {
      const missed = rig.gaps.reduce((all, gap) => all + (gap.missed ?? 0), 0)
      return member.messages.length + missed === 3
    })
  })

  test('rejects when Redis is away for too long, and what was not sent is said', async () => {
    const { createPublisher } = await import('@roomcast/redis-bridge/publisher')
    const { redis } = await setUp()
    const publisher = createPublisher({ url: redis.url, prefix: 'app' })
    await redis.kill()
    const outcome = publisher.publish('room', 'lost').then(
      () => 'resolved',
      () => 'rejected',
    )
    await publisher.close().catch(() => {})
    expect(await outcome).toBe('rejected')
  })
})
