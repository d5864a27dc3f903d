// What a user gives the bridge may fail him, and not the process.

import { once } from 'node:events'
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

function raise(): never {
  throw new Error('a mistake')
}
