// How far a connection goes before its fault: each step walks there, and says what a peer that is silent from then on is
// answered in the end.

import { Buffer } from 'node:buffer'
import { setTimeout as wait } from 'node:timers/promises'
import { deflateRawSync } from 'node:zlib'
import type { Random } from '../fuzz/random.ts'
import { type ClientFrame, clientFrame, closeBody, Op } from '../support/client-frames.ts'
import type { Peer } from './peer.ts'
import { FOREIGN, FOREIGN_STATUS, NOBODYS, type Place } from './place.ts'
import { plainRequest, type Requests } from './requests.ts'

export interface Walk {
  readonly peer: Peer
  readonly place: Place
  readonly random: Random
  readonly requests: Requests
  /** Sends the bytes, at once or in pieces. */
  send(...bytes: (string | Buffer)[]): Promise<void>
}

export interface Step {
  readonly name: string
  walk(walk: Walk): Promise<void> | void
  /** The statuses that a peer gets which goes no further; undefined: not told. */
  readonly answers?: (place: Place) => readonly number[] | undefined
  /** Where it makes sense. Default: everywhere. */
  readonly where?: (place: Place) => boolean
  /** Somebody is asked who has not decided: `always` the handshake, `framework` who routes the upgrade there. The decision
   * falls after the fault; a peer that is gone by then must not be opened. */
  readonly undecided?: 'always' | 'framework'
  /** Also tried while the server drains or closes. */
  readonly leaving?: true
  /** The callback never returns: nothing but a peer that is gone can end that socket. */
  readonly forEver?: true
  /** Bytes on TCP before TLS is up. */
  readonly belowTls?: true
}

export const isOwn = ({ kind }: Place): boolean => kind === 'own'
const isForeign = ({ kind }: Place): boolean => kind === 'idle' || kind === 'late' || kind === 'paths'
/** Node tells the user's server of every upgrade; where core alone listens, only WebSocket's are taken. */
const hidesOffers = ({ kind }: Place): boolean => kind === 'own' || kind === 'attached' || kind === 'two'

const text = (payload: string): Buffer => clientFrame({ opcode: Op.TEXT, payload })
const plainStatus = (place: Place): number => (isOwn(place) ? 426 : 200)
const opened = (): readonly number[] => [101]

/** After the 101. */
function upgraded(
  name: string,
  walk: (walk: Walk) => Promise<void> | void,
  options: Partial<Step> & { offer?: string } = {},
): Step {
  const { offer, ...rest } = options
  return {
    name,
    answers: opened,
    async walk(on) {
      await on.send(
        on.requests.upgrade({ ...(offer !== undefined && { headers: { 'Sec-WebSocket-Extensions': offer } }) }),
      )
      await on.peer.expect(101)
      await walk(on)
    },
    ...rest,
  }
}

/** A message cut in two, of which the second part never comes. */
function half(bytes: Buffer, random: Random): Buffer {
  return bytes.subarray(0, random.between(1, bytes.length - 1))
}

function compressed(payload: Buffer): ClientFrame {
  const deflated = deflateRawSync(payload)
  return { opcode: Op.BINARY, rsv: 4, payload: deflated }
}

const HEAD: readonly Step[] = [
  { name: 'connected', leaving: true, walk: () => {} },
  {
    name: 'request-line',
    leaving: true,
    answers: () => [408],
    walk: ({ requests, random, send }) => send(requests.upgrade().slice(0, random.between(1, 20))),
  },
  {
    name: 'headers',
    leaving: true,
    answers: () => [408],
    walk({ requests, random, send }) {
      const head = requests.upgrade()
      return send(head.slice(0, random.between(head.indexOf('\r\n') + 2, head.length - 1)))
    },
  },
  {
    name: 'head',
    leaving: true,
    undecided: 'framework',
    answers: opened,
    walk: ({ requests, send }) => send(requests.upgrade()),
  },
  {
    name: 'expects-continue',
    undecided: 'framework',
    answers: opened,
    walk: ({ requests, send }) => send(requests.upgrade({ headers: { Expect: '100-continue' } })),
  },
  {
    name: 'early-frames',
    undecided: 'framework',
    answers: opened,
    walk: ({ requests, send }) => send(requests.upgrade(), text('a'), text('b')),
  },
  {
    name: 'half-body',
    answers: (place) => (isOwn(place) ? [426] : [408]),
    walk: ({ send }) => send('POST /page HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf'),
  },
  {
    name: 'behind-request',
    leaving: true,
    undecided: 'framework',
    answers: (place) => (isOwn(place) ? [426] : [200, 101]),
    walk: ({ requests, random, send }) => send(plainRequest(random), requests.upgrade()),
  },
  {
    name: 'behind-upgrade',
    undecided: 'framework',
    answers: opened,
    walk: ({ requests, send }) => send(requests.upgrade(), requests.upgrade()),
  },
  {
    name: 'behind-refused',
    undecided: 'framework',
    answers: () => [400],
    walk: ({ requests, random, send }) => send(requests.refused(400, random), requests.upgrade()),
  },
  {
    name: 'after-request',
    where: (place) => !isOwn(place),
    undecided: 'framework',
    answers: () => [200, 101],
    async walk({ peer, requests, random, send }) {
      await send(plainRequest(random))
      await peer.expect(200)
      await send(requests.upgrade())
    },
  },
  {
    name: 'offers-h2c',
    where: hidesOffers,
    answers: (place) => [plainStatus(place)],
    walk: ({ random, send }) =>
      send(plainRequest(random, ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'])),
  },
  {
    name: 'behind-h2c',
    where: hidesOffers,
    // Such a client cannot know what its next bytes will be taken for: what becomes of them is not told.
    walk: ({ requests, random, send }) =>
      send(
        plainRequest(random, ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk']),
        requests.upgrade(),
      ),
  },
]

const PENDING: readonly Step[] = (
  [
    ['pending', 'later', 101],
    ['pending-refuses', 'laterreject-401', 401],
    ['pending-throws', 'laterthrow', 500],
    ['pending-never', 'never', 503],
  ] as const
).flatMap(([name, act, status]): Step[] => [
  {
    name,
    leaving: true,
    undecided: 'always',
    answers: () => [status],
    walk: ({ requests, send }) => send(requests.upgrade({ act })),
  },
  {
    name: `${name}-frames`,
    undecided: 'always',
    answers: () => [status],
    walk: ({ requests, send }) => send(requests.upgrade({ act }), text('early'), text('frames')),
  },
])

/** Node itself refuses what the user's server cannot read, and does not wait until that was read. */
const tellsOf = (status: number, place: Place): boolean => status !== 431 || isOwn(place)

const REFUSED: readonly Step[] = ([400, 401, 403, 405, 413, 426, 429, 431, 500, 503] as const).flatMap(
  (status): Step[] => {
    const common = {
      answers: (place: Place) => (tellsOf(status, place) ? [status] : undefined),
      ...(status === 401 && ({ leaving: true } as const)),
    }
    return [
      {
        name: `asks-${status}`,
        undecided: 'framework',
        ...common,
        walk: ({ requests, random, send }) => send(requests.refused(status, random)),
      },
      {
        name: `refused-${status}`,
        where: (place) => tellsOf(status, place),
        ...common,
        async walk({ peer, requests, random, send }) {
          await send(requests.refused(status, random))
          await peer.expect(status)
        },
      },
    ]
  },
)

const PATHS: readonly Step[] = [
  {
    name: 'refused-408',
    answers: () => [408],
    async walk({ peer, requests, send }) {
      await send(requests.upgrade().slice(0, -2))
      await peer.expect(408)
    },
  },
  {
    name: 'asks-404',
    leaving: true,
    undecided: 'framework',
    where: (place) => !isForeign(place),
    answers: () => [404],
    walk: ({ requests, send }) => send(requests.upgrade({ path: NOBODYS })),
  },
  {
    name: 'refused-404',
    where: (place) => !isForeign(place),
    answers: () => [404],
    async walk({ peer, requests, send }) {
      await send(requests.upgrade({ path: NOBODYS }))
      await peer.expect(404)
    },
  },
  {
    name: 'nobody-takes',
    where: ({ kind }) => kind === 'idle' || kind === 'paths',
    leaving: true,
    async walk({ requests, random, send }) {
      await send(requests.upgrade({ path: NOBODYS }))
      await wait(random.below(80))
    },
  },
  {
    name: 'foreign',
    where: ({ kind }) => kind === 'late' || kind === 'paths',
    leaving: true,
    undecided: 'always',
    answers: () => [FOREIGN_STATUS],
    async walk({ requests, random, send }) {
      await send(requests.upgrade({ path: FOREIGN }))
      await wait(random.below(80))
    },
  },
]

const OPEN: readonly Step[] = [
  upgraded('opened', () => {}, { leaving: true }),
  upgraded('echoing', ({ send }) => send(...Array.from({ length: 20 }, (_, i) => text(`${i}`)))),
  upgraded('mid-frame', ({ send, random }) => send(half(text('x'.repeat(random.pick([5, 200, 70_000]))), random)), {
    leaving: true,
  }),
  upgraded(
    'mid-message',
    ({ send }) => send(clientFrame({ opcode: Op.TEXT, fin: false, payload: 'half' }), clientFrame({ opcode: Op.PING })),
    { leaving: true },
  ),
  upgraded(
    'mid-inflate',
    ({ send, random }) => {
      const { payload, ...frame } = compressed(random.bytes(2000))
      const cut = random.between(1, 1500)
      return send(clientFrame({ ...frame, fin: false, payload: (payload as Buffer).subarray(0, cut) }))
    },
    { offer: 'permessage-deflate', leaving: true },
  ),
  upgraded(
    'corrupt-deflate',
    ({ send, random }) => send(clientFrame({ ...compressed(Buffer.alloc(2000)), payload: random.bytes(40) })),
    { offer: 'permessage-deflate' },
  ),
  upgraded('hanging', ({ send }) => send(text('hang'), text('held'), clientFrame({ opcode: Op.PING })), {
    leaving: true,
  }),
  upgraded('hanging-for-ever', ({ send }) => send(text('hang for ever'), text('held')), { forEver: true }),
  upgraded(
    'writing',
    async ({ peer, send }) => {
      await send(text('flood'))
      await peer.until(() => peer.received > 200_000, 'the beginning of a flood')
    },
    { leaving: true },
  ),
  upgraded(
    'back-pressure',
    async ({ peer, send }) => {
      peer.pause()
      await send(text('flood'), text('a message behind it'))
    },
    { leaving: true },
  ),
  upgraded('slow-consumer', async ({ peer, send }) => {
    peer.pause()
    await send(text('overflow'))
  }),
]

const CLOSING: readonly Step[] = [
  upgraded(
    'our-close',
    async ({ peer, send }) => {
      await send(text('close'))
      await peer.frame(Op.CLOSE)
    },
    { leaving: true },
  ),
  upgraded('our-close-answered', async ({ peer, send }) => {
    await send(text('close'))
    await peer.frame(Op.CLOSE)
    await send(clientFrame({ opcode: Op.CLOSE, payload: closeBody(4000) }))
  }),
  upgraded('their-close', ({ send }) => send(clientFrame({ opcode: Op.CLOSE, payload: closeBody(1000) })), {
    leaving: true,
  }),
  upgraded('their-close-answered', async ({ peer, send }) => {
    await send(clientFrame({ opcode: Op.CLOSE, payload: closeBody(1000) }))
    await peer.frame(Op.CLOSE)
  }),
  upgraded('their-close-behind-flood', ({ send }) =>
    send(text('flood'), clientFrame({ opcode: Op.CLOSE, payload: closeBody(1000) })),
  ),
  upgraded('failing', ({ send }) => send(clientFrame({ opcode: Op.TEXT, rsv: 2, payload: 'x' }))),
  upgraded('failed', async ({ peer, send }) => {
    await send(clientFrame({ opcode: Op.TEXT, rsv: 2, payload: 'x' }))
    await peer.frame(Op.CLOSE)
  }),
  upgraded('callback-throws', ({ send }) => send(text('throw'))),
  upgraded('terminated', ({ send }) => send(text('terminate'))),
]

const belowTls = { belowTls: true, where: ({ endpoint }: Place) => endpoint === 'tls' } as const

const BELOW_TLS: readonly Step[] = [
  { name: 'tls-half-hello', ...belowTls, walk: ({ requests, random, send }) => send(half(requests.hello, random)) },
  { name: 'tls-hello', ...belowTls, walk: ({ requests, send }) => send(requests.hello) },
  { name: 'tls-plain-bytes', ...belowTls, walk: ({ requests, send }) => send(requests.upgrade()) },
]

export const STEPS: readonly Step[] = [...HEAD, ...PENDING, ...REFUSED, ...PATHS, ...OPEN, ...CLOSING, ...BELOW_TLS]

/** Only while a server leaves: asks when it has begun to. */
export const LATE: Step = { name: 'late', leaving: true, undecided: 'framework', walk: () => {} }
