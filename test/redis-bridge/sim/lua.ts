// The scripts of the store, run without Redis: as much of Lua 5.1 as they use, put into JavaScript. Strings are bytes, one for
// each character, as Lua has them. What the scripts do not use is not here, and is an error.

/** A value of Lua. Booleans, numbers, strings of bytes, tables; nil is undefined. */
export type Lua = undefined | boolean | number | string | LuaTable | ErrorReply | ((...args: Lua[]) => Lua | Lua[])

/** What `redis.error_reply` makes. */
export class ErrorReply {
  readonly message: string

  constructor(message: string) {
    this.message = message
  }
}

export class LuaTable {
  readonly #map = new Map<Lua, Lua>()

  static of(values: readonly Lua[]): LuaTable {
    const table = new LuaTable()
    for (const [i, value] of values.entries()) table.set(i + 1, value)
    return table
  }

  get(key: Lua): Lua {
    return this.#map.get(key)
  }

  set(key: Lua, value: Lua): void {
    if (value === undefined) this.#map.delete(key)
    else this.#map.set(key, value)
  }

  get length(): number {
    let n = 0
    while (this.#map.has(n + 1)) n++
    return n
  }

  list(): Lua[] {
    return Array.from({ length: this.length }, (_, i) => this.#map.get(i + 1))
  }
}

/** A script that can be run. @param call what `redis.call` does. */
export type Program = (keys: LuaTable, args: LuaTable, call: (...args: Lua[]) => Lua) => Lua

const TOKEN =
  /\s*(?:--[^\n]*|([A-Za-z_]\w*)|(\d+(?:\.\d+)?)|'((?:[^'\\]|\\.)*)'|(\.\.|==|~=|<=|>=|[-+*/%#<>=(){}[\],.]))/y

const KEYWORDS = new Set(
  'and break do else elseif end false for function if in local nil not or return then true while'.split(' '),
)

/** The levels below those of `OPERATORS`. `and` is between. */
const OR = -2

/** From the loosest to the tightest. */
const OPERATORS: readonly Record<string, string>[] = [
  { '==': 'eq', '~=': 'ne', '<': 'lt', '>': 'gt', '<=': 'le', '>=': 'ge' },
  { '..': 'cat' },
  { '+': 'add', '-': 'sub' },
  { '*': 'mul', '/': 'div', '%': 'mod' },
]

interface Token {
  is: 'name' | 'keyword' | 'number' | 'string' | 'sign' | 'end'
  text: string
}

function tokensOf(source: string): Token[] {
  const tokens: Token[] = []
  TOKEN.lastIndex = 0
  while (/\S/.test(source.slice(TOKEN.lastIndex))) {
    const at = TOKEN.lastIndex
    const match = TOKEN.exec(source)
    if (match === null) throw new SyntaxError(`no Lua that is known here: ${source.slice(at, at + 40)}`)
    const [, name, number, string, sign] = match
    if (name !== undefined) tokens.push({ is: KEYWORDS.has(name) ? 'keyword' : 'name', text: name })
    else if (number !== undefined) tokens.push({ is: 'number', text: number })
    else if (string !== undefined) tokens.push({ is: 'string', text: string })
    else if (sign !== undefined) tokens.push({ is: 'sign', text: sign })
  }
  tokens.push({ is: 'end', text: '' })
  return tokens
}

/** Reads a script. */
export function compile(source: string): Program {
  const tokens = tokensOf(source)
  let at = 0
  const peek = (text: string): boolean => tokens[at]!.is !== 'string' && tokens[at]!.text === text
  const take = (text: string): boolean => peek(text) && ++at > 0
  const need = (text: string): void => {
    if (!take(text)) throw new SyntaxError(`${text} is missing before ${tokens[at]!.text}`)
  }
  const name = (): string => {
    if (tokens[at]!.is !== 'name') throw new SyntaxError(`a name is missing before ${tokens[at]!.text}`)
    return `$${tokens[at++]!.text}`
  }

  function block(): string {
    let code = ''
    while (!['end', 'else', 'elseif', ''].some(peek)) code += `${statement()};\n`
    return code
  }

  function statement(): string {
    if (take('local')) {
      if (take('function')) return `let ${functionRest()}`
      const names = list(name)
      return take('=') ? `let [${names}] = ${many()}` : `let ${names}`
    }
    if (take('if')) {
      let code = `if (l.is(${expression()})) {`
      need('then')
      code += block()
      while (take('elseif')) {
        code += `} else if (l.is(${expression()})) {`
        need('then')
        code += block()
      }
      if (take('else')) code += `} else {${block()}`
      need('end')
      return `${code}}`
    }
    if (take('while')) {
      const condition = expression()
      need('do')
      const body = block()
      need('end')
      return `while (l.is(${condition})) {${body}}`
    }
    if (take('for')) return loop()
    if (take('break')) return 'break'
    if (take('return')) return `return ${peek('end') || peek('') ? 'undefined' : expression()}`
    return assignmentOrCall()
  }

  function loop(): string {
    const names = list(name)
    if (take('in')) {
      const table = operator(OR).code
      need('do')
      const body = block()
      need('end')
      return `for (const [${names}] of ${table}) {${body}}`
    }
    need('=')
    const [from, to, step = '1'] = list(expression)
    need('do')
    const body = block()
    need('end')
    const [i] = names
    return `for (let ${i} = ${from}, to = ${to}; ${i} <= to; ${i} += ${step}) {${body}}`
  }

  function functionRest(): string {
    const called = name()
    need('(')
    const parameters = peek(')') ? [] : list(name)
    need(')')
    const body = block()
    need('end')
    return `${called} = (${parameters}) => {${body}}`
  }

  function assignmentOrCall(): string {
    const first = suffixed()
    if (!peek('=') && !peek(',')) return first.code
    const targets = [first]
    while (take(',')) targets.push(suffixed())
    need('=')
    const values = many()
    const set = ({ code, table, key }: Target, value: string): string =>
      table === undefined ? `${code} = ${value}` : `${table}.set(${key}, ${value})`
    if (targets.length === 1) return set(first, `(${values})[0]`)
    return `{ const all = ${values}; ${targets.map((target, i) => set(target, `all[${i}]`)).join('; ')} }`
  }

  function list<T>(read: () => T): T[] {
    const all = [read()]
    while (take(',')) all.push(read())
    return all
  }

  /** A list of values, of which the last may be several. */
  function many(): string {
    const all = list(() => operator(OR))
    return `[${all.map((one, i) => (one.isCall ? (i === all.length - 1 ? `...l.all(${one.code})` : `l.one(${one.code})`) : one.code)).join(', ')}]`
  }

  function expression(): string {
    const { code, isCall } = operator(OR)
    return isCall ? `l.one(${code})` : code
  }

  interface Part {
    code: string
    isCall?: boolean
  }

  function operator(level: number): Part {
    if (level === OPERATORS.length) return unary()
    let left = operator(level + 1)
    for (;;) {
      const word = tokens[at]!
      if (level < 0 && word.is === 'keyword' && word.text === (level === OR ? 'or' : 'and')) {
        at++
        left = { code: `l.${word.text}(${value(left)}, () => ${value(operator(level + 1))})` }
      } else if (level >= 0 && word.is === 'sign' && word.text in OPERATORS[level]!) {
        at++
        left = { code: `l.${OPERATORS[level]![word.text]}(${value(left)}, ${value(operator(level + 1))})` }
      } else {
        return left
      }
    }
  }

  const value = ({ code, isCall }: Part): string => (isCall ? `l.one(${code})` : code)

  function unary(): Part {
    if (take('not')) return { code: `!l.is(${value(unary())})` }
    if (take('#')) return { code: `${value(unary())}.length` }
    if (take('-')) return { code: `-(${value(unary())})` }
    const token = tokens[at]!
    if (token.is === 'number') return { code: tokens[at++]!.text }
    if (token.is === 'string') return { code: JSON.stringify(tokens[at++]!.text.replaceAll('\\n', '\n')) }
    if (take('true')) return { code: 'true' }
    if (take('false')) return { code: 'false' }
    if (take('nil')) return { code: 'undefined' }
    if (take('{')) {
      const items = peek('}') ? '[]' : many()
      need('}')
      return { code: `l.table(${items})` }
    }
    return suffixed()
  }

  interface Target extends Part {
    table?: string
    key?: string
  }

  /** A name or what is in parentheses, with indices and calls behind it. */
  function suffixed(): Target {
    let target: Target
    if (take('(')) {
      target = { code: `(${expression()})` }
      need(')')
    } else {
      target = { code: name() }
    }
    for (;;) {
      if (take('[')) {
        const key = expression()
        need(']')
        target = { code: `${value(target)}.get(${key})`, table: value(target), key }
      } else if (take('.')) {
        target = { code: `${target.code}.${name().slice(1)}` }
      } else if (take('(')) {
        const args = peek(')') ? '[]' : many()
        need(')')
        target = { code: `${target.code}(...${args})`, isCall: true }
      } else {
        return target
      }
    }
  }

  const body = block()
  if (tokens[at]!.is !== 'end') throw new SyntaxError(`nothing may follow: ${tokens[at]!.text}`)
  const { $redis: _, ...library } = LIBRARY
  const make = new Function(
    'l',
    'lib',
    `const {${Object.keys(library)}} = lib; return ($KEYS, $ARGV, $redis) => {${body}}`,
  )
  const program = make(OPERATIONS, LIBRARY) as (keys: LuaTable, args: LuaTable, redis: object) => Lua
  return (keys, args, call) => program(keys, args, { call, error_reply: (message: string) => new ErrorReply(message) })
}

const number = (value: Lua): number => {
  const result = typeof value === 'string' ? Number(value) : value
  if (typeof result !== 'number' || Number.isNaN(result)) throw new TypeError(`no number: ${String(value)}`)
  return result
}

/** As `%.14g` has it, for the numbers there are here. */
const text = (value: Lua): string => {
  if (typeof value === 'string') return value
  if (typeof value !== 'number') throw new TypeError(`no string: ${String(value)}`)
  // What is not a whole number the scripts never write.
  return Number.isInteger(value) && Math.abs(value) < 1e14 ? String(value) : value.toPrecision(14)
}

const OPERATIONS = {
  is: (value: Lua) => value !== undefined && value !== false,
  and: (left: Lua, right: () => Lua) => (OPERATIONS.is(left) ? right() : left),
  or: (left: Lua, right: () => Lua) => (OPERATIONS.is(left) ? left : right()),
  eq: (a: Lua, b: Lua) => a === b,
  ne: (a: Lua, b: Lua) => a !== b,
  lt: (a: Lua, b: Lua) => (a as number) < (b as number),
  gt: (a: Lua, b: Lua) => (a as number) > (b as number),
  le: (a: Lua, b: Lua) => (a as number) <= (b as number),
  ge: (a: Lua, b: Lua) => (a as number) >= (b as number),
  cat: (a: Lua, b: Lua) => text(a) + text(b),
  add: (a: Lua, b: Lua) => number(a) + number(b),
  sub: (a: Lua, b: Lua) => number(a) - number(b),
  mul: (a: Lua, b: Lua) => number(a) * number(b),
  div: (a: Lua, b: Lua) => number(a) / number(b),
  mod: (a: Lua, b: Lua) => number(a) % number(b),
  one: (value: Lua | Lua[]) => (Array.isArray(value) ? value[0] : value),
  all: (value: Lua | Lua[]) => (Array.isArray(value) ? value : [value]),
  table: (values: Lua[]) => LuaTable.of(values),
}

const LIBRARY = {
  $redis: undefined,
  $tonumber: (value: Lua) => {
    const result = typeof value === 'string' && value !== '' ? Number(value) : value
    return typeof result === 'number' && !Number.isNaN(result) ? result : undefined
  },
  $ipairs: (table: LuaTable) => table.list().map((value, i) => [i + 1, value]),
  $unpack: (table: LuaTable) => table.list(),
  $math: { floor: (value: Lua) => Math.floor(number(value)), min: Math.min },
  $table: { concat: (table: LuaTable) => table.list().map(text).join('') },
  $string: {
    format(format: string, value: number) {
      if (format !== '%.0f') throw new SyntaxError(`no format that is known here: ${format}`)
      return value.toFixed(0)
    },
    match(subject: string, pattern: string) {
      const found = new RegExp(pattern.replaceAll('%', '\\')).exec(subject)
      return found === null ? [undefined] : found.slice(1)
    },
  },
  $struct: {
    pack(format: string, ...values: number[]) {
      const bytes = Buffer.alloc(4 * values.length)
      if (format !== `>${'I4'.repeat(values.length)}`) throw new SyntaxError(`no format that is known here: ${format}`)
      for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, 4 * i)
      return bytes.toString('latin1')
    },
  },
}
