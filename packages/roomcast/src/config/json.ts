// JSON that somebody wrote by hand. What is wrong with it is told by its place alone: what stands there may be a secret.
// JSON.parse shows a piece of the text instead, and takes the last of two values for one name without a word.

import { visit } from 'jsonc-parser'
import { WrongSetting } from './wrong.ts'

/** Reads the text of a file as JSON.
 * @param name of the file, for messages.
 * @throws WrongSetting, with line and column, for a text that is none, and for a name that stands twice in one object. */
export function readJson(text: string, name: string): unknown {
  const json = text.replace(/^\uFEFF/, '')
  const fault = faultOf(json)
  if (fault?.twice !== undefined) throw new WrongSetting(`${name}: ${fault.twice} is there twice (${fault.place})`)
  if (fault === undefined) {
    try {
      return JSON.parse(json)
    } catch {
      throw new WrongSetting(`${name} is no JSON`)
    }
  }
  const isOther = /\.(?:ya?ml|toml)$/i.test(name) || fault.place === FIRST
  const hint = isOther && json.trim() !== '' ? '; YAML and TOML are not read' : ''
  throw new WrongSetting(`${name} is no JSON: ${fault.place}${hint}`)
}

const FIRST = 'line 1, column 1'

interface Fault {
  readonly place: string
  /** A name, where that is what is wrong. */
  readonly twice?: string
}

/** The first thing that is wrong with a text. */
function faultOf(json: string): Fault | undefined {
  let fault: Fault | undefined
  /** The names of each object around. */
  const names: Set<string>[] = []
  const found = (line: number, column: number, twice?: string): void => {
    fault ??= { place: `line ${line + 1}, column ${column + 1}`, ...(twice !== undefined && { twice }) }
  }
  visit(
    json,
    {
      onObjectBegin: () => void names.push(new Set()),
      onObjectProperty(name, _offset, _length, line, column) {
        if (names.at(-1)!.has(name)) found(line, column, JSON.stringify(name))
        names.at(-1)!.add(name)
      },
      onObjectEnd: () => void names.pop(),
      onError: (_error, _offset, _length, line, column) => found(line, column),
    },
    { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false },
  )
  return fault
}
