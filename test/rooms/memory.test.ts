// What members and publications take, and that nothing stays of what is gone: the heap after a collection of garbage.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createChannels } from '@roomcast/channels'
import { type Framed, type Socket, txt, type WriteResult } from '@roomcast/core'
import { createRooms, memoryStore, type Publication } from '@roomcast/rooms'
import { afterEach, expect, test } from 'vitest'
import { linesCodec } from './codecs.ts'
import { settled } from './person.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

async function heapBytes(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    await settled()
    gc()
  }
  return process.memoryUsage().heapUsed
}

/** A socket that holds its closing listeners as core's does, and of what is written nothing. */
class IdleSocket implements Partial<Socket<undefined>> {
  readyState = 'open' as const
  listeners: { listener: () => void }[] = []

  write(): WriteResult {
    return 'ok'
  }

  onClosing(listener: () => void): () => void {
    const own = { listener }
    this.listeners = this.listeners.concat(own)
    return () => {
      this.listeners = this.listeners.filter((one) => one !== own)
    }
  }
}

const codec = linesCodec()

function idleSocket(): Socket<undefined> {
  return new IdleSocket() as unknown as Socket<undefined>
}

/** What was measured stays until the test is over: if it went meanwhile, the next figure would be too small. */
const kept: unknown[] = []
afterEach(() => kept.splice(0))

/** Bytes of the heap that `make` leaves, for each of `count`. */
async function bytesEach(count: number, make: () => unknown): Promise<number> {
  const before = await heapBytes()
  kept.push(await make())
  return ((await heapBytes()) - before) / count
}

test.each([
  [20_000, 20_000],
  [17_000, 17_000],
  [20_000, 10],
])('%i idle members, %i in a room: with presence at most 400 bytes more than in a channel', async (count, perRoom) => {
  const nameOf = (i: number): string => `room ${Math.floor(i / perRoom)}`
  const people = Array.from({ length: count }, (_, i) => {
    return { socket: idleSocket(), other: idleSocket(), client: crypto.randomUUID(), user: `user ${i}` }
  })
  const channelMember = await bytesEach(count, () => {
    const channels = createChannels<undefined>()
    for (const [i, { socket }] of people.entries()) channels.join(nameOf(i), socket)
    return channels
  })
  const presenceMember = await bytesEach(count, async () => {
    const rooms = createRooms({ store: memoryStore(), options: () => ({ presence: true }) })
    for (const [i, { other: socket, client, user }] of people.entries()) {
      void rooms.enter(nameOf(i), { socket, client, user, info: 'i', codec }, { reply: () => '' })
    }
    expect((await rooms.presence(nameOf(0))).size).toBe(perRoom)
    return rooms
  })
  console.log({ count, perRoom, channelMember: Math.round(channelMember), presenceMember: Math.round(presenceMember) })
  expect(presenceMember - channelMember).toBeLessThanOrEqual(400)
})

// What a codec copies of the data, as `stringify` does, is its own. The other is put together, and copies nothing.
const BODIES = {
  copied: (publication: Publication) => JSON.stringify({ offset: publication.offset, data: publication.data }),
  'put together': ({ offset, data }: Publication) => `{"offset":${offset},"data":"${data}"}`,
}

test.each([
  [32, 'copied'],
  [32, 'put together'],
  [1000, 'put together'],
] as const)('a kept publication of %i bytes, with one body that is %s: at most 250 more', async (bytes, made) => {
  const [roomCount, size] = [30, 300]
  const rooms = createRooms({ store: memoryStore(), options: () => ({ history: { size, ttlMs: 600_000 } }) })
  const push = (room: string, body: string): Framed => txt(`{"in":"${room}","said":${body}}`)
  const json = { ...codec, body: BODIES[made], push }
  for (let i = 0; i < roomCount; i++) {
    await rooms.enter(`r${i}`, { socket: idleSocket(), client: 'c', user: 'u', codec: json }, { reply: () => '' })
  }
  const say = async (times: number): Promise<void> => {
    for (let i = 0; i < times * roomCount; i++) {
      await rooms.publish(`r${i % roomCount}`, Buffer.alloc(bytes, `${i} `).toString('latin1'))
    }
  }
  await say(5)
  const each = await bytesEach(roomCount * (size - 5), async () => {
    await say(size - 5)
    return rooms
  })
  console.log({ bytes, made, each: Math.round(each) })
  expect(each).toBeLessThanOrEqual(bytes + 250)
  await rooms.close()
})
