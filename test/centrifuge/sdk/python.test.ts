// centrifuge-python, as it comes from its registry, in both formats.

import { expect, test } from 'vitest'
import { missing } from '../../support/missing.ts'
import { inCache, inSdk, told, works } from './program.ts'
import { STORY } from './story.ts'

const env = { PYTHONPATH: inCache('centrifuge-python') }
const hasSdk = await works('python3', ['-c', 'import centrifuge'], { env })
missing(
  !hasSdk,
  'NO CENTRIFUGE-PYTHON FOUND: the SDK for Python is NOT tested. The step clients of .ci/run fetches it.',
)

test.skipIf(!hasSdk).each(['json', 'protobuf'] as const)(
  '%s',
  async (format) => {
    // It has no `send`.
    const story = STORY.filter((line) => !line.startsWith('send:'))
    expect(await told(['python3', inSdk('story.py')], format, { env })).toEqual(story)
  },
  60_000,
)
