// centrifuge-java, as it comes from its registry, where there is a Java to run it. It speaks Protobuf alone.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { inCache, inSdk, told, works } from './program.ts'
import { STORY } from './story.ts'

const jars = inCache('centrifuge-java')
const hasSdk = existsSync(join(jars, 'centrifuge-java-0.4.1.jar')) && (await works('java', ['-version']))
if (!hasSdk) {
  process.stderr.write(
    '\n*** NO CENTRIFUGE-JAVA FOUND: the SDK for Java is NOT tested. The step clients of .ci/run fetches it. ***\n\n',
  )
}

test.skipIf(!hasSdk)(
  'protobuf',
  async () => {
    const args = ['-XX:TieredStopAtLevel=1', '-cp', join(jars, '*'), inSdk('java/Story.java')] as const
    expect(await told(['java', ...args], 'protobuf')).toEqual(STORY)
  },
  90_000,
)
