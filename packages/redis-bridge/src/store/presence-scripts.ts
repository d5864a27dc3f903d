// What Redis does with presence, each in one step. Entries of a node are in a hash for each room, and the node's rooms in a
// set, so that everything of a dead node can be found. Only Redis's time counts. Keys of presence have no time to live: a
// Redis that evicts them is one that forgets who is there.

import type { Script } from '../bus/link.ts'
import { script } from './script.ts'

/** Entries of a node that did not renew for so long are in no answer. */
export const LEASE_MS = 15_000
/** They are removed so long after the last renewal. */
export const SWEEP_AFTER_MS = 20_000
/** A node that was swept is told so, should it come back within that time. */
const REMEMBER_SWEPT_MS = 3_600_000
/** So many leaves of a room are told at once. */
const SWEEP_BATCH = 200
/** Who removes entries has so long for the next step; then it is another's turn. */
const SWEEPER_MS = 5000
/** So many blocks are kept. */
const MAX_BLOCKS = 100_000
/** Nodes that were not heard of for so long are forgotten. */
const FORGET_NODE_MS = 60_000

/** KEYS: entries, rooms of the node, leases. ARGV: room, client, info, node. Answers with whether the entry is new. */
export const ENTER: Script = script(
  'enter',
  `
redis.call('ZADD', KEYS[3], 'NX', now(), ARGV[4])
redis.call('SADD', KEYS[2], ARGV[1])
return redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
`,
)

/** KEYS: entries, rooms of the node. ARGV: room, client. Answers with whether there was such an entry. */
export const EXIT: Script = script(
  'exit',
  `
local gone = redis.call('HDEL', KEYS[1], ARGV[2])
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SREM', KEYS[2], ARGV[1]) end
return gone
`,
)

/** KEYS: leases, swept, lineage. ARGV: node. Answers with how the lease stood, the lineage, and how long ago each node
 * renewed its own. */
export const LEASE: Script = script(
  'lease',
  `
local at = now()
local swept = redis.call('ZSCORE', KEYS[2], ARGV[1])
local was = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], at, ARGV[1])
local nodes = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for k = 2, #nodes, 2 do nodes[k] = at - nodes[k] end
return {swept and 'swept' or was and 'kept' or 'lost', redis.call('HGET', KEYS[3], 's') or '', nodes}
`,
)

/** In which rooms a node has entries. KEYS: rooms of the node. */
export const ROOMS_OF: Script = script(
  'roomsOf',
  `
return redis.call('SMEMBERS', KEYS[1])
`,
)

/** Makes the entries of a node in some rooms exactly these. KEYS: rooms of the node, leases, swept, then the entries of each
 * room. ARGV: node, then for each room: room, how many, and client and info of each. Answers for each room with the
 * clients that were missing and the infos that were too many. */
export const ASSERT: Script = script(
  'assert',
  `
redis.call('ZADD', KEYS[2], 'NX', now(), ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
local answer, at = {}, 2
for k = 4, #KEYS do
  local room, count = ARGV[at], tonumber(ARGV[at + 1])
  at = at + 2
  local was, added, removed, wanted = redis.call('HGETALL', KEYS[k]), {}, {}, {}
  for j = 1, count do
    wanted[ARGV[at]] = true
    if redis.call('HSET', KEYS[k], ARGV[at], ARGV[at + 1]) == 1 then added[#added + 1] = ARGV[at] end
    at = at + 2
  end
  for j = 1, #was, 2 do
    if not wanted[was[j]] then
      redis.call('HDEL', KEYS[k], was[j])
      removed[#removed + 1] = was[j + 1]
    end
  end
  if count > 0 then redis.call('SADD', KEYS[1], room) else redis.call('SREM', KEYS[1], room) end
  answer[k - 3] = {added, removed}
end
return answer
`,
)

/** KEYS: leases, then the entries of a room for each node that is known. ARGV: those nodes. Answers with the nodes that are
 * alive where one of them is not known, else with 1 and all infos. */
export const PRESENT: Script = script(
  'present',
  `
local alive = redis.call('ZRANGE', KEYS[1], '(' .. string.format('%.0f', now() - ${LEASE_MS}), '+inf', 'BYSCORE')
local known = {}
for k = 1, #ARGV do known[ARGV[k]] = KEYS[k + 1] end
for _, node in ipairs(alive) do
  if not known[node] then return {0, alive} end
end
local infos = {}
for _, node in ipairs(alive) do
  for _, info in ipairs(redis.call('HVALS', known[node])) do infos[#infos + 1] = info end
end
return {1, infos}
`,
)

/** Removes entries of a node that is dead, or gives up its own, and tells of each, in one step. KEYS: leases, swept, sweeper,
 * rooms of the node, then the entries of some of its rooms. ARGV: the node, who removes, head of the envelope, how to
 * publish, then for each room: room, Redis channel. Answers with what is to be done next: `alive`, `busy` (another removes),
 * `more`, `done`. */
export const SWEEP: Script = script(
  'sweep',
  `
local node, sweeper = ARGV[1], ARGV[2]
local at = now()
if node ~= sweeper then
  local renewed = redis.call('ZSCORE', KEYS[1], node)
  if not renewed or at - renewed < ${SWEEP_AFTER_MS} then return 'alive' end
  local other = redis.call('GET', KEYS[3])
  if other and other ~= sweeper then return 'busy' end
  redis.call('SET', KEYS[3], sweeper, 'PX', ${SWEEPER_MS})
  redis.call('ZADD', KEYS[2], at, node)
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', at - ${REMEMBER_SWEPT_MS})
end
for k = 5, #KEYS do
  local room, channel = ARGV[2 * k - 5], ARGV[2 * k - 4]
  local all = redis.call('HRANDFIELD', KEYS[k], ${SWEEP_BATCH}, 'WITHVALUES')
  local leaves = {}
  for j = 1, #all, 2 do
    redis.call('HDEL', KEYS[k], all[j])
    leaves[#leaves + 1] = struct.pack('>I4', #all[j + 1]) .. all[j + 1]
  end
  if redis.call('EXISTS', KEYS[k]) == 0 then redis.call('SREM', KEYS[4], room) end
  if #leaves > 0 then
    redis.call(ARGV[4], channel, ARGV[3] .. struct.pack('>I4I4I4', 0, 1, 0) .. table.concat(leaves))
  end
end
if redis.call('EXISTS', KEYS[4]) == 1 then return 'more' end
redis.call('ZREM', KEYS[1], node)
return 'done'
`,
)

/** This node is there. KEYS: nodes, lineage. ARGV: node. Answers with the lineage. */
export const HERE: Script = script(
  'here',
  `
local at = now()
redis.call('ZADD', KEYS[1], at, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', at - ${FORGET_NODE_MS})
return redis.call('HGET', KEYS[2], 's') or ''
`,
)

/** This node goes. KEYS: nodes. ARGV: node. */
export const GONE: Script = script(
  'gone',
  `
return redis.call('ZREM', KEYS[1], ARGV[1])
`,
)

/** Hands a request to every node. KEYS: nodes, blocks, words of blocks. ARGV: Redis channel, envelope, how to publish, and
 * for a block: user, ms, words, and the words that spare no client, for where another block of the user holds: each of its
 * clients may have been meant by one of them. Answers with the nodes that are there. */
export const ASK: Script = script(
  'ask',
  `
local at = now()
if ARGV[4] then
  local was, words = redis.call('ZSCORE', KEYS[2], ARGV[4]), ARGV[6]
  if was and tonumber(was) > at and redis.call('HGET', KEYS[3], ARGV[4]) ~= words then words = ARGV[7] end
  redis.call('ZADD', KEYS[2], 'GT', at + ARGV[5], ARGV[4])
  redis.call('HSET', KEYS[3], ARGV[4], words)
  local over = redis.call('ZRANGE', KEYS[2], '-inf', at, 'BYSCORE', 'LIMIT', 0, 100)
  local more = redis.call('ZCARD', KEYS[2]) - ${MAX_BLOCKS}
  if #over == 0 and more > 0 then over = redis.call('ZRANGE', KEYS[2], 0, math.min(more, 100) - 1) end
  if #over > 0 then
    redis.call('ZREM', KEYS[2], unpack(over))
    redis.call('HDEL', KEYS[3], unpack(over))
  end
  local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')[2]
  if last then
    redis.call('PEXPIREAT', KEYS[2], last)
    redis.call('PEXPIREAT', KEYS[3], last)
  end
end
redis.call(ARGV[3], ARGV[1], ARGV[2])
return redis.call('ZRANGE', KEYS[1], '(' .. string.format('%.0f', at - ${LEASE_MS}), '+inf', 'BYSCORE')
`,
)

/** Who is blocked. KEYS: blocks, words of blocks. ARGV: how many to leave out, how many at most. Answers with user, ms left
 * and words of each. */
export const BLOCKED: Script = script(
  'blocked',
  `
local at = now()
local found = redis.call('ZRANGE', KEYS[1], '(' .. string.format('%.0f', at), '+inf', 'BYSCORE', 'LIMIT', ARGV[1], ARGV[2],
  'WITHSCORES')
local blocks = {}
for k = 1, #found, 2 do
  local words = redis.call('HGET', KEYS[2], found[k])
  blocks[#blocks + 1] = {found[k], found[k + 1] - at, words or ''}
end
return blocks
`,
)
