// Transcripts of a client that is connected: how a client comes into a room, and why not.

import { refuse } from '@roomcast/centrifuge'
import { INFO, SUBSCRIBE, SUBSCRIBED, type Transcript } from './transcript.ts'

const LONGEST = 'plain'.padEnd(255, 'x')

export const SUBSCRIBING: Transcript[] = [
  { about: 'subscribe', say: [SUBSCRIBE], hear: [SUBSCRIBED] },
  {
    about: 'subscribe, with positions, and who comes',
    say: ['{"id":2,"subscribe":{"channel":"r","recoverable":true,"join_leave":true}}'],
    hear: [
      '{"id":2,"subscribe":{"recoverable":true,"epoch":"epoch1","positioned":true}}',
      `{"push":{"channel":"r","join":{"info":${INFO}}}}`,
    ],
  },
  {
    about: 'positioned alone',
    say: ['{"id":2,"subscribe":{"channel":"r","positioned":true}}'],
    hear: ['{"id":2,"subscribe":{"epoch":"epoch1","positioned":true}}'],
  },
  {
    about: 'recovery of an empty room is all there is',
    say: ['{"id":2,"subscribe":{"channel":"r","recover":true,"recoverable":true}}'],
    hear: [
      '{"id":2,"subscribe":{"recoverable":true,"epoch":"epoch1","recovered":true,"positioned":true,"was_recovering":true}}',
    ],
  },
  {
    about: 'recovery of everything',
    say: [
      '{"id":2,"publish":{"channel":"r","data":1}}',
      '{"id":3,"publish":{"channel":"r","data":{"two":[]}}}',
      '{"id":4,"subscribe":{"channel":"r","recover":true,"recoverable":true,"offset":1,"epoch":"epoch1"}}',
    ],
    hear: [
      '{"id":2,"publish":{}}',
      '{"id":3,"publish":{}}',
      `{"id":4,"subscribe":{"recoverable":true,"epoch":"epoch1","publications":[{"data":{"two":[]},"info":${INFO},"offset":2}],"recovered":true,"offset":1,"positioned":true,"was_recovering":true}}`,
    ],
  },
  {
    about: 'recovery from another epoch',
    say: [
      '{"id":2,"publish":{"channel":"r","data":1}}',
      '{"id":4,"subscribe":{"channel":"r","recover":true,"recoverable":true,"epoch":"foreign","offset":1}}',
    ],
    hear: [
      '{"id":2,"publish":{}}',
      '{"id":4,"subscribe":{"recoverable":true,"epoch":"epoch1","offset":1,"positioned":true,"was_recovering":true}}',
    ],
  },
  {
    about: 'recovery from another epoch, for a client that loads the state itself: 112, and it is not in',
    say: [
      '{"id":4,"subscribe":{"channel":"r","recover":true,"recoverable":true,"epoch":"foreign","offset":1,"flag":3}}',
      '{"id":5,"presence_stats":{"channel":"r"}}',
    ],
    hear: [
      '{"id":4,"error":{"code":112,"message":"unrecoverable position"}}',
      '{"id":5,"presence_stats":{"num_clients":0,"num_users":0}}',
    ],
  },
  {
    about: 'recovery asked of a room without it',
    say: ['{"id":2,"subscribe":{"channel":"plain","recover":true,"recoverable":true}}'],
    hear: ['{"id":2,"subscribe":{"was_recovering":true}}'],
  },
  {
    about: 'delta and flag 1 are ignored',
    say: ['{"id":2,"subscribe":{"channel":"plain","delta":"fossil","flag":1}}'],
    hear: [SUBSCRIBED],
  },
  {
    about: 'subscribe twice',
    say: [SUBSCRIBE, SUBSCRIBE],
    hear: [SUBSCRIBED, '{"id":2,"error":{"code":105,"message":"already subscribed"}}'],
  },
  {
    about: 'subscribe, data and expiry',
    say: [SUBSCRIBE],
    hear: ['{"id":2,"subscribe":{"expires":true,"ttl":60,"data":{"to":"you"}}}'],
    with: { policy: { subscribe: () => ({ expiresAt: 1_800_000_060, data: '{"to":"you"}' }) } },
  },
  {
    about: 'a subscription that has expired',
    say: [SUBSCRIBE],
    hear: ['{"id":2,"error":{"code":110,"message":"expired"}}'],
    with: { policy: { subscribe: () => ({ expiresAt: 1_800_000_000 }) } },
  },
  ...[100, 101, 102, 103, 104, 106, 107, 108, 109, 110, 111, 112, 113].map((code) => ({
    about: `a refusal of ${code}`,
    say: [SUBSCRIBE],
    hear: [
      `{"id":2,"error":{"code":${code},"message":"because"${[100, 111, 113].includes(code) ? ',"temporary":true' : ''}}}`,
    ],
    with: { policy: { subscribe: () => refuse(code, 'because') } },
  })),
  {
    about: 'a refusal that closes',
    say: [SUBSCRIBE],
    hear: [],
    end: '4500 go away',
    with: { policy: { subscribe: () => refuse(4500, 'go away') } },
  },
  {
    about: 'other types of subscriptions',
    say: ['{"id":2,"subscribe":{"channel":"plain","type":1}}'],
    hear: ['{"id":2,"error":{"code":103,"message":"permission denied"}}'],
  },
  {
    about: 'tag filters',
    say: ['{"id":2,"subscribe":{"channel":"plain","tf":{"key":"a"}}}'],
    hear: ['{"id":2,"error":{"code":107,"message":"bad request"}}'],
  },
  ...['é', 'a\\u0007b', 'x'.repeat(256)].map((name) => ({
    about: `a bad name: ${name.slice(0, 10)}`,
    say: [
      `{"id":2,"subscribe":{"channel":"${name}"}}`,
      `{"id":3,"publish":{"channel":"${name}","data":1}}`,
      `{"id":4,"history":{"channel":"${name}"}}`,
    ],
    hear: [2, 3, 4].map((id) => `{"id":${id},"error":{"code":107,"message":"bad request"}}`),
  })),
  {
    about: 'the longest name there is',
    say: [`{"id":2,"subscribe":{"channel":"${LONGEST}"}}`, `{"id":3,"publish":{"channel":"${LONGEST}","data":1}}`],
    hear: [
      '{"id":2,"subscribe":{}}',
      `{"push":{"channel":"${LONGEST}","pub":{"data":1,"info":{"user":"u","client":"client1"}}}}`,
      '{"id":3,"publish":{}}',
    ],
  },
  {
    about: 'more rooms than a client may be in',
    say: [Array.from({ length: 129 }, (_, i) => `{"id":${i + 1},"subscribe":{"channel":"plain${i}"}}`)],
    hear: [
      ...Array.from({ length: 128 }, (_, i) => `{"id":${i + 1},"subscribe":{}}`),
      '{"id":129,"error":{"code":106,"message":"limit exceeded"}}',
    ],
  },
]
