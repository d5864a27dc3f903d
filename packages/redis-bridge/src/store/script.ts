// A script in Lua with its hash.

import { createHash } from 'node:crypto'
import type { Script } from '../bus/link.ts'

/** Every script begins with `now()`: only Redis's time counts, in ms. */
const PRELUDE = `
local function now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
`

export function script(name: string, body: string): Script {
  const source = (body.includes('now()') ? PRELUDE + body : body).trim()
  return { name, source, sha: createHash('sha1').update(source).digest('hex') }
}
