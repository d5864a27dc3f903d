// A store that lost what it had acknowledged: the last publication of a room is gone, and its number is given again.

import type { Publication } from '@roomcast/rooms'
import type { MemoryLog } from '../../packages/rooms/src/memory-log.ts'
import { Row } from '../../packages/rooms/src/row.ts'

/** Takes back the last publication of a room, and returns it. */
export function goBack(log: MemoryLog): Publication {
  const publications = log.row.slice()
  const lost = publications.pop()!
  log.row = new Row()
  for (const publication of publications) log.row.push(publication)
  log.offset--
  log.lastId = lost.previous
  return lost
}
