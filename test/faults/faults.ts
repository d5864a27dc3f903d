// What a peer does to the connection when its step is reached, and what may be expected then.

import { Buffer } from 'node:buffer'
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import type { Random } from '../fuzz/random.ts'
import { clientFrame, closeBody, Op } from '../support/client-frames.ts'
import type { Peer } from './peer.ts'
import type { Place } from './place.ts'
import type { Requests } from './requests.ts'

export interface Fault {
  readonly name: string
  act(peer: Peer, random: Random, requests: Requests): Promise<void> | void
  /** What follows: our side is gone; or the server must end the connection; or our side stays as it is and cannot see what
   * the server does, which must get rid of it all the same. */
  readonly after: 'gone' | 'ends' | 'deaf'
  /** The peer has told that it sends nothing more, or is gone: whoever has not decided by then must not open it. */
  readonly leaves?: true
  /** It goes no further and says nothing: the server's answers are those of its step. */
  readonly silent?: true
  /** Needs TLS, whose bytes perhaps pass through our hands. */
  readonly layer?: 'tls' | 'tls-through'
}

export const FAULTS: readonly Fault[] = [
  { name: 'reset', after: 'gone', leaves: true, act: (peer) => peer.reset() },
  {
    name: 'destroy',
    after: 'gone',
    leaves: true,
    act(peer) {
      peer.destroy()
      return peer.gone()
    },
  },
  {
    name: 'fin',
    after: 'ends',
    leaves: true,
    act: (peer) => peer.fin(),
  },
  {
    name: 'fin-reset',
    after: 'gone',
    leaves: true,
    async act(peer, random) {
      await peer.fin()
      await someTurns(random)
      await peer.reset()
    },
  },
  { name: 'silence', after: 'ends', silent: true, act: () => {} },
  { name: 'deaf', after: 'deaf', act: (peer) => peer.pause() },
  {
    name: 'deaf-reset',
    after: 'gone',
    leaves: true,
    async act(peer, random) {
      peer.pause()
      await wait(random.below(60))
      await peer.reset()
    },
  },
  {
    name: 'more',
    after: 'ends',
    async act(peer, random, requests) {
      for (let i = random.between(1, 6); i > 0; i--) {
        peer.write(moreBytes(random, requests))
        await turn()
      }
    },
  },
  {
    name: 'more-reset',
    after: 'gone',
    leaves: true,
    act(peer, random, requests) {
      peer.write(moreBytes(random, requests))
      return peer.reset()
    },
  },
  {
    name: 'more-fin',
    after: 'ends',
    act: (peer, random, requests) => {
      peer.write(moreBytes(random, requests))
      return peer.fin()
    },
  },
  // FIN without close_notify, and the other way round.
  { name: 'tcp-fin', after: 'ends', leaves: true, layer: 'tls', act: (peer) => peer.fin(peer.raw) },
  { name: 'close-notify', after: 'ends', leaves: true, layer: 'tls-through', act: (peer) => peer.fin() },
]

export function fits({ layer }: Fault, { endpoint }: Place): boolean {
  return layer === undefined || endpoint === 'tls'
}

async function someTurns(random: Random): Promise<void> {
  for (let i = random.below(4); i > 0; i--) await turn()
}

/** What might come next on a connection, or never should. */
function moreBytes(random: Random, requests: Requests): Buffer {
  return random.pick([
    () => Buffer.from(requests.upgrade()),
    () => Buffer.from('GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    () => random.bytes(random.between(1, 200)),
    () => Buffer.alloc(20_000, 'x'),
    () => clientFrame({ opcode: Op.TEXT, payload: 'more' }),
    () => clientFrame({ opcode: Op.CLOSE, payload: closeBody(1000) }),
    () => Buffer.concat([clientFrame({ opcode: Op.CLOSE }), clientFrame({ opcode: Op.TEXT, payload: 'after it' })]),
  ])()
}
