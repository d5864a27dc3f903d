// Parts of a JSON text, as they are written there: what is published goes on byte for byte, so that numbers beyond what a
// double holds stay what they are. For texts that JSON.parse takes.

/** The members of an object, each with the text of its value; of a repeated key the last. */
export function membersOf(text: string): Map<string, string> {
  const members = new Map<string, string>()
  let at = skipSpace(text, text.indexOf('{') + 1)
  while (text[at] === '"') {
    const keyEnd = endOf(text, at)
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1)
    const end = endOf(text, start)
    members.set(JSON.parse(text.slice(at, keyEnd)), text.slice(start, end))
    at = skipSpace(text, end)
    if (text[at] === ',') at = skipSpace(text, at + 1)
  }
  return members
}

/** The texts of an array's elements. */
export function elementsOf(text: string): string[] {
  const elements: string[] = []
  let at = skipSpace(text, text.indexOf('[') + 1)
  while (at < text.length && text[at] !== ']') {
    const end = endOf(text, at)
    elements.push(text.slice(at, end))
    at = skipSpace(text, end)
    if (text[at] === ',') at = skipSpace(text, at + 1)
  }
  return elements
}

const SPACE = /[^\s]/g
/** A string, a bracket, or the end of anything else. */
const NEXT = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]]|[,:\s]/g

function skipSpace(text: string, at: number): number {
  SPACE.lastIndex = at
  return SPACE.exec(text)?.index ?? text.length
}

/** Where the value that begins at `at` ends. */
function endOf(text: string, at: number): number {
  let depth = 0
  NEXT.lastIndex = at
  for (;;) {
    const match = NEXT.exec(text)
    if (match === null) return text.length
    const [token] = match
    if (token === '{' || token === '[') depth++
    else if (token === '}' || token === ']') {
      if (depth === 0) return match.index
      if (--depth === 0) return NEXT.lastIndex
    } else if (depth === 0) {
      return token.startsWith('"') ? NEXT.lastIndex : match.index
    }
  }
}

/** JSON that goes into an answer as it is written. */
export class Raw {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** A value as JSON, the raw parts of it as they are; what is undefined is left out. */
export function encode(value: unknown): string {
  if (value instanceof Raw) return value.text
  if (Array.isArray(value)) return `[${value.map(encode).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).filter(([, inner]) => inner !== undefined)
  return `{${members.map(([name, inner]) => `${JSON.stringify(name)}:${encode(inner)}`).join(',')}}`
}
