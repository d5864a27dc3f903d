// The contract of the Store port as one suite, for any store: nothing here assumes when a delivery comes, every wait has a
// deadline. What must not arrive is shown by a fence: a later record that does, after which the other is overdue.

import type {
  BusRecord,
  Draft,
  GapInfo,
  HistoryRule,
  NodeAnswer,
  NodeRequest,
  Publication,
  Store,
  StoreSink,
  Top,
} from '@roomcast/rooms'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HOSTILE_NAMES } from '../support/broker-suite.ts'

/** Two stores of two nodes on one database of their own, not started. */
export interface StorePair {
  a: Store
  b: Store
  /** One more node, that comes later. */
  another(): Store
  /** Resolves when the two, started, know of each other. */
  started?(): Promise<void>
  /** Ends what the stores themselves do not. */
  dispose?(): Promise<void>
}

const DEADLINE_MS = 10_000
const RULE: HistoryRule = { size: 100, ttlMs: 60_000, maxBytes: 1_000_000, metaTtlMs: 60_000 }

let drafts = 0
function draft(data: Draft['data'] = 'x'): Draft {
  return { id: `id${++drafts}`, data }
}

/** A sink that records, and can be awaited. */
class Recorder implements StoreSink {
  readonly records: { room: string; record: BusRecord }[] = []
  readonly marks: Top[] = []
  readonly gaps: { room: string; info: GapInfo }[] = []
  readonly requests: NodeRequest[] = []
  #wake: (() => void)[] = []

  deliver(room: string, record: BusRecord): void {
    this.records.push({ room, record })
    for (const wake of this.#wake.splice(0)) wake()
  }

  mark(_room: string, top: Top): void {
    this.marks.push(top)
  }

  gap(room: string, info: GapInfo): void {
    this.gaps.push({ room, info })
  }

  /** Every node says something of its own. */
  answer(request: NodeRequest): NodeAnswer {
    this.requests.push(request)
    for (const wake of this.#wake.splice(0)) wake()
    return { clients: 1, rooms: [['\u{1F980}"\n', 2]], more: false }
  }

  publications(room: string): Publication[] {
    return this.records.flatMap((one) =>
      one.room === room && one.record.kind === 'publication' ? one.record.publication : [],
    )
  }

  async until(what: string, done: () => boolean): Promise<void> {
    while (!done()) {
      let timer: NodeJS.Timeout | undefined
      const deadline = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`not within ${DEADLINE_MS} ms: ${what}`)), DEADLINE_MS)
      })
      await Promise.race([new Promise<void>((resolve) => this.#wake.push(resolve)), deadline])
      clearTimeout(timer)
    }
  }
}

/** Runs the contract against a store. */
export function describeStore(name: string, make: () => Promise<StorePair>): void {
  describe(`store: ${name}`, () => {
    let pair: StorePair
    let a: Store
    let b: Store
    let heardA: Recorder
    let heardB: Recorder

    beforeEach(async () => {
      pair = await make()
      ;({ a, b } = pair)
      heardA = new Recorder()
      heardB = new Recorder()
      a.start(heardA)
      b.start(heardB)
      await pair.started?.()
    })

    afterEach(async () => {
      await Promise.all([a.close(), b.close()])
      await pair.dispose?.()
    })

    async function joined(store: Store, room: string): Promise<void> {
      store.join(room, RULE)
      await store.ready(room)
    }

    test('numbers count from 1, name the one before, and reach every node that joined, the publishing one too', async () => {
      await Promise.all([joined(a, 'r'), joined(b, 'r')])
      const sent: Draft[] = Array.from({ length: 20 }, (_, i) => ({ ...draft(`${i}`), tags: { i: `${i}` } }))
      const positions = await Promise.all(sent.map((one, i) => (i % 2 ? a : b).publish('r', one, RULE, undefined)))
      expect(positions.map(({ offset }) => offset).sort((x, y) => x - y)).toEqual(sent.map((_, i) => i + 1))
      expect(new Set(positions.map(({ epoch }) => epoch)).size).toBe(1)
      for (const heard of [heardA, heardB]) {
        await heard.until('20 publications', () => heard.publications('r').length === 20)
        const publications = heard.publications('r')
        expect(publications.map(({ offset }) => offset)).toEqual(sent.map((_, i) => i + 1))
        expect(publications.map(({ previous }) => previous)).toEqual(
          ['', ...publications.map(({ id }) => id)].slice(0, 20),
        )
        for (const { id, data, tags, offset } of publications) {
          const i = sent.findIndex((one) => one.id === id)
          expect({ data, tags, offset }).toEqual({ data: `${i}`, tags: { i: `${i}` }, offset: positions[i]!.offset })
        }
      }
    })

    test('text stays text and bytes stay bytes; who said it is kept', async () => {
      const info = { client: 'c', user: 'u', info: Uint8Array.of(0, 255) }
      await a.publish('r', { ...draft('\u{1F980}"\n'), info }, RULE, undefined)
      await a.publish('r', draft(Uint8Array.of(0, 10, 255)), RULE, undefined)
      const [text, bytes] = (await b.read('r', RULE, { limit: 10 })).publications
      expect(text).toMatchObject({ data: '\u{1F980}"\n', info: { client: 'c', user: 'u' } })
      expect(Buffer.from(text!.info!.info as Uint8Array)).toEqual(Buffer.from([0, 255]))
      expect(Buffer.from(bytes!.data as Uint8Array)).toEqual(Buffer.from([0, 10, 255]))
    })

    test('what is published after ready is delivered; after leave nothing is; other rooms are other rooms', async () => {
      await joined(b, 'fence')
      for (const room of HOSTILE_NAMES) await joined(b, room)
      for (const room of HOSTILE_NAMES) await a.publish(room, draft(room), RULE, undefined)
      await a.publish('fence', draft(), RULE, undefined)
      await heardB.until('the fence', () => heardB.publications('fence').length === 1)
      await heardB.until('the rooms', () => heardB.records.length === HOSTILE_NAMES.length + 1)
      for (const room of HOSTILE_NAMES) expect(heardB.publications(room).map(({ data }) => data)).toEqual([room])
      b.leave('a')
      await b.read('a', RULE, { limit: 0 })
      await a.publish('a', draft(), RULE, undefined)
      await a.publish('fence', draft(), RULE, undefined)
      await heardB.until('the second fence', () => heardB.publications('fence').length === 2)
      expect(heardB.publications('a')).toHaveLength(1)
    })

    test('a repeat of a key, on any node, has the first position, reaches nobody and is not kept', async () => {
      await joined(a, 'r')
      const first = await a.publish('r', draft(), RULE, 'k')
      expect(await b.publish('r', draft(), RULE, 'k')).toEqual(first)
      expect((await b.publish('r', draft(), RULE, 'l')).offset).toBe(2)
      expect((await b.publish('other', draft(), RULE, 'k')).offset).toBe(1)
      await heardA.until('two', () => heardA.publications('r').length === 2)
      expect((await a.read('r', RULE, { limit: 10 })).publications).toHaveLength(2)
      expect([await a.claim('p', 'k'), await b.claim('p', 'k'), await b.claim('q', 'k')]).toEqual([true, false, true])
    })

    test('ranges: after, before, oldest and newest, the position alone', async () => {
      const rule = { ...RULE, size: 6 }
      for (let i = 1; i <= 10; i++) await a.publish('r', draft(`${i}`), rule, undefined)
      const read = async (range: Parameters<Store['read']>[2]): Promise<number[]> => {
        const page = await b.read('r', rule, range)
        expect(page).toMatchObject({ offset: 10, lastId: `id${drafts}` })
        return page.publications.map(({ offset }) => offset)
      }
      expect(await read({ limit: 0 })).toEqual([])
      expect(await read({ limit: 100 })).toEqual([5, 6, 7, 8, 9, 10])
      expect(await read({ limit: 2 })).toEqual([5, 6])
      expect(await read({ limit: 2, newest: true })).toEqual([9, 10])
      expect(await read({ limit: 2, after: 6 })).toEqual([7, 8])
      expect(await read({ limit: 2, after: 8, newest: true })).toEqual([9, 10])
      expect(await read({ limit: 3, before: 8, newest: true })).toEqual([5, 6, 7])
      expect(await read({ limit: 3, before: 7 })).toEqual([5, 6])
      expect(await read({ limit: 3, after: 10 })).toEqual([])
      expect(await read({ limit: 3, after: 2, before: 4 })).toEqual([])
    })

    test('a history is bounded in bytes', async () => {
      const rule = { ...RULE, maxBytes: 10_000 }
      for (let i = 0; i < 10; i++) await a.publish('r', draft('x'.repeat(2500)), rule, undefined)
      const { publications, offset } = await a.read('r', rule, { limit: 100 })
      expect(offset).toBe(10)
      expect(publications.length).toBeGreaterThan(0)
      expect(publications.length).toBeLessThanOrEqual(4)
    })

    test('a room has an epoch from its first read on, and another after a fork; a fork of another epoch does nothing', async () => {
      const { epoch, offset, lastId } = await a.read('r', RULE, { limit: 0 })
      expect([offset, lastId]).toEqual([0, ''])
      expect(epoch).not.toBe('')
      expect(await b.publish('r', draft(), RULE, undefined)).toEqual({ epoch, offset: 1 })
      await a.fork('r', 'another')
      expect((await b.read('r', RULE, { limit: 0 })).epoch).toBe(epoch)
      await a.fork('r', epoch)
      const after = await b.read('r', RULE, { limit: 10 })
      expect(after).toMatchObject({ offset: 0, lastId: '', publications: [] })
      expect(after.epoch).not.toBe(epoch)
      expect((await a.read('other', RULE, { limit: 0 })).epoch).not.toBe(after.epoch)
    })

    test('records are carried to the others, and not back', async () => {
      await Promise.all([joined(a, 'r'), joined(b, 'r')])
      const info = { client: 'c', user: 'u', info: 'i', roomInfo: Uint8Array.of(0, 255) }
      expect(a.carry('r', { kind: 'join', info })).toBe(true)
      expect(b.carry('r', { kind: 'leave', info })).toBe(true)
      await heardB.until('the join', () => heardB.records.length === 1)
      await heardA.until('the leave', () => heardA.records.length === 1)
      expect(heardB.records).toEqual([{ room: 'r', record: { kind: 'join', info } }])
      expect(heardA.records).toEqual([{ room: 'r', record: { kind: 'leave', info } }])
    })

    test('presence: entries are seen on every node, owned by the node that made them, asserted as a whole', async () => {
      const [one, two, three] = ['1', '2', '3'].map((client) => ({
        client,
        user: client === '3' ? 'u1' : `u${client}`,
        info: 'i',
      }))
      const present = async (room: string): Promise<string[]> =>
        (await b.presence(room)).map(({ client }) => client).sort()
      await a.lease()
      await b.lease()
      expect([await a.enter('r', one!), await a.enter('r', one!), await b.enter('r', two!)]).toEqual([
        true,
        false,
        true,
      ])
      await b.enter('r', three!)
      expect((await a.presence('r')).find(({ client }) => client === '1')).toEqual(one)
      expect(await present('r')).toEqual(['1', '2', '3'])
      expect(await a.enter('r', { ...one!, info: 'another' })).toBe(false)
      expect((await b.presence('r')).find(({ client }) => client === '1')?.info).toBe('another')
      await a.enter('r', one!)
      expect(await a.presenceStats('r')).toEqual({ clients: 3, users: 2 })
      expect([await a.exit('r', '2'), await b.exit('r', '2'), await b.exit('r', '2')]).toEqual([false, true, false])
      const { added, removed } = await a.assert([['s', one!]])
      expect([added, removed]).toEqual([[['s', one]], [['r', one]]])
      expect([await present('r'), await present('s')]).toEqual([['3'], ['1']])
      expect(await a.lease()).toBe('kept')
      await a.close()
      expect(await present('s')).toEqual([])
    })

    test('a history that is removed is gone; epoch, number, what came last, and keys stay', async () => {
      const { epoch } = await a.publish('r', draft('a'), RULE, 'k')
      await a.publish('r', draft('b'), RULE, undefined)
      expect(await b.read('r', RULE, { limit: 1, newest: true })).toMatchObject({ first: 1, offset: 2 })
      await b.removeHistory('r')
      const lastId = `id${drafts}`
      expect(await a.read('r', RULE, { limit: 9 })).toEqual({ epoch, offset: 2, first: 3, lastId, publications: [] })
      expect(await a.publish('r', draft('a'), RULE, 'k')).toEqual({ epoch, offset: 1 })
      await a.publish('r', draft('c'), RULE, undefined)
      const page = await b.read('r', RULE, { limit: 9 })
      expect(page).toMatchObject({ epoch, offset: 3, first: 3, publications: [{ data: 'c', previous: lastId }] })
      await a.removeHistory('never was')
    })

    test('the oldest that is kept is told, whatever was asked for', async () => {
      const rule = { ...RULE, size: 3 }
      expect(await a.read('r', rule, { limit: 9 })).toMatchObject({ offset: 0, first: 1 })
      for (let i = 1; i <= 5; i++) await a.publish('r', draft(), rule, undefined)
      expect(await b.read('r', rule, { limit: 0 })).toMatchObject({ offset: 5, first: 3 })
      expect(await b.read('r', rule, { limit: 9, after: 4 })).toMatchObject({ offset: 5, first: 3 })
    })

    test('a node that goes in good order: its leaves are told once each to the others', async () => {
      await Promise.all([joined(a, 'r'), joined(b, 'r'), a.lease()])
      for (const client of ['1', '2']) await a.enter('r', { client, user: 'u' })
      await a.close()
      await heardB.until('the leaves', () => heardB.records.length === 2)
      const left = heardB.records.map(({ record }) => (record.kind === 'leave' ? record.info.client : record.kind))
      expect(left.sort()).toEqual(['1', '2'])
    })

    test('every node is asked, and answers', async () => {
      const request = { do: 'subscribe', user: 'u', room: '\u{1F980}' } as const
      const answer = { clients: 1, rooms: [['\u{1F980}"\n', 2]], more: false }
      expect(await a.ask(request)).toEqual({ answers: [answer, answer], missing: 0 })
      expect([heardA.requests, heardB.requests]).toEqual([[request], [request]])
      const list = { do: 'list', pattern: '*', limit: 5 } as const
      expect(await b.ask(list)).toEqual({ answers: [answer, answer], missing: 0 })
      expect(heardA.requests.at(-1)).toEqual(list)
    })

    test('who is blocked is told to a node that comes later, with the time that is left', async () => {
      const block = { do: 'disconnect', code: 3503, reason: 'bye', blockMs: 60_000 } as const
      await a.ask({ ...block, user: 'u' })
      await a.ask({ ...block, user: 'v', blockMs: 0 })
      await a.ask({ ...block, user: 'x' })
      const late = pair.another()
      const heard = new Recorder()
      late.start(heard)
      try {
        await heard.until('two blocks', () => heard.requests.length >= 2)
        const blocks = heard.requests.flatMap((one) => (one.do === 'disconnect' ? one : []))
        expect(blocks.map(({ user }) => user).sort()).toEqual(['u', 'x'])
        for (const { blockMs, ...rest } of blocks) {
          expect(rest).toMatchObject({ code: 3503, reason: 'bye' })
          expect(blockMs).toBeGreaterThan(0)
          expect(blockMs).toBeLessThanOrEqual(60_000)
        }
      } finally {
        await late.close()
      }
    })

    test.each<[except: (string[] | undefined)[], spared: string[] | undefined]>([
      [[['a']], ['a']],
      [[['a'], ['a']], ['a']],
      [[undefined, ['a']], undefined],
      [[['a'], undefined], undefined],
      [[['a'], ['b']], undefined],
    ])('a node that comes later spares only whom all blocks of a user except: %j', async (blocks, spared) => {
      const block = { do: 'disconnect', user: 'u', code: 3503, reason: 'bye', blockMs: 60_000 } as const
      for (const except of blocks) await a.ask({ ...block, except })
      const late = pair.another()
      const heard = new Recorder()
      late.start(heard)
      try {
        await heard.until('the block', () => heard.requests.length > 0)
        expect(heard.requests.map((one) => one.do === 'disconnect' && one.except)).toEqual([spared])
      } finally {
        await late.close()
      }
    })

    test('started once; after close everything rejects or does nothing', async () => {
      expect(() => a.start(heardA)).toThrow('once')
      await a.close()
      await a.close()
      for (const call of [
        a.publish('r', draft(), RULE, undefined),
        a.read('r', RULE, { limit: 1 }),
        a.enter('r', { client: 'c', user: '' }),
        a.lease(),
      ]) {
        await expect(call).rejects.toMatchObject({ name: 'StoreUnavailableError' })
      }
      expect(a.carry('r', { kind: 'join', info: { client: 'c', user: '' } })).toBe(false)
      a.join('r', RULE)
      a.leave('r')
    })
  })
}
