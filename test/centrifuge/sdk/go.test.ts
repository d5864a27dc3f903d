// centrifuge-go, built by .ci/run where there is a Go to build it with, in both formats.

import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { inCache, told } from './program.ts'
import { STORY } from './story.ts'

const program = inCache('centrifuge-go/story')
const hasProgram = existsSync(program)
if (!hasProgram) {
  process.stderr.write(
    '\n*** NO PROGRAM OF CENTRIFUGE-GO FOUND: the SDK for Go is NOT tested. The step clients of .ci/run builds it. ***\n\n',
  )
}

test.skipIf(!hasProgram).each(['json', 'protobuf'] as const)(
  '%s',
  async (format) => {
    expect(await told([program], format)).toEqual(STORY)
  },
  60_000,
)
