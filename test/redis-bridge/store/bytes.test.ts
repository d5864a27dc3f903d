// Drafts, infos and records as bytes: what is written is read again, and what is not that is nothing.

import type { BusRecord, ClientInfo, Data } from '@roomcast/rooms'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  encodeDraft,
  encodeInfo,
  encodeRecord,
  readDraft,
  readInfo,
  reading,
  readRecord,
} from '../../../packages/redis-bridge/src/store/bytes.ts'
import {
  decodeLeaves,
  decodePublication,
  decodeTop,
  encodeTop,
} from '../../../packages/redis-bridge/src/store/messages.ts'

const text = fc.string({ unit: 'grapheme' })
const data: fc.Arbitrary<Data> = fc.oneof(text, fc.uint8Array())
const some = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined })
const info: fc.Arbitrary<ClientInfo> = fc.record({ client: text, user: text, info: some(data), roomInfo: some(data) })
const tags = fc.dictionary(fc.oneof(text, fc.constant('__proto__')), text)
const draft = fc.record({ id: text, data, info: some(info), tags: some(tags) })

test('what is written is read again', () => {
  fc.assert(
    fc.property(draft, info, (one, who) => {
      expect(reading(encodeDraft(one), 0, readDraft)).toEqual(one)
      for (const one of [who, { ...who, isUnannounced: true }]) {
        expect(reading(encodeInfo(one), 0, readInfo)).toEqual(one)
      }
      const publication = { ...one, epoch: '', offset: 0, previous: '' }
      for (const record of [
        { kind: 'publication', publication },
        { kind: 'join', info: who },
        { kind: 'leave', info: who },
      ] satisfies BusRecord[]) {
        expect(reading(encodeRecord(record), 0, readRecord)).toEqual(record)
      }
    }),
  )
})

test('what is cut short, or goes on, is nothing', () => {
  fc.assert(
    fc.property(info, fc.nat(), (who, at) => {
      const whole = encodeInfo(who)
      expect(reading(whole.subarray(0, at % whole.length), 0, readInfo)).toBeUndefined()
      expect(reading(Buffer.concat([whole, Buffer.alloc(1)]), 0, readInfo)).toBeUndefined()
    }),
  )
})

test('any bytes at all are read or refused, and throw nothing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const envelope = Buffer.concat([Buffer.alloc(24), bytes])
      for (const read of [readDraft, readInfo, readRecord]) reading<unknown>(Buffer.from(bytes), 0, read)
      for (const decode of [decodePublication, decodeTop, decodeLeaves]) decode(envelope)
    }),
  )
})

test('where a room stands, as bytes', () => {
  const node = Buffer.from('0123456789abcdef', 'hex')
  const top = { epoch: 'e', offset: 2 ** 40 + 1, lastId: 'id' }
  const envelope = encodeTop(node, top)
  expect(envelope.toString('hex')).toBe('524301060123456789abcdef00000100000000010000000000000001650000000269' + '64')
  expect(decodeTop(envelope)).toEqual(top)
})
