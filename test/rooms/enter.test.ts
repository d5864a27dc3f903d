// `enter` in every interleaving with publications, a leave and a close.

import { createRooms } from '@roomcast/rooms'
import { expect, test } from 'vitest'
import { INTERLEAVINGS, interleave } from './interleavings.ts'

test(`${INTERLEAVINGS.length} interleavings of one enter: no hole, no repeat, nobody left behind`, async () => {
  const faults: string[] = []
  for (const interleaving of INTERLEAVINGS) {
    const fault = await interleave(interleaving, createRooms)
    if (fault !== undefined) faults.push(`${JSON.stringify(interleaving)}: ${fault}`)
  }
  expect(faults.slice(0, 10)).toEqual([])
})
