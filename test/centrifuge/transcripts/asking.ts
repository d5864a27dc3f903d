import { CONNECT, SUBSCRIBE, SUBSCRIBED, type Transcript } from './transcript.ts'

export const ASKING: Transcript[] = [
  {
    about: 'rpc',
    say: ['{"id":2,"rpc":{"method":"echo","data":{"x":1}}}', '{"id":3,"rpc":{}}'],
    hear: ['{"id":2,"rpc":{"data":{"x":1}}}', '{"id":3,"rpc":{}}'],
  },
  {
    about: 'what nobody answers',
    say: [
      '{"id":2,"rpc":{"method":"m"}}',
      '{"id":3,"history":{"channel":"r"}}',
      '{"id":4,"presence":{"channel":"r"}}',
      '{"id":5,"refresh":{"token":"9"}}',
      SUBSCRIBE,
      '{"id":6,"publish":{"channel":"r","data":1}}',
    ],
    hear: [
      ...[2, 3, 4, 5].map((id) => `{"id":${id},"error":{"code":108,"message":"not available"}}`),
      '{"id":2,"error":{"code":103,"message":"permission denied"}}',
      '{"id":6,"error":{"code":103,"message":"permission denied"}}',
    ],
    with: {
      policy: Object.fromEntries(
        ['rpc', 'history', 'presence', 'refresh', 'subscribe', 'publish'].map((name) => [name, undefined]),
      ),
    },
  },
  { about: 'send', say: ['{"send":{"data":{"x":1}}}'], hear: [] },
  {
    about: 'send to nobody',
    say: ['{"send":{"data":1}}'],
    hear: [],
    end: '3508 not available',
    with: { policy: { message: undefined as never } },
  },
  {
    about: 'refresh',
    say: ['{"id":2,"refresh":{"token":"60"}}'],
    hear: ['{"id":2,"refresh":{"expires":true,"ttl":60}}'],
  },
  {
    about: 'refresh without an end',
    say: ['{"id":2,"refresh":{"token":"60"}}'],
    hear: ['{"id":2,"refresh":{}}'],
    with: { policy: { refresh: () => ({}) } },
  },
  {
    about: 'refresh with an expired token',
    say: ['{"id":2,"refresh":{"token":"0"}}'],
    hear: [],
    end: '3005 connection expired',
  },
  { about: 'refresh with no token', say: ['{"id":2,"refresh":{}}'], hear: [], end: '3501 bad request' },
  {
    about: 'sub_refresh',
    say: [
      SUBSCRIBE,
      '{"id":3,"sub_refresh":{"channel":"plain","token":"60"}}',
      '{"id":4,"sub_refresh":{"channel":"plain","token":"0"}}',
    ],
    hear: [
      SUBSCRIBED,
      '{"id":3,"sub_refresh":{"expires":true,"ttl":60}}',
      '{"id":4,"error":{"code":110,"message":"expired"}}',
    ],
  },
  {
    about: 'sub_refresh where one is not, and without a token',
    say: [
      '{"id":3,"sub_refresh":{"channel":"plain","token":"60"}}',
      SUBSCRIBE,
      '{"id":4,"sub_refresh":{"channel":"plain"}}',
    ],
    hear: [
      '{"id":3,"error":{"code":103,"message":"permission denied"}}',
      SUBSCRIBED,
      '{"id":4,"error":{"code":107,"message":"bad request"}}',
    ],
  },
  ...['subscribe', 'unsubscribe', 'publish', 'presence', 'presence_stats', 'history', 'sub_refresh'].map((method) => ({
    about: `${method} of no room`,
    say: [`{"id":2,"${method}":{}}`],
    hear: [],
    end: '3501 bad request',
  })),
  { about: 'connect again', say: [CONNECT], hear: [], end: '3501 bad request' },
  { about: 'ping', say: ['{"id":2,"ping":{}}'], hear: [], end: '3501 bad request' },
  { about: 'a pong nobody asked for', say: ['{}'], hear: [], end: '3501 bad request' },
  { about: 'no id', say: ['{"subscribe":{"channel":"plain"}}'], hear: [], end: '3501 bad request' },
  { about: 'no method', say: ['{"id":2}'], hear: [], end: '3501 bad request' },
  {
    about: 'several methods: the first in the order of the protocol counts',
    say: ['{"id":2,"rpc":{"data":1},"subscribe":{"channel":"plain"}}'],
    hear: [SUBSCRIBED],
  },
  {
    about: 'replies that are owed are written before a close',
    say: [['{"id":2,"rpc":{"data":1}}', '{"id":3}']],
    hear: ['{"id":2,"rpc":{"data":1}}'],
    end: '3501 bad request',
  },
  {
    about: 'a batch is answered in one message',
    say: [['{"id":2,"rpc":{"data":1}}', '{"id":3,"unsubscribe":{"channel":"r"}}', '{"id":4,"rpc":{"data":2}}']],
    hear: ['{"id":2,"rpc":{"data":1}}', '{"id":3,"unsubscribe":{}}', '{"id":4,"rpc":{"data":2}}'],
  },
  {
    about: 'somebody else is there',
    other: true,
    say: ['{"id":2,"subscribe":{"channel":"r","join_leave":true}}', '{"id":3,"presence_stats":{"channel":"r"}}'],
    hear: [
      '{"id":2,"subscribe":{}}',
      '{"push":{"channel":"r","join":{"info":{"user":"u","client":"client1"}}}}',
      '{"id":3,"presence_stats":{"num_clients":2,"num_users":2}}',
    ],
  },
]
