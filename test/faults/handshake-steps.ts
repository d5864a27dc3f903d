// The steps up to the 101 or a refusal.

import { setTimeout as wait } from 'node:timers/promises'
import { FOREIGN, FOREIGN_STATUS, NOBODYS, type Place } from './place.ts'
import { plainRequest } from './requests.ts'
import { half, opened, type Step, text } from './step.ts'

const isOwn = ({ kind }: Place): boolean => kind === 'own'
const isForeign = ({ kind }: Place): boolean => kind === 'idle' || kind === 'late' || kind === 'paths'
/** Node tells the user's server of every upgrade; where core alone listens, only WebSocket's are taken. */
const hidesOffers = ({ kind }: Place): boolean => kind === 'own' || kind === 'attached' || kind === 'two'

const plainStatus = (place: Place): number => (isOwn(place) ? 426 : 200)

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

const belowTls = { belowTls: true, where: ({ endpoint }: Place) => endpoint === 'tls' } as const

const BELOW_TLS: readonly Step[] = [
  { name: 'tls-half-hello', ...belowTls, walk: ({ requests, random, send }) => send(half(requests.hello, random)) },
  { name: 'tls-hello', ...belowTls, walk: ({ requests, send }) => send(requests.hello) },
  { name: 'tls-plain-bytes', ...belowTls, walk: ({ requests, send }) => send(requests.upgrade()) },
]

export const HANDSHAKE_STEPS: readonly Step[] = [...HEAD, ...PENDING, ...REFUSED, ...PATHS, ...BELOW_TLS]

/** Only while a server leaves: asks when it has begun to. */
export const LATE: Step = { name: 'late', leaving: true, undecided: 'framework', walk: () => {} }
