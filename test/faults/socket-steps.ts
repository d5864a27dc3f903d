// The steps after the 101: a socket that is open, and one that closes.

import { Buffer } from 'node:buffer'
import { deflateRawSync } from 'node:zlib'
import { type ClientFrame, clientFrame, closeBody, Op } from '../support/client-frames.ts'
import { half, opened, type Step, text, type Walk } from './step.ts'

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

function compressed(payload: Buffer): ClientFrame {
  const deflated = deflateRawSync(payload)
  return { opcode: Op.BINARY, rsv: 4, payload: deflated }
}

const OPEN_STEPS: readonly Step[] = [
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

const CLOSING_STEPS: readonly Step[] = [
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

export const SOCKET_STEPS: readonly Step[] = [...OPEN_STEPS, ...CLOSING_STEPS]
