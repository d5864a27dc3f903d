// Programs and fragments of Markdown, type-checked against the built packages as users have them, and compiled to be run.

import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { classOf } from './classes.ts'
import { type Block, ROOT } from './markdown.ts'

/** Below the root, where the packages are found. */
const CACHE = join(ROOT, 'node_modules/.cache')

const OPTIONS = {
  target: 'ES2022',
  lib: ['ES2023', 'DOM', 'DOM.Iterable'],
  module: 'NodeNext',
  moduleResolution: 'NodeNext',
  types: ['node'],
  strict: true,
  allowJs: true,
  checkJs: true,
  skipLibCheck: true,
}

/** What JavaScript cannot help, as it has no types to write: a parameter without one, and a value of any type that is spread. */
const NOT_OF_JAVASCRIPT = /\.js\(\d+,\d+\): error TS(?:2698|7006|7031|18046):/

/** What came of compiling. */
export interface Compiled {
  /** Complaints of the compiler, by the line of the Markdown that they are about. */
  readonly complaints: readonly string[]
  /** What each program was compiled to. */
  readonly files: ReadonlyMap<Block, string>
  /** The thread that runs them. */
  readonly thread: string
  /** Removes all of it. */
  remove(): void
}

/** Compiles all programs and fragments among these blocks. */
export async function compile(blocks: readonly Block[]): Promise<Compiled> {
  mkdirSync(CACHE, { recursive: true })
  const folder = mkdtempSync(join(CACHE, 'docs-'))
  const of = (kind: string): Block[] => blocks.filter((block) => classOf(block) === kind)
  const [programs, fragments] = await Promise.all([
    compileFolder(join(folder, 'programs'), of('program'), 'thread.ts'),
    compileFolder(join(folder, 'fragments'), of('fragment'), 'fragments.d.ts'),
  ])
  const files = new Map(of('program').map((block) => [block, join(folder, 'programs/dist', `${stem(block)}.js`)]))
  const thread = join(folder, 'programs/dist/thread.js')
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  return { complaints: [...programs, ...fragments], files, thread, remove }
}

/** @param beside a file of this folder that is compiled with them.
 * @returns complaints. */
async function compileFolder(folder: string, blocks: readonly Block[], beside: string): Promise<string[]> {
  mkdirSync(join(folder, 'src'), { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  copyFileSync(fileURLToPath(new URL(beside, import.meta.url)), join(folder, 'src', beside))
  const sources = new Map(blocks.map((block) => [`src/${stem(block)}.${block.language}`, block]))
  for (const [path, { text }] of sources) writeFileSync(join(folder, path), `${text}export {}\n`)
  const compilerOptions = { ...OPTIONS, rootDir: 'src', outDir: 'dist' }
  const files = [`src/${beside}`, ...sources.keys()]
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  const output = await new Promise<string>((resolve) => {
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
    execFile(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], { cwd: folder }, (_, stdout) =>
      resolve(stdout),
    )
  })
  return output
    .split('\n')
    .filter((line) => line !== '' && !NOT_OF_JAVASCRIPT.test(line))
    .map((line) => placed(line, sources))
}

function placed(complaint: string, sources: ReadonlyMap<string, Block>): string {
  return complaint.replace(/^(src\/[^(]+)\((\d+),\d+\)/, (whole, path: string, line: string) => {
    const block = sources.get(path)
    return block === undefined ? whole : `${block.file}:${block.line + Number(line) - 1}`
  })
}

function stem({ file, line }: Block): string {
  return `${file.replace(/\.md$/, '').replaceAll(/[^\w]+/g, '-')}-${line}`
}
