// A vitest reporter of one plain line at the end, for people and machines that only read the last line.
import type { Reporter, TestModule } from 'vitest/node'

class ClosingLine implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>): void {
    const count = { passed: 0, failed: 0, skipped: 0, pending: 0 }
    for (const module of modules) {
      for (const test of module.children.allTests()) count[test.result().state]++
      if (module.state() === 'failed' && module.errors().length > 0) count.failed++
    }
    process.stdout.write(
      `Tests: ${count.passed} passed, ${count.failed} failed, ${count.skipped + count.pending} skipped\n`,
    )
  }
}

// biome-ignore lint/style/noDefaultExport: vitest loads a reporter from a file's default export
export default ClosingLine
