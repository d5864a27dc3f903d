// Transcripts of the first command.

import { refuse } from '@roomcast/centrifuge'
import { CONNECT, CONNECTED, INFO, SUBSCRIBE, SUBSCRIBED, type Transcript } from './transcript.ts'

export const CONNECTING: Transcript[] = [
  { about: 'connect', say: [CONNECT], hear: [CONNECTED] },
  { about: 'any id', say: [CONNECT.replace('1', '4294967295')], hear: [CONNECTED.replace('1', '4294967295')] },
  {
    about: 'connect, and what else there is to say',
    say: ['{"id":1,"connect":{"token":"t","data":{"d":1},"name":"js","version":"5","headers":{"x":"y"},"flag":1}}'],
    hear: [
      '{"id":1,"connect":{"client":"client1","version":"v","expires":true,"ttl":60,"data":["t",{"d":1},"js","5",{"x":"y"}],"ping":25,"pong":true}}',
    ],
    with: {
      policy: {
        authenticate: ({ token, data, name, version, headers }) => ({
          user: 'u',
          expiresAt: 1_800_000_060,
          data: JSON.stringify([token, JSON.parse(Buffer.from(data as string).toString()), name, version, headers]),
        }),
      },
    },
  },
  {
    about: 'rooms that come with the connection, and one that is named',
    say: [
      '{"id":1,"connect":{"token":"u","subs":{"named":{"recover":true},"given":{"recover":true,"epoch":"x","offset":3}}}}',
    ],
    hear: [
      '{"id":1,"connect":{"client":"client1","version":"v","subs":{"given":{"recoverable":true,"epoch":"epoch1","positioned":true,"was_recovering":true},"named":{"was_recovering":true}},"ping":25,"pong":true}}',
    ],
    with: { policy: { authenticate: () => ({ user: 'u', rooms: { given: { recoverable: 'always' } } }) } },
  },
  {
    about: 'a named room that one may not be in is left out',
    say: ['{"id":1,"connect":{"subs":{"r":{}}}}'],
    hear: [CONNECTED],
    with: { policy: { subscribe: () => refuse(103) } },
  },
  {
    about: 'a named room that closes',
    say: ['{"id":1,"connect":{"subs":{"r":{}}}}'],
    hear: [],
    end: '3501 bad request',
    with: { policy: { subscribe: () => refuse(3501) } },
  },
  {
    about: 'more rooms than a client may be in',
    say: [CONNECT],
    hear: [],
    end: '3505 channel limit',
    with: {
      policy: {
        authenticate: () => ({
          user: 'u',
          rooms: Object.fromEntries(Array.from({ length: 129 }, (_, i) => [`plain${i}`, {}])),
        }),
      },
    },
  },
  {
    about: 'everything in one message',
    say: [[CONNECT, SUBSCRIBE, '{"id":3,"publish":{"channel":"plain","data":1}}']],
    hear: [
      CONNECTED,
      SUBSCRIBED,
      `{"push":{"channel":"plain","pub":{"data":1,"info":${INFO}}}}`,
      '{"id":3,"publish":{}}',
    ],
  },
  {
    about: 'no token where one is needed',
    say: ['{"id":1,"connect":{}}'],
    hear: [],
    end: '3501 bad request',
    with: { policy: { authenticate: () => undefined } },
  },
  {
    about: 'a wrong token',
    say: [CONNECT],
    hear: [],
    end: '3500 invalid token',
    with: { policy: { authenticate: () => undefined } },
  },
  {
    about: 'an expired token: an error, and nothing after it',
    say: [CONNECT, SUBSCRIBE],
    hear: ['{"id":1,"error":{"code":109,"message":"token expired"}}'],
    with: { policy: { authenticate: () => refuse(109) } },
  },
  {
    about: 'an expired connection',
    say: ['{"id":1,"connect":{"token":"u/0"}}', SUBSCRIBE],
    hear: ['{"id":1,"error":{"code":110,"message":"expired"}}'],
  },
  { about: 'something else before connect', say: [SUBSCRIBE], hear: [], end: '3501 bad request' },
  { about: 'send before connect', say: ['{"send":{"data":1}}'], hear: [], end: '3501 bad request' },
  { about: 'a pong before connect', say: ['{}'], hear: [], end: '3501 bad request' },
  { about: 'connect without an id', say: ['{"connect":{}}'], hear: [], end: '3501 bad request' },
]
