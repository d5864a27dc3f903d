// Tests run on the TypeScript sources of every package (the '@roomcast/source' export condition), so a red line points
// at the line that was written. What users install, the built and packed packages, has tests of its own in test/e2e.
import { defineConfig } from 'vitest/config'
import { mutants } from './test/support/mutants.ts'

const conditions = ['@roomcast/source', 'module', 'node', 'development|production']

export default defineConfig({
  plugins: [mutants()],
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['test/**/*.test.ts'],
    reporters: ['default', './test/support/closing-line.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // What a page shows is asked until it is so: a busy machine takes more than the second that is the default.
    expect: { poll: { timeout: 10_000 } },
    // Concurrent tests are those that wait for Redis and its absence; they hardly compute.
    maxConcurrency: 8,
  },
})
