// What a user gives the bridge: his mistakes do not end the process, his client is used as it must be.

import { once } from 'node:events'
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { readTarget } from '../../packages/redis-bridge/src/options.ts'
import type { ConnectionOptions } from '../../packages/redis-bridge/src/redis-link.ts'

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

const CLIENTS: [whose: string, options: ConnectionOptions, asked: boolean][] = [
  ['of Sentinels', { sentinels: [{ host: '127.0.0.1', port: 1 }], name: 'm' }, true],
  ['of one Redis', { path: '/nowhere' }, false],
]

test.for(CLIENTS)('a client %s: whether it is the master still is asked', ([, options, asked]) => {
  const checks: (boolean | undefined)[] = []
  class Client extends Redis {
    override duplicate(override: Parameters<Redis['duplicate']>[0]): Redis {
      checks.push(override?.enableReadyCheck)
      return super.duplicate(override)
    }
  }
  const client: Redis = new Client({ ...options, lazyConnect: true })
  const { openLink } = readTarget({ client, prefix: 'p' }, false)
  openLink({ up() {}, down() {}, message() {} }).close()
  expect(checks).toEqual([asked])
})

test.each([
  ['', RangeError],
  ['redis://u:%zz@h', URIError],
])('a url that cannot be read, %j, throws at once', (url, error) => {
  expect(() => readTarget({ url, prefix: 'p' }, true)).toThrow(error)
})

test('a replica is never asked for', () => {
  const roles: unknown[] = []
  class Client extends Redis {
    override duplicate(override: Parameters<Redis['duplicate']>[0]): Redis {
      roles.push(override?.role)
      return super.duplicate(override)
    }
  }
  const sentinels = [{ host: '127.0.0.1', port: 1 }]
  const client: Redis = new Client({ sentinels, name: 'm', role: 'slave', lazyConnect: true })
  readTarget({ client, prefix: 'p' }, false)
    .openLink({ up() {}, down() {}, message() {} })
    .close()
  expect(roles).toEqual(['master'])
})

function raise(): never {
  throw new Error('a mistake')
}
