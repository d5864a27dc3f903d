// The Redis of the simulation is that of the machine: the same calls of the store's own scripts, in any order, are answered
// alike by both, and leave the same behind.

import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Call } from '../../../packages/redis-bridge/src/bus/link.ts'
import { runScript } from '../../../packages/redis-bridge/src/redis/run-script.ts'
import * as histories from '../../../packages/redis-bridge/src/store/history-scripts.ts'
import * as presence from '../../../packages/redis-bridge/src/store/presence-scripts.ts'
import { Keys } from '../../../packages/redis-bridge/src/store/room-routes.ts'
import { anyRedis, describeRedis } from '../../support/redis.ts'
import { RedisData } from '../sim/redis-data.ts'

const keys = new Keys('p:')
const HEAD = Buffer.from('RC\x01\x05nodenode')

const room = fc.constantFrom('r', 'é\u{1F980}', '{x}')
const client = fc.constantFrom('c1', 'c2', 'c3')
const node = fc.constantFrom('n1', 'n2')
const epoch = fc.stringMatching(/^[a-z]{8}$/)
const ofRoom = (name: string): string[] => [keys.lineage, keys.top(name), keys.history(name)]
const make = (script: Call['script'], names: string[], args: Call['args']): Call => ({
  script,
  keys: names,
  args,
  costBytes: 0,
})

/** Calls of the store, with times that do not run out meanwhile. */
const others: fc.Arbitrary<Call> = fc.oneof(
  epoch.map((salt) => make(histories.ADOPT, [keys.lineage], [salt])),
  fc.record({ room, epoch }).map((one) => make(histories.FORK, ofRoom(one.room), [one.epoch])),
  room.map((name) => make(histories.REMOVE_HISTORY, ofRoom(name), [])),
  fc.uniqueArray(room).map((names) =>
    make(
      histories.TOPS,
      [keys.lineage, ...names.map((one) => keys.top(one))],
      names.map(() => 950_000),
    ),
  ),
  fc
    .record({ room, client })
    .map((one) => make(histories.CLAIM, [keys.idempotency(one.room, `claim ${one.client}`)], [one.client, 300_000])),
  fc
    .record({ room, client, node })
    .map((one) =>
      make(
        presence.ENTER,
        [keys.entries(one.room, one.node), keys.roomsOf(one.node), keys.leases],
        [one.room, one.client, `info of ${one.client}`, one.node],
      ),
    ),
  fc
    .record({ room, client, node })
    .map((one) =>
      make(presence.EXIT, [keys.entries(one.room, one.node), keys.roomsOf(one.node)], [one.room, one.client]),
    ),
  fc
    .record({ node, rooms: fc.uniqueArray(fc.tuple(room, fc.uniqueArray(client)), { selector: ([name]) => name }) })
    .map(({ node: one, rooms }) =>
      make(
        presence.ASSERT,
        [keys.roomsOf(one), keys.leases, keys.swept, ...rooms.map(([name]) => keys.entries(name, one))],
        [
          one,
          ...rooms.flatMap(([name, clients]) => [
            name,
            clients.length,
            ...clients.flatMap((each) => [each, `info of ${each}`]),
          ]),
        ],
      ),
    ),
  node.map((one) => make(presence.ROOMS_OF, [keys.roomsOf(one)], [])),
  fc
    .uniqueArray(node)
    .chain((nodes) =>
      room.map((name) => make(presence.PRESENT, [keys.leases, ...nodes.map((one) => keys.entries(name, one))], nodes)),
    ),
  fc
    .record({ node, sweeper: node, rooms: fc.uniqueArray(room) })
    .map((one) =>
      make(
        presence.SWEEP,
        [
          keys.leases,
          keys.swept,
          keys.sweeper,
          keys.roomsOf(one.node),
          ...one.rooms.map((name) => keys.entries(name, one.node)),
        ],
        [...[one.node, one.sweeper, HEAD, 'PUBLISH'], ...one.rooms.flatMap((name) => [name, `p:\u0001${name}`])],
      ),
    ),
  node.map((one) => make(presence.HERE, [keys.nodes, keys.lineage], [one])),
  node.map((one) => make(presence.GONE, [keys.nodes], [one])),
  fc.constant(make(presence.BLOCKED, [keys.blocks, keys.blockWords], [0, 10])),
  fc
    .record({
      user: fc.option(client),
      words: fc.constantFrom('words', 'more words'),
      ms: fc.integer({ min: 10, max: 20 }).map((n) => n * 100_000),
    })
    .map(({ user, ms, words }) =>
      make(
        presence.ASK,
        [keys.nodes, keys.blocks, keys.blockWords],
        ['p:\u0001', 'envelope', 'PUBLISH', ...(user === null ? [] : [user, ms, words, 'other'])],
      ),
    ),
)

const publish: fc.Arbitrary<Call> = fc
  .record({
    room,
    epoch,
    id: epoch,
    size: fc.integer({ min: 1, max: 4 }),
    maxBytes: fc.constantFrom(100, 300, 10_000),
    key: fc.option(client),
    data: fc.uint8Array({ maxLength: 80 }),
  })
  .map((one) =>
    make(
      histories.PUBLISH,
      [...ofRoom(one.room), ...(one.key === null ? [] : [keys.idempotency(one.room, one.key)])],
      [
        ...[one.epoch, `p:\u0001${one.room}`, HEAD, one.id, one.data, one.size, one.maxBytes],
        ...[600_000, 900_000, 'PUBLISH', 300_000],
      ],
    ),
  )

const read: fc.Arbitrary<Call> = fc
  .record({ room, epoch, after: fc.nat(6), before: fc.option(fc.nat(8)), limit: fc.nat(4), newest: fc.boolean() })
  .map((one) =>
    make(histories.READ, ofRoom(one.room), [
      ...[one.epoch, 900_000, `${one.after + 1}-0`, one.before === null ? '+' : `${one.before}-0`],
      ...[one.limit, one.newest ? 1 : 0],
    ]),
  )

const calls: fc.Arbitrary<Call> = fc.oneof(
  { arbitrary: publish, weight: 3 },
  { arbitrary: read, weight: 2 },
  { arbitrary: others, weight: 5 },
)

/** Answers without what differs by the moment. Sets and hashes have no order. */
function plain(answer: unknown): unknown {
  if (Array.isArray(answer)) {
    const all = answer.map(plain)
    return all.every((one) => typeof one === 'string') ? all.sort() : all
  }
  // Times that are left, to the next hundred seconds.
  if (typeof answer === 'number' && answer > 50_000) return Math.ceil(answer / 100_000)
  if (answer instanceof Error) return answer.message.split(' ')[0]
  return Buffer.isBuffer(answer) ? answer.toString('latin1') : answer
}

/** Blocks come in the order of their ends, which depends on the millisecond that each was made in. */
function answerTo({ script }: Call, answer: unknown): unknown {
  const seen = plain(answer)
  if (script !== presence.BLOCKED || !Array.isArray(seen)) return seen
  return seen.sort((a, b) => (String(a) < String(b) ? -1 : 1))
}

describeRedis('one Redis', () => {
  let redis: Redis
  let server: Awaited<ReturnType<typeof anyRedis>>
  beforeAll(async () => {
    server = await anyRedis()
    redis = new Redis(server.url)
  })
  afterAll(async () => {
    redis?.disconnect()
    await server?.stop()
  })

  test('any calls are answered alike, and say the same', async () => {
    const listener = new Redis(server.url)
    const heard: string[] = []
    listener.on('message', (channel: string, message: string) => heard.push(`${channel} ${message}`))
    await listener.subscribe('p:\u0001', ...['r', 'é\u{1F980}', '{x}'].map((name) => `p:\u0001${name}`))
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(calls, { maxLength: 60, size: 'max' }), async (sequence) => {
          await redis.flushall()
          heard.length = 0
          const said: string[] = []
          const data = new RedisData({ now: () => performance.now() }, (channel, bytes) => {
            said.push(`${channel} ${bytes}`)
            return 1
          })
          for (const call of [make(histories.ADOPT, [keys.lineage], ['begin']), ...sequence]) {
            const real = await runScript(redis, call).catch((error: unknown) => error)
            expect([call.script.name, answerTo(call, data.run(call))]).toEqual([call.script.name, answerTo(call, real)])
          }
          // What was published before this is heard before its answer.
          await listener.ping()
          expect(said.map((one) => one.length)).toEqual(heard.map((one) => one.length))
          const left = await Promise.all(
            (await redis.keysBuffer('*')).map(async (key) => [key.toString('latin1'), plain(await redis.pttl(key))]),
          )
          expect(
            data
              .names()
              .map((key) => [key, plain(data.msLeft(key))])
              .sort(),
          ).toEqual(left.sort())
        }),
        { numRuns: 150 },
      )
    } finally {
      listener.disconnect()
    }
  }, 60_000)
})
