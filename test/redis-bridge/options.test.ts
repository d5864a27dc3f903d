// What a user gives the bridge: his mistakes do not end the process, his client is used as it must be.

import { once } from 'node:events'
import { createRedisBridge } from '@roomcast/redis-bridge'
import { createPublisher } from '@roomcast/redis-bridge/publisher'
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { readTarget } from '../../packages/redis-bridge/src/options.ts'

test.for([
  ['throws', (): void => raise()],
  ['rejects', async (): Promise<void> => raise()],
] as const)('an onError that %s is a warning: the search for Redis goes on', async ([, onError]) => {
  const { onLost } = readTarget({ url: '/nowhere', prefix: 'p', onError }, true)
  const warned = once(process, 'warning', { signal: AbortSignal.timeout(5_000) })
  expect(() => onLost(new Error('lost'))).not.toThrow()
  const [warning] = (await warned) as [Error]
  expect(warning.message).toContain('onError failed: Error: a mistake')
})

test.each([
  ['', RangeError],
  ['redis://u:%zz@h', URIError],
])('a url that cannot be read, %j, throws at once', (url, error) => {
  expect(() => readTarget({ url, prefix: 'p' }, true)).toThrow(error)
})

/** What the clients of other libraries have of what ioredis has. */
const STRANGERS: [whose: string, client: object][] = [
  ['nothing at all', {}],
  ['node-redis', { duplicate() {}, connect() {}, publish() {}, subscribe() {}, options: {}, isOpen: false }],
  ['node-redis, a cluster', { duplicate() {}, connect() {}, masters: [], slots: [] }],
  ['a class', Redis],
  ['null', null as unknown as object],
]

test.each(STRANGERS)('a client of another library throws at the call: %s', (_, client) => {
  for (const subscribes of [true, false]) {
    expect(() => readTarget({ client: client as Redis, prefix: 'p' }, subscribes)).toThrow(TypeError)
  }
})

test.each([
  ['lingerMs', '5', TypeError],
  ['lingerMs', -1, RangeError],
  ['maxQueuedBytes', '64', TypeError],
  ['maxQueuedBytes', 0, RangeError],
  ['maxQueuedBytes', Number.NaN, RangeError],
  ['maxCountedChannels', null, TypeError],
  ['maxCountedChannels', 2 ** 31, RangeError],
])('%s: %j throws at the call', (option, value, error) => {
  const options = { url: '/nowhere', prefix: 'p', [option]: value }
  expect(() => createRedisBridge(options)).toThrow(error)
  if (option !== 'lingerMs') expect(() => createPublisher(options)).toThrow(error)
})

function raise(): never {
  throw new Error('a mistake')
}
