import { INFO, SUBSCRIBE, SUBSCRIBED, type Transcript } from './transcript.ts'

export const SAYING: Transcript[] = [
  {
    about: 'unsubscribe, also from where it is not',
    say: [
      SUBSCRIBE,
      '{"id":3,"unsubscribe":{"channel":"plain"}}',
      '{"id":4,"unsubscribe":{"channel":"plain"}}',
      SUBSCRIBE,
    ],
    hear: [SUBSCRIBED, '{"id":3,"unsubscribe":{}}', '{"id":4,"unsubscribe":{}}', SUBSCRIBED],
  },
  {
    about: 'publish: the push goes before the reply',
    say: [SUBSCRIBE, '{"id":3,"publish":{"channel":"plain","data":{"a": [1, 2]}}}'],
    hear: [
      SUBSCRIBED,
      `{"push":{"channel":"plain","pub":{"data":{"a": [1, 2]},"info":${INFO}}}}`,
      '{"id":3,"publish":{}}',
    ],
  },
  {
    about: 'publish with a position: the first of an epoch names it',
    say: [
      '{"id":2,"subscribe":{"channel":"r"}}',
      '{"id":3,"publish":{"channel":"r","data":"x"}}',
      '{"id":4,"publish":{"channel":"r","data":null,"data":"y"}}',
    ],
    hear: [
      '{"id":2,"subscribe":{}}',
      `{"push":{"channel":"r","pub":{"data":"x","info":${INFO},"offset":1,"epoch":"epoch1"}}}`,
      '{"id":3,"publish":{}}',
      `{"push":{"channel":"r","pub":{"data":"y","info":${INFO},"offset":2}}}`,
      '{"id":4,"publish":{}}',
    ],
  },
  {
    about: 'publish with infos and tags',
    say: [SUBSCRIBE, '{"id":3,"publish":{"channel":"plain","data":0}}'],
    hear: [
      SUBSCRIBED,
      '{"push":{"channel":"plain","pub":{"data":0,"info":{"user":"u","client":"client1","conn_info":{"a":1},"chan_info":["b"]},"tags":{"k":"v"}}}}',
      '{"id":3,"publish":{}}',
    ],
    with: {
      policy: {
        authenticate: () => ({ user: 'u', info: '{"a":1}' }),
        subscribe: () => ({ info: '["b"]' }),
        publish: (_client, _room, data) => ({ data, tags: { k: 'v' } }),
      },
    },
  },
  {
    about: 'publish nothing',
    say: ['{"id":3,"publish":{"channel":"plain"}}'],
    hear: ['{"id":3,"error":{"code":107,"message":"bad request"}}'],
  },
  {
    about: 'publish too much',
    say: [`{"id":3,"publish":{"channel":"plain","data":"${'x'.repeat(65_535)}"}}`],
    hear: ['{"id":3,"error":{"code":107,"message":"bad request"}}'],
  },
  {
    about: 'publish what nests too deep',
    say: [`{"id":3,"publish":{"channel":"plain","data":${'['.repeat(33)}${']'.repeat(33)}}}`],
    hear: ['{"id":3,"error":{"code":107,"message":"bad request"}}'],
  },
  {
    about: 'publish where one may not',
    say: ['{"id":3,"publish":{"channel":"plain","data":1}}'],
    hear: ['{"id":3,"error":{"code":103,"message":"permission denied"}}'],
    with: { policy: { publish: () => undefined } },
  },
  {
    about: 'publish into a map',
    say: ['{"id":3,"publish":{"channel":"plain","data":1,"type":1}}'],
    hear: ['{"id":3,"error":{"code":103,"message":"permission denied"}}'],
  },
  {
    about: 'presence of nobody',
    say: ['{"id":2,"presence":{"channel":"r"}}', '{"id":3,"presence_stats":{"channel":"r"}}'],
    hear: ['{"id":2,"presence":{"presence":{}}}', '{"id":3,"presence_stats":{"num_clients":0,"num_users":0}}'],
  },
  {
    about: 'presence',
    say: [
      '{"id":2,"subscribe":{"channel":"r"}}',
      '{"id":3,"presence":{"channel":"r"}}',
      '{"id":4,"presence_stats":{"channel":"r"}}',
    ],
    hear: [
      '{"id":2,"subscribe":{}}',
      `{"id":3,"presence":{"presence":{"client1":${INFO}}}}`,
      '{"id":4,"presence_stats":{"num_clients":1,"num_users":1}}',
    ],
  },
  {
    about: 'history of nothing',
    say: ['{"id":2,"history":{"channel":"r","limit":10}}'],
    hear: ['{"id":2,"history":{"publications":[],"epoch":"epoch1","offset":0}}'],
  },
  {
    about: 'history: a part, all, the newest, the position alone',
    say: [
      ['1', '2', '3'].map((data, i) => `{"id":${i + 2},"publish":{"channel":"r","data":${data}}}`),
      '{"id":5,"history":{"channel":"r","limit":1,"since":{"offset":1,"epoch":"epoch1"}}}',
      '{"id":6,"history":{"channel":"r","limit":-1}}',
      '{"id":7,"history":{"channel":"r","limit":1,"reverse":true}}',
      '{"id":8,"history":{"channel":"r"}}',
    ],
    hear: [
      '{"id":2,"publish":{}}',
      '{"id":3,"publish":{}}',
      '{"id":4,"publish":{}}',
      `{"id":5,"history":{"publications":[{"data":2,"info":${INFO},"offset":2}],"epoch":"epoch1","offset":3}}`,
      `{"id":6,"history":{"publications":[{"data":1,"info":${INFO},"offset":1,"epoch":"epoch1"},{"data":2,"info":${INFO},"offset":2},{"data":3,"info":${INFO},"offset":3}],"epoch":"epoch1","offset":3}}`,
      `{"id":7,"history":{"publications":[{"data":3,"info":${INFO},"offset":3}],"epoch":"epoch1","offset":3}}`,
      '{"id":8,"history":{"publications":[],"epoch":"epoch1","offset":3}}',
    ],
  },
  {
    about: 'history since another epoch, and backwards from 0',
    say: [
      '{"id":2,"history":{"channel":"r","since":{"offset":1,"epoch":"foreign"}}}',
      '{"id":3,"history":{"channel":"r","since":{"epoch":"epoch1"},"reverse":true}}',
    ],
    hear: [
      '{"id":2,"error":{"code":112,"message":"unrecoverable position"}}',
      '{"id":3,"error":{"code":107,"message":"bad request"}}',
    ],
  },
  {
    about: 'history and presence where they are not',
    say: ['{"id":2,"history":{"channel":"plain"}}'],
    hear: ['{"id":2,"error":{"code":108,"message":"not available"}}'],
  },
  {
    about: 'history and presence where one may not',
    say: [
      '{"id":2,"history":{"channel":"r"}}',
      '{"id":3,"presence":{"channel":"r"}}',
      '{"id":4,"presence_stats":{"channel":"r"}}',
    ],
    hear: [2, 3, 4].map((id) => `{"id":${id},"error":{"code":103,"message":"permission denied"}}`),
    with: { policy: { history: () => undefined, presence: () => undefined } },
  },
]
