// What a Redis keeps, and the commands that the store's scripts give it. Strings are bytes, one for each character. A test
// gives the same to a real Redis and compares.

import type { Call } from '../../../packages/redis-bridge/src/bus/link.ts'
import type { VirtualClock } from '../../support/virtual-clock.ts'
import { compile, ErrorReply, type Lua, LuaTable, type Program } from './lua.ts'

interface StreamEntry {
  id: number
  fields: string[]
}

interface Values {
  string: string
  hash: Map<string, string>
  set: Set<string>
  zset: Map<string, number>
  stream: StreamEntry[]
}

interface Kept {
  is: keyof Values
  value: Values[keyof Values]
  expiresAt: number | undefined
}

/** Redis's wall clock is not that of the nodes. */
const TIME_OFFSET = 1_000_000_000_000

const programs = new Map<string, Program>()

export class RedisData {
  replicationId = 'a'.repeat(40)
  /** What is written is refused, as where the memory is full. */
  refusesWrites = false
  readonly #clock: Pick<VirtualClock, 'now'>
  readonly #publish: (route: string, bytes: Buffer) => number
  #keys = new Map<string, Kept>()

  constructor(clock: Pick<VirtualClock, 'now'>, publish: (route: string, bytes: Buffer) => number) {
    this.#clock = clock
    this.#publish = publish
  }

  /** What Redis answers, as ioredis gives it; an Error where it refuses. */
  run({ script, keys, args }: Call): unknown {
    let program = programs.get(script.source)
    if (program === undefined) {
      program = compile(script.source)
      programs.set(script.source, program)
    }
    try {
      const given = [keys, args].map((values) => LuaTable.of(values.map(bytesOf)))
      return replyOf(program(given[0]!, given[1]!, (...command) => this.#call(command)))
    } catch (error) {
      if (error instanceof Refused) return error
      throw error
    }
  }

  /** A copy as it is now, for a replica that lags. */
  copy(): Map<string, Kept> {
    return structuredClone(this.#keys)
  }

  restore(keys: Map<string, Kept>): void {
    this.#keys = keys
  }

  clear(): void {
    this.#keys.clear()
  }

  delete(key: string): void {
    this.#keys.delete(key)
  }

  names(): string[] {
    return [...this.#keys.keys()].filter((key) => this.#find(key) !== undefined)
  }

  /** As PTTL: -1 for a key that stays. */
  msLeft(key: string): number {
    const { expiresAt } = this.#find(key)!
    return expiresAt === undefined ? -1 : expiresAt - this.#now()
  }

  hash(key: string): ReadonlyMap<string, string> {
    return this.#read(key, 'hash') ?? new Map()
  }

  #now(): number {
    return Math.floor(this.#clock.now()) + TIME_OFFSET
  }

  #find(key: string): Kept | undefined {
    const kept = this.#keys.get(key)
    if (kept?.expiresAt !== undefined && kept.expiresAt <= this.#now()) {
      this.#keys.delete(key)
      return undefined
    }
    return kept
  }

  #read<Is extends keyof Values>(key: string, is: Is): Values[Is] | undefined {
    const kept = this.#find(key)
    if (kept !== undefined && kept.is !== is) throw new Refused('WRONGTYPE')
    return kept?.value as Values[Is] | undefined
  }

  #write<Is extends keyof Values>(key: string, is: Is, value: Values[Is]): Values[Is] {
    const found = this.#read(key, is)
    if (found !== undefined) return found
    this.#keys.set(key, { is, value, expiresAt: undefined })
    return value
  }

  #emptied(key: string, size: number): void {
    if (size === 0) this.#keys.delete(key)
  }

  #call(command: Lua[]): Lua {
    const [name, ...args] = command.map(String) as [string, ...string[]]
    if (this.refusesWrites && WRITES.has(name))
      throw new Refused("OOM command not allowed when used memory > 'maxmemory'.")
    return this.#commands[name]!(args)
  }

  readonly #commands: Record<string, (args: string[]) => Lua> = {
    TIME: () => LuaTable.of([String(Math.floor(this.#now() / 1000)), String((this.#now() % 1000) * 1000)]),
    INFO: () => `master_replid:${this.replicationId}\r\n`,
    PUBLISH: ([route, bytes]) => this.#publish(Buffer.from(route!, 'latin1').toString(), Buffer.from(bytes!, 'latin1')),
    DEL: (keys) => keys.filter((key) => this.#find(key) !== undefined && this.#keys.delete(key)).length,
    EXISTS: ([key]) => (this.#find(key!) === undefined ? 0 : 1),
    GET: ([key]) => this.#read(key!, 'string') ?? false,
    SET: ([key, value, ...options]) => this.#set(key!, value!, options),
    PEXPIRE: ([key, ms, option]) => this.#expire(key!, this.#now() + Number(ms), option),
    PEXPIREAT: ([key, at]) => this.#expire(key!, Number(at), undefined),
    HGET: ([key, field]) => this.#read(key!, 'hash')?.get(field!) ?? false,
    HMGET: ([key, ...fields]) => LuaTable.of(fields.map((field) => this.#read(key!, 'hash')?.get(field) ?? false)),
    HSET: ([key, ...pairs]) => {
      const hash = this.#write(key!, 'hash', new Map())
      const before = hash.size
      for (let i = 0; i < pairs.length; i += 2) hash.set(pairs[i]!, pairs[i + 1]!)
      return hash.size - before
    },
    HDEL: ([key, ...fields]) => {
      const hash = this.#read(key!, 'hash')
      if (hash === undefined) return 0
      const gone = fields.filter((field) => hash.delete(field)).length
      this.#emptied(key!, hash.size)
      return gone
    },
    HGETALL: ([key]) => LuaTable.of([...(this.#read(key!, 'hash') ?? [])].flat()),
    HVALS: ([key]) => LuaTable.of([...(this.#read(key!, 'hash')?.values() ?? [])]),
    HRANDFIELD: ([key, count]) => LuaTable.of([...(this.#read(key!, 'hash') ?? [])].slice(0, Number(count)).flat()),
    SADD: ([key, member]) => {
      const set = this.#write(key!, 'set', new Set())
      const before = set.size
      set.add(member!)
      return set.size - before
    },
    SREM: ([key, member]) => {
      const set = this.#read(key!, 'set')
      const gone = set?.delete(member!) ? 1 : 0
      this.#emptied(key!, set?.size ?? 1)
      return gone
    },
    SMEMBERS: ([key]) => LuaTable.of([...(this.#read(key!, 'set') ?? [])]),
    ZADD: ([key, ...rest]) => {
      const option = rest.length > 2 ? rest.shift() : undefined
      const [score, member] = [Number(rest[0]), rest[1]!]
      const zset = this.#write(key!, 'zset', new Map())
      const was = zset.get(member)
      if (option !== 'NX' || was === undefined) {
        if (option !== 'GT' || was === undefined || score > was) zset.set(member, score)
      }
      return was === undefined ? 1 : 0
    },
    ZREM: ([key, ...members]) => {
      const zset = this.#read(key!, 'zset')
      const gone = members.filter((member) => zset?.delete(member)).length
      this.#emptied(key!, zset?.size ?? 1)
      return gone
    },
    ZREMRANGEBYSCORE: ([key, _, to]) => {
      const zset = this.#read(key!, 'zset')
      const gone = [...(zset ?? [])].filter(([member, score]) => score <= Number(to) && zset!.delete(member)).length
      this.#emptied(key!, zset?.size ?? 1)
      return gone
    },
    ZSCORE: ([key, member]) => {
      const score = this.#read(key!, 'zset')?.get(member!)
      return score === undefined ? false : String(score)
    },
    ZCARD: ([key]) => this.#read(key!, 'zset')?.size ?? 0,
    ZRANGE: (args) => this.#zrange(args),
    XADD: ([key, _maxlen, size, id, ...fields]) => {
      const stream = this.#write(key!, 'stream', [])
      const number = idOf(id!)
      if (number <= (stream.at(-1)?.id ?? 0)) throw new Refused('ERR The ID specified in XADD is equal or smaller')
      stream.push({ id: number, fields })
      stream.splice(0, Math.max(0, stream.length - Number(size)))
      return id!
    },
    XRANGE: ([key, first, last, _count, count]) =>
      LuaTable.of(this.#range(key!, first!, last!).slice(0, Number(count))),
    XREVRANGE: ([key, last, first, _count, count]) =>
      LuaTable.of(this.#range(key!, first!, last!).reverse().slice(0, Number(count))),
    XDEL: ([key, id]) => {
      const stream = this.#read(key!, 'stream')
      const at = stream?.findIndex((entry) => entry.id === idOf(id!)) ?? -1
      return at < 0 ? 0 : stream!.splice(at, 1).length
    },
  }

  #set(key: string, value: string, options: string[]): Lua {
    const was = this.#read(key, 'string')
    if (options.includes('NX') && was !== undefined) return was
    const at = options.indexOf('PX')
    this.#keys.set(key, {
      is: 'string',
      value,
      expiresAt: at < 0 ? undefined : this.#now() + Number(options[at + 1]),
    })
    return options.includes('GET') ? (was ?? false) : LuaTable.of([])
  }

  #expire(key: string, at: number, option: string | undefined): number {
    const kept = this.#find(key)
    if (kept === undefined) return 0
    const { expiresAt } = kept
    if (option === 'NX' && expiresAt !== undefined) return 0
    if (option === 'GT' && (expiresAt === undefined || at <= expiresAt)) return 0
    kept.expiresAt = at
    return 1
  }

  #zrange([key, from, to, ...options]: string[]): Lua {
    let all = [...(this.#read(key!, 'zset') ?? [])].sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1))
    if (options.includes('BYSCORE')) {
      const [least, most] = [bound(from!), bound(to!)]
      all = all.filter(([, score]) => (from!.startsWith('(') ? score > least : score >= least) && score <= most)
      const limit = options.indexOf('LIMIT')
      if (limit >= 0) all = all.slice(Number(options[limit + 1])).slice(0, Number(options[limit + 2]))
    } else {
      const end = Number(to) < 0 ? all.length + Number(to) : Number(to)
      const start = Number(from) < 0 ? Math.max(all.length + Number(from), 0) : Number(from)
      all = all.slice(start, end + 1)
    }
    const withScores = options.includes('WITHSCORES')
    return LuaTable.of(all.flatMap(([member, score]) => (withScores ? [member, String(score)] : [member])))
  }

  #range(key: string, first: string, last: string): LuaTable[] {
    const [from, to] = [first === '-' ? 0 : idOf(first), last === '+' ? Number.POSITIVE_INFINITY : idOf(last)]
    return (this.#read(key, 'stream') ?? [])
      .filter(({ id }) => id >= from && id <= to)
      .map(({ id, fields }) => LuaTable.of([`${id}-0`, LuaTable.of(fields)]))
  }
}

/** An answer of Redis that says no. */
class Refused extends Error {}

const WRITES = new Set(['HSET', 'SET', 'XADD', 'ZADD', 'SADD'])

function idOf(id: string): number {
  return Number(id.slice(0, id.indexOf('-')))
}

function bound(text: string): number {
  const plain = text.replace('(', '')
  return plain === '-inf' ? Number.NEGATIVE_INFINITY : plain === '+inf' ? Number.POSITIVE_INFINITY : Number(plain)
}

/** What is given to a script, as it gets it. */
function bytesOf(value: string | number | Uint8Array): string {
  return Buffer.from(typeof value === 'number' ? String(value) : value).toString('latin1')
}

function replyOf(value: Lua): unknown {
  if (value instanceof ErrorReply) return new Refused(value.message)
  if (value instanceof LuaTable) return value.list().map(replyOf)
  if (typeof value === 'string') return Buffer.from(value, 'latin1')
  if (typeof value === 'number') return Math.floor(value)
  return value === true ? 1 : null
}
