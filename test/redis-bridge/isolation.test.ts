// Which message ended the connection, among those of all partitions that share it, when answers are lost with it.

import { txt } from '@roomcast/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Attention } from '../../packages/redis-bridge/src/bus/attention.ts'
import { decode, Kind } from '../../packages/redis-bridge/src/bus/envelope.ts'
import type { Link, LinkEvents, PublishReply, RoutedMessage, Routes } from '../../packages/redis-bridge/src/bus/link.ts'
import { Sender } from '../../packages/redis-bridge/src/bus/sender.ts'
import { type Command, WayOut } from '../../packages/redis-bridge/src/bus/way-out.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

/** A partition for each first letter. */
const routes: Routes = {
  partitions: 26,
  partitionOf: (channel) => channel.charCodeAt(0) - 97,
  of: (channel) => channel,
  shared: (partition) => `${partition}:`,
  direct: (partition, node) => `${partition}:${node}`,
  parse: (route) => ({ channel: route, partition: route.charCodeAt(0) - 97 }),
}

/** What Redis makes of a message. */
type Verdict = 'taken' | 'ends it' | 'answered, and ends it' | 'sent elsewhere'

/** One connection for all partitions. It ends on some messages, and with it the last `answersLost` answers are lost. */
class Wire {
  verdictOn: (text: string) => Verdict = () => 'taken'
  answersLost = 0
  /** Whether it can be made anew alone. */
  mends = true
  /** What was carried out, in order, once more for each time. */
  readonly taken: string[] = []
  /** What had no answer when a connection ended. */
  readonly ends: string[][] = []
  /** What was written on the connection that there is. */
  #sent: { text: string; replied(reply: PublishReply): void; answered: boolean }[] = []
  #events: LinkEvents | undefined
  readonly #clock: VirtualClock

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  open(events: LinkEvents): Link {
    this.#events = events
    this.#clock.soon(() => events.up())
    return {
      publish: (messages, replied) => this.#publish(messages, replied),
      subscribe: () => {},
      unsubscribe: () => {},
      mend: () => this.#clock.soon(() => (this.mends ? events.mended() : events.down(new Error('gone')))),
      close: () => {},
    }
  }

  #publish(messages: readonly RoutedMessage[], replied: (index: number, reply: PublishReply) => void): void {
    for (const [index, { route, bytes }] of messages.entries()) {
      const { kind, frames } = decode(Buffer.from(bytes))!
      const text = kind === Kind.MESSAGES ? `${route} ${frames.map((one) => one.subarray(2)).join()}` : 'a notice'
      this.#sent.push({ text, replied: (reply) => replied(index, reply), answered: false })
    }
    const sent = this.#sent
    this.#clock.after(1, () => {
      if (sent === this.#sent) this.#read()
    })
  }

  #read(): void {
    const unread = this.#sent.filter(({ answered }) => !answered)
    const endsAt = unread.findIndex(({ text }) => this.verdictOn(text) !== 'taken')
    const carriedOut = endsAt < 0 ? unread : unread.slice(0, endsAt)
    this.taken.push(...carriedOut.map(({ text }) => text))
    const seen = endsAt < 0 ? carriedOut : carriedOut.slice(0, Math.max(0, endsAt - this.answersLost))
    for (const one of seen) {
      one.answered = true
      one.replied({ receivers: 0 })
    }
    if (endsAt < 0) return
    const poison = unread[endsAt]!
    if (this.answersLost === 0 && this.verdictOn(poison.text) === 'answered, and ends it') {
      poison.answered = true
      poison.replied({ refused: new Error('too large'), divisible: true })
    }
    this.ends.push(this.#sent.filter(({ answered }) => !answered).map(({ text }) => text))
    this.#sent = []
    if (this.verdictOn(poison.text) === 'sent elsewhere') this.#events!.down(new Error('MOVED'), true)
    else this.#events!.cut()
  }
}

function setUp() {
  const clock = new VirtualClock(1)
  const wire = new Wire(clock)
  const sender = new Sender({
    clock,
    newId: () => new Uint8Array(8),
    onLost: () => {},
    transport: {
      routes,
      locate(_partition, found) {
        found('the one place')
        return () => {}
      },
      open: (_place, events) => wire.open(events),
    },
  })
  sender.open()
  clock.advance(10)
  const fates = new Map<string, string>()
  const say = (channel: string, text: string): void => {
    sender.publish(channel, txt(text).bytes, (error) => fates.set(`${channel} ${text}`, error?.message ?? 'there'))
  }
  return { clock, wire, sender, fates, say }
}

/** What came after a later one of its channel, and had not been there before: receivers would drop it. */
function outOfOrder(taken: readonly string[]): string[] {
  const seen = new Map<string, Set<number>>()
  return taken.filter((text) => {
    const channel = text[0]!
    const numbers = seen.get(channel) ?? new Set()
    seen.set(channel, numbers)
    return (text.match(/\d+/g) ?? []).map(Number).some((n) => {
      const isLate = !numbers.has(n) && n < Math.max(...numbers)
      numbers.add(n)
      return isLate
    })
  })
}

const BLAMED = 'connection after connection ended with this message unanswered'

test('a message that was carried out shares the connection with the one that ends it: it is not blamed', () => {
  const { clock, wire, fates, say } = setUp()
  wire.verdictOn = (text) => (text === 'b poison' ? 'ends it' : 'taken')
  wire.answersLost = 1
  say('a', 'innocent')
  say('b', 'poison')
  say('c', 'behind it')
  clock.advance(2000)
  expect(Object.fromEntries(fates)).toEqual({ 'a innocent': 'there', 'b poison': BLAMED, 'c behind it': 'there' })
  // The first is carried out alone, then twice as many are written, then again one.
  const alone = ['b poison']
  expect(wire.ends).toEqual([
    ['a innocent', 'b poison', 'c behind it'],
    ['b poison', 'c behind it'],
    alone,
    alone,
    alone,
  ])
})

test('an end that the last answer explains makes nobody suspected: all of the rest goes on at once', () => {
  const { clock, wire, fates, say } = setUp()
  wire.verdictOn = (text) => (text.includes('poison') ? 'answered, and ends it' : 'taken')
  say('b', 'poison')
  for (const channel of 'acdefghijklmnopqrstuvwxyz') say(channel, 'innocent')
  clock.advance(2.5)
  expect([...fates.values()]).toEqual(['too large', ...Array(25).fill('there')])
})

test('a place that sends a message elsewhere, again and again, says why: nobody is suspected', () => {
  const { clock, wire, fates, say } = setUp()
  let times = 0
  wire.verdictOn = (text) => (text === 'a alone' && times++ < 20 ? 'sent elsewhere' : 'taken')
  say('a', 'alone')
  clock.advance(30_000)
  expect(wire.ends.length).toBeGreaterThan(3)
  expect(Object.fromEntries(fates)).toEqual({ 'a alone': 'there' })
})

test('a notice goes before a suspect or after it, not along', () => {
  const clock = new VirtualClock(1)
  const writes: { names: string[]; answer(): void }[] = []
  const out = new WayOut({
    clock,
    attention: new Attention(clock),
    answered: () => {},
    write: (commands, replied) => {
      const answer = (): void => commands.forEach((_, i) => void replied(i, { receivers: 0 }))
      writes.push({ names: commands.map(({ route }) => route), answer })
    },
  })
  const command = (route: string): Command => {
    return { route, bytes: Buffer.alloc(1), replied: () => {}, again: () => out.publish([command(route)]) }
  }
  const suspects = [1, 2, 3]
  out.add({
    flush: () => {},
    cut: () => {},
    suspect: () => suspects[0],
    takeSuspect: () => command(`suspect ${suspects.shift()}`),
  })
  out.open()
  out.isolate()
  out.publish([command('first')])
  const written = (): string[] => {
    clock.advance(1)
    return writes.flatMap(({ names }) => names)
  }
  expect(written()).toEqual(['first'])
  writes.shift()!.answer()
  expect(written()).toEqual(['suspect 1'])
  out.publish([command('second')])
  expect(written()).toEqual(['suspect 1'])
  writes.shift()!.answer()
  expect(written()).toEqual(['second'])
  writes.shift()!.answer()
  expect(written()).toEqual(['suspect 2', 'suspect 3'])
})

test('what is suspected goes before everything else, in the order of publication, over all partitions', () => {
  const { clock, wire, say } = setUp()
  let isOver = false
  wire.verdictOn = () => (isOver ? 'taken' : 'ends it')
  for (const channel of ['z', 'a', 'm', 'b']) say(channel, 'x')
  clock.advance(1.5)
  isOver = true
  say('a', 'later')
  clock.advance(2000)
  expect(wire.taken.slice(0, 5)).toEqual(['z x', 'a x', 'm x', 'b x', 'a later'])
})

test('what was lost with a link is isolated on the next one too', () => {
  const { clock, wire, fates, say } = setUp()
  wire.verdictOn = (text) => (text === 'b poison' ? 'ends it' : 'taken')
  wire.answersLost = 1000
  wire.mends = false
  for (const channel of ['ba', 'bb', 'bc', 'bd', 'be', 'bf']) say(channel, 'innocent')
  say('b', 'poison')
  clock.advance(20_000)
  expect(fates.get('b poison')).toBe(BLAMED)
  expect([...fates.values()].filter((fate) => fate === 'there')).toHaveLength(6)
  expect(wire.ends.length).toBeLessThanOrEqual(6)
})

describe('whatever ends the connection, and however many answers are lost with it', () => {
  const message = fc.record({ channel: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz'), pause: fc.boolean() })
  test('that alone is lost, and found soon', () => {
    fc.assert(
      fc.property(
        fc.array(message, { minLength: 1, maxLength: 300 }),
        fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
        fc.constantFrom(0, 1, 3, 1000),
        fc.constantFrom<Verdict>('ends it', 'answered, and ends it'),
        (messages, picks, answersLost, verdict) => {
          const { clock, wire, fates, say } = setUp()
          const poisons = new Set(picks.map((pick) => pick % messages.length))
          const texts = messages.map(({ channel }, i) => `${channel} ${poisons.has(i) ? 'poison' : 'innocent'} ${i}`)
          wire.verdictOn = (text) => (text.includes('poison') ? verdict : 'taken')
          wire.answersLost = answersLost
          messages.forEach(({ channel, pause }, i) => {
            say(channel, texts[i]!.slice(2))
            if (pause) clock.advance(0.3)
          })
          clock.advance(30_000)
          expect(texts.filter((text) => fates.get(text) !== 'there')).toEqual(texts.filter((_, i) => poisons.has(i)))
          expect(outOfOrder(wire.taken)).toEqual([])
          // A batch of several is taken apart first.
          expect(wire.ends.length).toBeLessThanOrEqual(poisons.size * (Math.ceil(Math.log2(messages.length + 1)) + 8))
        },
      ),
      { numRuns: 200 },
    )
  })
})
