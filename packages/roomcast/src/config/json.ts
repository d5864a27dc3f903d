// JSON that somebody wrote by hand. What is wrong with it is told by its place alone: what stands there may be a secret.
// JSON.parse shows a piece of the text instead, and takes the last of two values for one name without a word.

import { WrongSetting } from './wrong.ts'

/** Reads the text of a file as JSON.
 * @param name of the file, for messages.
 * @throws WrongSetting, with line and column, for a text that is none, and for a name that stands twice in one object. */
export function readJson(text: string, name: string): unknown {
  const json = text.replace(/^\uFEFF/, '')
  const fault = new Scanner(json).fault()
  if (fault === undefined) return JSON.parse(json)
  const before = json.slice(0, fault.at).split('\n')
  const place = `line ${before.length}, column ${before.at(-1)!.length + 1}`
  if (fault.twice !== undefined) throw new WrongSetting(`${name}: ${fault.twice} is there twice (${place})`)
  const isOther = /\.(?:ya?ml|toml)$/i.test(name) || before.join('').trim() === ''
  const hint = isOther && json.trim() !== '' ? '; YAML and TOML are not read' : ''
  throw new WrongSetting(`${name} is no JSON: ${place}${hint}`)
}

interface Fault {
  readonly at: number
  /** A name, where that is what is wrong. */
  readonly twice?: string
}

/** Space, then a string, another value of one piece, or a mark. RFC 8259. */
const TOKEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what a string must not hold.
  /[ \t\n\r]*(?:("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)|([{}[\],:])|$)/y
const SPACE = /[ \t\n\r]*/y

interface Token {
  readonly at: number
  readonly kind: 'string' | 'value' | 'end' | string
  readonly text: string
}

class Wrong extends Error {
  readonly fault: Fault

  constructor(fault: Fault) {
    super()
    this.fault = fault
  }
}

class Scanner {
  readonly #text: string
  #next = 0

  constructor(text: string) {
    this.#text = text
  }

  /** What is wrong with the text; undefined: nothing. */
  fault(): Fault | undefined {
    try {
      this.#value(this.#take())
      this.#expect(this.#take(), 'end')
      return undefined
    } catch (error) {
      if (error instanceof Wrong) return error.fault
      throw error
    }
  }

  #take(): Token {
    SPACE.lastIndex = TOKEN.lastIndex = this.#next
    SPACE.test(this.#text)
    const at = SPACE.lastIndex
    const match = TOKEN.exec(this.#text)
    if (match === null) throw new Wrong({ at })
    this.#next = TOKEN.lastIndex
    const [, string, value, mark] = match
    const kind = string !== undefined ? 'string' : value !== undefined ? 'value' : (mark ?? 'end')
    return { at, kind, text: string ?? '' }
  }

  #expect({ at, kind }: Token, ...kinds: string[]): string {
    if (!kinds.includes(kind)) throw new Wrong({ at })
    return kind
  }

  #value(token: Token): void {
    const kind = this.#expect(token, 'string', 'value', '{', '[')
    if (kind === '{') this.#members()
    else if (kind === '[') this.#elements()
  }

  #members(): void {
    const names = new Set<string>()
    let token = this.#take()
    if (token.kind === '}') return
    for (;;) {
      this.#expect(token, 'string')
      const name = JSON.parse(token.text) as string
      if (names.has(name)) throw new Wrong({ at: token.at, twice: JSON.stringify(name) })
      names.add(name)
      this.#expect(this.#take(), ':')
      this.#value(this.#take())
      if (this.#expect(this.#take(), ',', '}') === '}') return
      token = this.#take()
    }
  }

  #elements(): void {
    let token = this.#take()
    if (token.kind === ']') return
    for (;;) {
      this.#value(token)
      if (this.#expect(this.#take(), ',', ']') === ']') return
      token = this.#take()
    }
  }
}
