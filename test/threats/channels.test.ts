// C1, C2: what clients choose: names of channels, and joins without end.

import { expect } from 'vitest'
import type { Setup } from './support/processes.ts'
import { random } from './support/random.ts'
import { pause, rows, size, type Threat, tally, until } from './support/threat.ts'

/** The sockets that are not the bystander's are `notes.sockets`, in the order of their coming; `notes.rooms` are channels. */
const roomsOnly: Setup<object> = ({ channels, notes }) => {
  notes.rooms = channels.createChannels()
  const sockets: unknown[] = []
  notes.sockets = sockets
  return { handler: { opened: (socket) => void sockets.push(socket) } }
}

const PIECES = [
  '*',
  '?',
  '[',
  ']',
  '{',
  '}',
  ':',
  '\r',
  '\n',
  '\0',
  '\u{1f600}',
  '\ud800',
  '\udc00',
  'é',
  'e\u0301',
  'a',
  'A',
]
const ODD = [
  '__proto__',
  'constructor',
  'toString',
  ' ',
  '\u00a0',
  '\u200b',
  '\x7f',
  '\x85',
  '\ufeff',
  '..',
  '/',
  '%00',
  '\t',
]

/** As the contract says: 1–200 bytes of UTF-8, no control characters, no lone surrogates. */
function isName(name: string): boolean {
  try {
    encodeURIComponent(name)
  } catch {
    return false
  }
  return name !== '' && Buffer.byteLength(name) <= 200 && !/\p{Cc}/u.test(name)
}

const c1: Threat = {
  id: 'C1',
  light: true,
  sent: 'hostile names: Redis patterns, CR, LF, NUL, lone surrogates, look-alikes, 1 MB',
  setup: roomsOnly,
  async attack(t) {
    const { int, pick } = random(21)
    const names = new Set([
      '',
      'x'.repeat(200),
      'x'.repeat(201),
      'é'.repeat(100),
      'é'.repeat(101),
      'x'.repeat(1_000_000),
    ])
    while (names.size < t.count(1500, 10_000)) {
      names.add(Array.from({ length: 1 + int(6) }, () => pick(int(3) === 0 ? ODD : PIECES)).join(''))
    }
    const [one, two] = [await t.connect(), await t.connect()]
    const results = await t.victim.run(
      ({ notes }, names) => {
        const rooms = notes.rooms as import('@roomcast/channels').Channels
        const [a, b] = notes.sockets as [import('@roomcast/core').Socket, import('@roomcast/core').Socket]
        return names.map((name, i) => {
          const result = rooms.join(name, a)
          if (result !== 'joined') return result
          // Names that a careless key would make the same as this one.
          const near = [
            name.toUpperCase(),
            name.toLowerCase(),
            name.normalize('NFC'),
            name.normalize('NFD'),
            name.trim(),
            `${name} `,
            `${name}:`,
          ]
          for (const other of near) if (other !== name) rooms.join(other, b)
          const reached = rooms.broadcast(name, `${i}`)
          for (const other of near) if (other !== name) rooms.broadcast(other, `not ${i}`)
          rooms.leaveAll(a)
          rooms.leaveAll(b)
          return reached === 1 && rooms.channelCount === 0 ? 'joined' : `reached ${reached}`
        })
      },
      [...names],
    )
    expect(results).toEqual([...names].map((name) => (isName(name) ? 'joined' : 'bad_name')))
    const expected = results.flatMap((result, i) => (result === 'joined' ? [`${i}`] : []))
    await until(() => one.frames.length >= expected.length, 'the broadcasts', 10_000)
    await pause(50)
    expect(one.frames.all.map(({ payload }) => `${payload}`)).toEqual(expected)
    expect(two.frames.all.every(({ payload }) => `${payload}`.startsWith('not '))).toBe(true)
    return `${tally(results)}; no delivery across names`
  },
}

const c2: Threat = {
  id: 'C2',
  sent: 'joins of a million names and leaves; more than 128 at a time',
  setup: roomsOnly,
  async attack(t) {
    await t.connect()
    const total = t.count(100_000, 1_000_000)
    const churn = (count: number, from: number): Promise<number> =>
      t.victim.run(
        async ({ notes }, { count, from }) => {
          const rooms = notes.rooms as import('@roomcast/channels').Channels
          const [socket] = notes.sockets as [import('@roomcast/core').Socket]
          for (let i = from; i < from + count; i++) {
            if (rooms.join(`room ${i}`, socket) !== 'joined' || !rooms.leave(`room ${i}`, socket))
              throw new Error(`${i}`)
            // What one client asks for comes in many messages.
            if (i % 500 === 0) await new Promise((resolve) => setImmediate(resolve))
          }
          return rooms.channelCount
        },
        { count, from },
      )
    await churn(20_000, 0)
    const before = await t.victim.memory()
    expect(await churn(total, 20_000)).toBe(0)
    const growth = (await t.victim.memory()).used - before.used
    expect(growth).toBeLessThan(5 * 1024 * 1024)
    const results = await t.victim.run(({ notes }) => {
      const rooms = notes.rooms as import('@roomcast/channels').Channels
      const [socket] = notes.sockets as [import('@roomcast/core').Socket]
      const results = Array.from({ length: 200 }, (_, i) => rooms.join(`${i}`, socket) as string)
      return [
        ...results,
        `${rooms.channelCount} channels`,
        `${rooms.leaveAll(socket)} left`,
        `${rooms.channelCount} channels`,
      ]
    })
    expect(tally(results)).toBe('128 × joined, 72 × full, 1 × 128 channels, 1 × 128 left, 1 × 0 channels')
    return `${total} joined and left, ${size(growth)} more in use; of 200 at a time 128 × joined, 72 × full`
  },
}

rows('threats to channels', [c1, c2])
