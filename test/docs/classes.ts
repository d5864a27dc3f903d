// What becomes of a fenced block: each is in one class, which its language and the word behind it say, and a block in none
// is a mistake. Of commands in a shell each line is in one, too.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Block, ROOT } from './markdown.ts'

/** The classes:
 * - `program`: ```ts or ```js, perhaps with the name of its file. Type-checked against the built packages, and run.
 * - `fragment`: ```ts fragment. Leans on things around it, so it is type-checked only, with what fragments.d.ts declares.
 * - `shell`: ```sh. Its commands are run.
 * - `page`: ```html with the name of its file. Served by a program of the guide, and opened in a browser.
 * - `component`: ```jsx with the name of its file. Bundled and opened by test/examples/react-guide.test.ts.
 * - `config`: ```json with the name of its file, or with keys of a configuration. Goes through `roomcast check-config`.
 * - `data`: other ```json and ```yaml. Read by a parser.
 * - `foreign`: files of other programs, which need that program.
 * - `text`: no language. Pictures, and what is printed. */
export type Class = 'program' | 'fragment' | 'shell' | 'page' | 'component' | 'config' | 'data' | 'foreign' | 'text'

const SECTIONS = ['http_server', 'client', 'channel', 'engine', 'http_api', 'roomcast', 'websocket', 'shutdown']
const FOREIGN = ['dockerfile', 'ini', 'nginx', 'redis', 'diff']

/** A name of a file in a block's info. */
export function nameOf({ words }: Block): string | undefined {
  return words.find((word) => /^[\w-]+\.[a-z]+$/.test(word))
}

/** The class of a block; undefined: none. */
export function classOf(block: Block): Class | undefined {
  const { language, words, text } = block
  const others = words.filter((word) => word !== nameOf(block))
  if (language === 'ts' || language === 'js') {
    if (others.length === 0) return 'program'
    return others.join() === 'fragment' ? 'fragment' : undefined
  }
  if (others.length > 0) return undefined
  if (language === 'sh') return 'shell'
  if (language === 'html' && nameOf(block) !== undefined) return 'page'
  if (language === 'jsx' && nameOf(block) !== undefined) return 'component'
  if (language === 'json') return nameOf(block) !== undefined || isConfig(text) ? 'config' : 'data'
  if (language === 'yaml') return 'data'
  if (FOREIGN.includes(language)) return 'foreign'
  return language === '' ? 'text' : undefined
}

function isConfig(text: string): boolean {
  const [, first = ''] = /^\s*\{\s*"(\w+)"/.exec(text) ?? []
  return SECTIONS.includes(first)
}

/** A command of a shell block. */
export interface Command {
  /** Whole, also when it is over several lines. */
  readonly text: string
  readonly line: number
  /** The comment lines right below: what it prints, `…` for anything. */
  readonly prints: readonly string[]
}

/** Reads the commands of a block. A comment right below a command is what it prints; one behind an empty line, or behind a
 * command on its line, is for the reader. */
export function commandsOf(block: Block): Command[] {
  const commands: (Command & { prints: string[] })[] = []
  let rest: { text: string; line: number } | undefined
  let last: (typeof commands)[number] | undefined
  for (const [index, line] of block.text.split('\n').entries()) {
    if (rest === undefined && line.startsWith('#')) {
      last?.prints.push(line.replace(/^# ?/, ''))
      continue
    }
    if (rest === undefined && line.trim() === '') {
      last = undefined
      continue
    }
    const text = rest === undefined ? line : `${rest.text}\n${line}`
    const start = rest?.line ?? block.line + index
    rest = /\\$/.test(line) ? { text, line: start } : undefined
    if (rest !== undefined) continue
    last = { text: text.replace(/ {2,}# .*$/, ''), line: start, prints: [] }
    commands.push(last)
  }
  return commands
}

const SUBCOMMANDS = ['check-config', 'gen-token', 'top', 'tail', 'publish', '--help', '--version']
const START = /^(?:[A-Z_]+=\S+ +)*(?:npx )?roomcast(?: +(\S+)|$)/

/** What becomes of a command: it starts the program, is run, or belongs to another place: a registry, Docker, this
 * repository as a whole, another block of the page.
 * @returns undefined: none of these. */
export function fateOf({ text }: Command, names: readonly string[]): 'start' | 'run' | 'elsewhere' | undefined {
  const start = START.exec(text)
  if (start !== null) return SUBCOMMANDS.includes(start[1] ?? '') ? 'run' : 'start'
  if (/^(?:\w+=\S* *)*npx --yes pnpm@12 start(?: |$)/.test(text)) return 'start'
  if (/^(?:curl|echo|cat|(?:export )?[A-Z_]+=\$\((?:npx )?roomcast )/.test(text)) return 'run'
  if (/^(?:npm|docker|git|cd|openssl|kill|export) /.test(text)) return 'elsewhere'
  const [, script] = /^npx --yes pnpm@12 (?:--\S+ )*(\S+)/.exec(text) ?? []
  if (script !== undefined) return isScript(script) ? 'elsewhere' : undefined
  const [, example] = /^node examples\/dist\/([\w-]+)\.js/.exec(text) ?? []
  if (example !== undefined) return existsSync(join(ROOT, `examples/src/${example}.ts`)) ? 'elsewhere' : undefined
  const [, file] = /^node ([\w./-]+)/.exec(text) ?? []
  return file !== undefined && names.includes(file) ? 'elsewhere' : undefined
}

function isScript(name: string): boolean {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object }
  return ['install', 'exec', 'pack', ...Object.keys(scripts)].includes(name)
}
