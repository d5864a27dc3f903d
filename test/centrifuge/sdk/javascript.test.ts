// npm's `centrifuge`, as users install it, in both of its builds.

import { Centrifuge } from 'centrifuge'
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf'
import { expect, test } from 'vitest'
import { type Dialect, tell } from './javascript.ts'
import { openSite } from './site.ts'
import { STORY } from './story.ts'

const DIALECTS: Record<string, Dialect> = {
  JSON: { Centrifuge, write: (value) => value, read: (data) => JSON.stringify(data) },
  Protobuf: {
    Centrifuge: ProtobufCentrifuge as unknown as typeof Centrifuge,
    write: (value) => Buffer.from(JSON.stringify(value)),
    read: (data) => Buffer.from(data as Uint8Array).toString(),
  },
}

test.each(Object.entries(DIALECTS))('%s', async (_name, dialect) => {
  const site = await openSite()
  const lines: string[] = []
  try {
    await tell(site.url, dialect, (line) => lines.push(line))
  } finally {
    await site.close()
    expect(lines).toEqual(STORY)
  }
})
