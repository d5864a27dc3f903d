// What Redis does with a room's history, each in one step. KEYS are always the lineage, the top and the history of the room,
// in this order. A room whose top is missing, or of another lineage than this Redis's, begins anew: its history goes with
// it. Without a lineage nothing is done: who called has to look first what Redis this is.

import type { Script } from '../bus/link.ts'
import { script } from './script.ts'

/** What scripts answer where Redis has no lineage: it was emptied, or is a new one. */
export const NO_LINEAGE = 'NOLINEAGE'

/** What the parts of a kept publication take besides its bytes, about. */
const ENTRY_BYTES = 64

const LINEAGE = `
local l = redis.call('HGET', KEYS[1], 's')
if not l then return redis.error_reply('${NO_LINEAGE} this Redis knows of no rooms') end
`

/** e: epoch, n: number, i: id of the last, c: bytes ever kept, t: those of them that are surely trimmed. */
const TOP = `
local top = redis.call('HMGET', KEYS[2], 'e', 'n', 'i', 'c', 't', 'l')
local e, n, i, c, t = top[1], tonumber(top[2]), top[3], tonumber(top[4]), tonumber(top[5])
local begins = not (e and n and i and c and t) or top[6] ~= l
if begins then
  redis.call('DEL', KEYS[2], KEYS[3])
  e, n, i, c, t = ARGV[1], 0, '', 0, 0
end
`

const FIRST = `
local function first()
  return redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', 1)[1]
end
`

/** Looks which Redis this is. KEYS: lineage. ARGV: a lineage nobody ever had. Answers with the one that holds: another one
 * whenever the replication id is another one, as it is after a restart, a failover, and after a move to another master. */
export const ADOPT: Script = script(
  'adopt',
  `
local id = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
local was = redis.call('HMGET', KEYS[1], 'r', 's')
if was[2] and was[1] == id then return was[2] end
redis.call('HSET', KEYS[1], 'r', id, 's', ARGV[1])
return ARGV[1]
`,
)

/** ARGV: epoch if one begins, Redis channel, head of the envelope, id, draft, size, bytes, ms of the history, ms of the top,
 * how to publish, ms of the key. KEYS 4: idempotency. Answers with epoch and number, and whether it is new. */
export const PUBLISH: Script = script(
  'publish',
  `${LINEAGE}
if KEYS[4] then
  local we, wn = string.match(redis.call('GET', KEYS[4]) or '', '^(%S+) (%d+)$')
  if we then return {we, tonumber(wn), 0} end
end
${TOP}${FIRST}
n = n + 1
c = c + #ARGV[5] + ${ENTRY_BYTES}
local number = string.format('%.0f', n)
redis.call('XADD', KEYS[3], 'MAXLEN', ARGV[6], number .. '-0', 'd', ARGV[5], 'p', i, 'c', c)
if c - t > tonumber(ARGV[7]) then
  local oldest = first()
  while oldest do
    local counted = tonumber(oldest[2][6])
    t = counted - #oldest[2][2] - ${ENTRY_BYTES}
    if c - t <= tonumber(ARGV[7]) then break end
    redis.call('XDEL', KEYS[3], oldest[1])
    t = counted
    oldest = first()
  end
end
redis.call('HSET', KEYS[2], 'e', e, 'n', n, 'i', ARGV[4], 'c', c, 't', t, 'l', l)
redis.call('PEXPIRE', KEYS[3], ARGV[8])
redis.call('PEXPIRE', KEYS[2], ARGV[9])
if KEYS[4] then
  redis.call('SET', KEYS[4], e .. ' ' .. number, 'PX', ARGV[11])
end
redis.call(ARGV[10], ARGV[2], ARGV[3] .. struct.pack('>I4I4I4I4', math.floor(n / 4294967296), n % 4294967296, 0, #e)
  .. e .. struct.pack('>I4', #i) .. i .. ARGV[5])
return {e, n, 1}
`,
)

/** ARGV: epoch if one begins, ms of the top, first and last of the range, how many, whether the newest. Answers with epoch,
 * number, id of the last, the first number that is kept, and the entries. */
export const READ: Script = script(
  'read',
  `${LINEAGE}${TOP}${FIRST}
if begins then redis.call('HSET', KEYS[2], 'e', e, 'n', 0, 'i', '', 'c', 0, 't', 0, 'l', l) end
redis.call('PEXPIRE', KEYS[2], ARGV[2], begins and 'NX' or 'GT')
local found = {}
if tonumber(ARGV[5]) > 0 then
  if ARGV[6] == '1' then found = redis.call('XREVRANGE', KEYS[3], ARGV[4], ARGV[3], 'COUNT', ARGV[5])
  else found = redis.call('XRANGE', KEYS[3], ARGV[3], ARGV[4], 'COUNT', ARGV[5]) end
end
local oldest = first()
return {e, n, i, oldest and oldest[1] or '', found}
`,
)

/** Another epoch, unless it has another one by now. ARGV: the epoch. */
export const FORK: Script = script(
  'fork',
  `${LINEAGE}
if redis.call('HGET', KEYS[2], 'e') == ARGV[1] then redis.call('DEL', KEYS[2], KEYS[3]) end
return 1
`,
)

export const REMOVE_HISTORY: Script = script(
  'removeHistory',
  `${LINEAGE}
redis.call('DEL', KEYS[3])
return 1
`,
)

/** Where rooms stand; what lives while somebody is in them lives on. KEYS: lineage, then the top of each. ARGV: ms of each.
 * Answers with epoch, number and id of the last of each, or nothing. */
export const TOPS: Script = script(
  'tops',
  `${LINEAGE}
local tops = {}
for k = 2, #KEYS do
  local top = redis.call('HMGET', KEYS[k], 'e', 'n', 'i', 'l')
  if top[1] and top[4] == l then
    redis.call('PEXPIRE', KEYS[k], ARGV[k - 1], 'GT')
    tops[k - 1] = {top[1], tonumber(top[2]), top[3]}
  else
    tops[k - 1] = {}
  end
end
return tops
`,
)

/** KEYS: idempotency. ARGV: who claims it, ms. Answers with who has it. */
export const CLAIM: Script = script(
  'claim',
  `
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'GET', 'PX', ARGV[2]) or ARGV[1]
`,
)
