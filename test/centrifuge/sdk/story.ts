// What each program tells, line by line: the same whatever SDK it is written with.

/** Close codes, and whether clients come back after them. */
export const CODES: readonly (readonly [code: number, comesBack: boolean])[] = [
  [3001, true],
  [3005, true],
  [3010, true],
  [3012, true],
  [3499, true],
  [4000, true],
  [4008, true],
  [4499, true],
  [3500, false],
  [3503, false],
  [3999, false],
  [4500, false],
  [4999, false],
]

export const STORY: readonly string[] = [
  'connect: connected',
  'subscribe: subscribed',
  'join: u1',
  'publish: {"n":1} of u1 at 1',
  'presence: u1; 1 clients, 1 users',
  'history: {"n":1}',
  'rpc: {"hello":1}',
  'send: {"sent":1}',
  'others: join u2, leave u2',
  'recovery: {"n":2} {"n":3} {"n":4}',
  'history after it: 4',
  'refresh: true',
  'subscription refresh: true',
  'expired: connected with another token',
  'invalid: 3500',
  'unsubscribe 2000: out',
  'unsubscribe 2500: back',
  ...CODES.map(([code, comesBack]) => `disconnect ${code}: ${comesBack ? 'back' : 'gone'}`),
]
