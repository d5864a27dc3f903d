// F14, C5, C6: mistakes in the application: odd types, callbacks that throw, rooms that are used while sockets close, are
// closed, and from within callbacks.

import { expect } from 'vitest'
import { type Attack, pause, rows, type Threat, tally, until } from './support/threat.ts'

/** Calls `write`, `ping` and `close` with everything that is no payload, the pool of buffers full of a pattern before. */
async function oddTypes(t: Attack, calls: number): Promise<Record<string, number>> {
  return t.victim.run(async ({ server, core }, calls) => {
    const socket = [...server.sockets].find(({ path }) => path !== '/bystander')!
    const odd: unknown[] = [
      ...[0, 1, 100, -1, Number.NaN, 2 ** 31, 10n, true, false, null, undefined, Symbol('s')],
      ...[{}, { length: 100 }, { byteLength: 100 }, new Date(), /x/, () => 100, new Map(), new Set([1])],
      ...[new Uint16Array(50), new Float64Array(10), new DataView(new ArrayBuffer(50)), new Int8Array(50)],
      ...[[1, 2], [null], [{ length: 100 }], ['a', 100], new String('boxed'), new SharedArrayBuffer(64)],
    ]
    const fine: unknown[] = [
      '',
      'text',
      new Uint8Array(3),
      new ArrayBuffer(5),
      ['a', 'b'],
      ['é', new Uint8Array(2)],
      [],
    ]
    const counts: Record<string, number> = {}
    for (let i = 0; i < calls; i++) {
      // What `allocUnsafe` gives out next has this in it, unless every byte of it is covered.
      if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
      if (i % 20 === 0) for (let k = 0; k < 40; k++) Buffer.allocUnsafe(200).fill('POISON')
      const value = (i % 5 === 0 ? fine : odd)[i % (i % 5 === 0 ? fine.length : odd.length)] as string
      const act = [
        () => socket.write(value),
        () => socket.write(core.txt(value)),
        () => socket.write(core.bin(value)),
        () => socket.ping(value),
        () => socket.close(1000, value),
        () => socket.close(value as unknown as number),
      ]
      // A valid close would end the test early.
      const which = i % 5 === 0 ? i % 4 : Math.floor(i / 7) % 6
      if (which > 3 && (value === undefined || typeof value === 'string')) continue
      if (which === 5 && typeof value === 'number' && value >= 1000 && value <= 4999) continue
      let outcome = 'accepted'
      try {
        act[which]!()
      } catch (error) {
        outcome = (error as Error).name
      }
      counts[outcome] = (counts[outcome] ?? 0) + 1
    }
    socket.close(1000, 'done')
    return counts
  }, calls)
}

const f14: Threat = {
  id: 'F14',
  light: true,
  sent: 'odd types to write, ping and close, with the pool of buffers poisoned',
  async attack(t) {
    const client = await t.connect()
    const chunks: Buffer[] = []
    client.socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    const counts = await oddTypes(t, t.count(2000, 10_000))
    expect((await client.close()).reason).toBe('done')
    const wire = Buffer.concat(chunks)
    expect(wire.includes('POISON') || wire.includes('SONPOI'), 'bytes of others on the wire').toBe(false)
    expect(Object.keys(counts).sort()).toEqual(['RangeError', 'TypeError', 'accepted'])
    return `${Object.entries(counts)
      .map(([name, count]) => `${count} × ${name}`)
      .join(', ')}; ${wire.length} bytes on the wire, none of others`
  },
}

const c5: Threat = {
  id: 'C5',
  light: true,
  sent: 'handlers that throw, reject, or throw what is no error, in each callback',
  setup: ({ notes }) => {
    const fail = (path: string, where: string): unknown => {
      if (path === `/${where}`) throw new Error(where)
      if (path === `/${where}-async`) return Promise.reject(new Error(where))
      if (path === `/${where}-odd`) throw null
      return undefined
    }
    return {
      handler: {
        init: () => {
          if (notes.failInit) throw new Error('init')
        },
        handshake: ({ path }) => fail(path, 'handshake') ?? {},
        opened(socket) {
          if (socket.path === '/closing') {
            socket.onClosing(() => {
              throw new Error('closing')
            })
          }
          if (socket.path.startsWith('/drained')) {
            const data = Buffer.alloc(60_000)
            const fill = (): void => {
              for (let i = 0; i < 4; i++) if (socket.write(data) === 'backpressure') return
              setImmediate(fill)
            }
            fill()
          }
          return fail(socket.path, 'opened')
        },
        message: (socket) => fail(socket.path, 'message'),
        drained: (socket) => fail(socket.path, 'drained'),
        closed: (socket) => fail(socket.path, 'closed'),
      },
    }
  },
  async attack(t) {
    const healthy = await t.connect({ url: '/healthy' })
    const came: string[] = []
    const kinds = ['', '-async', '-odd']
    for (const kind of kinds) {
      for (const where of ['handshake', 'opened', 'message', 'drained', 'closed']) {
        const client = await t.tcp()
        client.ask({ url: `/${where}${kind}` })
        if (where === 'drained') {
          client.socket.pause()
          await pause(200)
          client.socket.resume()
        }
        const { status } = await client.response()
        if (status === 101) client.say('hello')
        if (status === 101 && where === 'closed') client.sendClose(1000)
        came.push(`${where}${kind}: ${status === 101 ? (await client.answerClose()).code : status}`)
      }
    }
    const expected = kinds.flatMap((kind) => [
      `handshake${kind}: 500`,
      `opened${kind}: 1011`,
      `message${kind}: 1011`,
      `drained${kind}: 1011`,
      `closed${kind}: 1000`,
    ])
    expect(came).toEqual(expected)
    const closing = await t.connect({ url: '/closing' })
    closing.sendClose(1000)
    expect((await closing.close()).code).toBe(1000)
    await t.victim.run(({ notes }) => void (notes.failInit = true))
    const refused = await t.tcp()
    expect((await refused.upgrade()).status).toBe(500)
    await t.victim.run(({ notes }) => void (notes.failInit = false))

    expect(healthy.ends.length).toBe(0)
    const errors = (): Promise<string[]> => t.victim.run(({ errors }) => errors)
    await until(async () => (await errors()).length >= expected.length + 2, 'all errors', 5000)
    expect((await errors()).length).toBe(expected.length + 2)
    return `${tally(came.map((text) => text.split(': ')[1]!))}; onError heard all ${expected.length + 2}`
  },
}

const c6: Threat = {
  id: 'C6',
  sent: 'joins, leaves, broadcasts and closes in random orders, also from callbacks, also on closed sockets',
  setup: ({ channels, notes }) => {
    const rooms = channels.createChannels<number>({ maxChannelsPerSocket: 6 })
    notes.rooms = rooms
    notes.wrong = []
    const wrong = notes.wrong as string[]
    return {
      handler: {
        opened(socket) {
          socket.onClosing(() => {
            // A socket that closes is in nothing and joins nothing; the others can be spoken to, and can be closed.
            if (rooms.join('late', socket, 0) !== 'closed') wrong.push('joined while closing')
            rooms.broadcast('a', 'somebody goes')
            for (const [member] of rooms.members('b')) rooms.leave('b', member)
            if (rooms.isMember('late', socket)) wrong.push('a member while closing')
          })
        },
        closed(socket) {
          if (rooms.channelsOf(socket).length > 0) wrong.push('in a channel when closed')
          if (rooms.join('after', socket, 0) !== 'closed') wrong.push('joined when closed')
          rooms.broadcast('a', 'somebody is gone')
        },
        message(socket, data) {
          for (const [member] of rooms.members(`${data}`)) {
            if (member === socket) rooms.leave(`${data}`, member)
            else rooms.broadcast(`${data}`, 'from a callback', { except: member })
          }
        },
      },
    }
  },
  async attack(t) {
    const steps = t.count(4000, 100_000)
    let running = true
    let connections = 0
    // Clients that come back whenever they are closed, and talk all the time.
    const lives = Array.from({ length: 8 }, async () => {
      while (running) {
        const client = await t.connect()
        connections++
        while (running && client.ends.length === 0 && client.frames.all.every(({ opcode }) => opcode !== 8)) {
          client.say(['a', 'b', 'c', 'd'][connections % 4]!)
          await pause(15)
        }
        client.socket.destroy()
      }
    })
    const counts = await t.victim.run(async ({ server, notes }, steps) => {
      const rooms = notes.rooms as import('@roomcast/channels').Channels<number>
      type Socket = import('@roomcast/core').Socket
      const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
      const gone: Socket[] = []
      let seed = 6
      const int = (below: number): number => {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
        return (seed >>> 8) % below
      }
      const counts: Record<string, number> = {}
      const note = (what: string): number => (counts[what] = (counts[what] ?? 0) + 1)
      const fail = (what: string): never => {
        throw new Error(`step ${JSON.stringify(counts)}: ${what}`)
      }
      for (let step = 0; step < steps; step++) {
        const open = [...server.sockets].filter(({ path }) => path !== '/bystander')
        const name = names[int(names.length)]!
        const socket = int(8) === 0 && gone.length > 0 ? gone[int(gone.length)]! : open[int(open.length)]
        if (socket === undefined || step % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
        if (socket === undefined) continue
        const isOpen = socket.readyState === 'open'
        const was = rooms.isMember(name, socket)
        const before = rooms.memberCount(name)
        switch (isOpen ? int(40) : int(30)) {
          case 30: {
            if (open.length < 4) break
            socket.close(4000 + int(999))
            gone.push(socket)
            note('closed')
            break
          }
          case 31: {
            if (open.length < 4) break
            socket.terminate()
            gone.push(socket)
            note('terminated')
            break
          }
          case 0:
          case 1:
          case 2:
            if (rooms.leave(name, socket) !== was) fail(`leave of ${name}`)
            note('left')
            break
          case 3:
            if (rooms.leaveAll(socket) > 6) fail('more channels than allowed')
            note('left all')
            break
          default:
            if (int(3) === 0) {
              // All members of a room are open, so all of them accept.
              const accepted = rooms.broadcast(name, `step ${step}`)
              if (accepted !== before) fail(`broadcast reached ${accepted} of ${before}`)
              note('broadcast')
            } else {
              const full = rooms.channelsOf(socket).length >= 6
              const result = rooms.join(name, socket, step)
              const expected = !isOpen ? 'closed' : was ? 'member' : full ? 'full' : 'joined'
              if (result !== expected) fail(`join of ${name}: ${result}, not ${expected}`)
              note(result)
            }
        }
        if (gone.length > 20) gone.splice(0, 10)
        for (const closed of gone) if (rooms.channelsOf(closed).length > 0) fail('a closed socket is in a channel')
        let members = 0
        for (const room of names) {
          for (const [member] of rooms.members(room)) {
            members++
            if (member.readyState !== 'open') fail('a member that is not open')
            if (!rooms.channelsOf(member).includes(room)) fail('the two indexes differ')
          }
        }
        const listed = open.reduce((sum, one) => sum + rooms.channelsOf(one).length, 0)
        if (members !== listed) fail(`${members} members, ${listed} memberships`)
      }
      return counts
    }, steps)
    running = false
    await Promise.all(lives)
    const wrong = await t.victim.run(({ notes }) => notes.wrong as string[])
    expect(wrong).toEqual([])
    expect(counts.closed).toBeGreaterThan(0)
    await until(async () => (await t.victim.stats()).sockets === 1, 'the end of all', 8000)
    const rooms = await t.victim.run(({ notes }) => (notes.rooms as { channelCount: number }).channelCount)
    expect(rooms).toBe(0)
    const done = Object.entries(counts).map(([what, count]) => `${count} ${what}`)
    return `${done.join(', ')} over ${connections} connections: as the model says, 0 rooms left`
  },
}

rows('threats in the application', [f14, c5, c6])
