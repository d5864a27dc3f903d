// The Dockerfile as its instructions, and its steps done in a folder without Docker: every stage has a folder of its own for
// its root, and what the lines say of absolute paths is said of that folder.

import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const workspace = fileURLToPath(new URL('../..', import.meta.url))

/** The instructions of the Dockerfile; lines that go on are joined. */
export function instructions(): [name: string, rest: string][] {
  const lines = readFileSync(join(workspace, 'Dockerfile'), 'utf8')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  return lines.map((line) => [line.split(' ', 1)[0]!, line.slice(line.indexOf(' ') + 1)])
}

/** The last instruction of this name that has a list, as that list. */
export function listOf(name: string): string[] {
  const [, rest] = instructions().findLast((each) => each[0] === name)!
  return JSON.parse(rest.slice(rest.indexOf('['))) as string[]
}

/** Which files of the repository Docker sees, by the rules of .dockerignore: the last one that matches a path, or a folder that it
 * is in, decides. */
export class Context {
  readonly #rules: { isKept: boolean; text: string; pattern: RegExp }[]

  constructor(text: string = readFileSync(join(workspace, '.dockerignore'), 'utf8')) {
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    this.#rules = lines.map((line) => {
      const rule = line.replace(/^!/, '')
      return { isKept: rule !== line, text: rule, pattern: patternOf(rule) }
    })
  }

  has(path: string): boolean {
    return this.#rules.findLast(({ pattern }) => pattern.test(path))?.isKept ?? true
  }

  /** Copies what Docker sees into a folder. */
  copy(to: string, folder = ''): void {
    for (const entry of readdirSync(join(workspace, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory()) {
        if (this.has(path) || this.#keepsSomethingIn(path)) this.copy(to, path)
      } else if (this.has(path)) {
        mkdirSync(dirname(join(to, path)), { recursive: true })
        cpSync(join(workspace, path), join(to, path), { verbatimSymlinks: true })
      }
    }
  }

  #keepsSomethingIn(folder: string): boolean {
    return this.#rules.some(({ isKept, text }) => isKept && text.startsWith(`${folder}/`))
  }
}

function patternOf(rule: string): RegExp {
  const source = rule
    .replaceAll(/[.+^$()|[\]{}\\]/g, '\\$&')
    .replaceAll(/\*\*\/|\*\*|\*|\?/g, (sign) => ({ '**/': '(?:.*/)?', '**': '.*', '*': '[^/]*', '?': '[^/]' })[sign]!)
  return new RegExp(`^${source}(?:/.*)?$`)
}

/** What the last stage leaves to run. */
export interface Image {
  /** The folder that stands for its root. */
  root: string
  /** Where the program is started. */
  cwd: string
  env: Record<string, string>
  user: string
}

/** Does the steps of every stage below `home`. `node` is the one that runs the test, and FROM brings nothing.
 * @throws what a line said that failed. */
export function build(home: string, env: NodeJS.ProcessEnv): Image {
  const stages = new Map<string, Image>()
  let stage: Image = { root: '', cwd: '', env: {}, user: 'root' }
  for (const [name, rest] of instructions()) {
    const within = (path: string): string => (path.startsWith('/') ? join(stage.root, path) : join(stage.cwd, path))
    if (name === 'FROM') {
      const root = join(home, `stage-${stages.size}`)
      stage = { root, cwd: root, env: {}, user: 'root' }
      stages.set(/ AS (\w+)$/.exec(rest)?.[1] ?? '', stage)
    } else if (name === 'WORKDIR') {
      stage.cwd = within(rest)
      mkdirSync(stage.cwd, { recursive: true })
    } else if (name === 'COPY') {
      const [from, to] = rest.split(' ').filter((word) => !word.startsWith('--')) as [string, string]
      const source = /--from=(\w+)/.exec(rest)?.[1]
      if (source !== undefined) cpSync(join(stages.get(source)!.root, from), within(to), COPY)
      else if (from === '.') new Context().copy(within(to))
      else throw new Error(`COPY ${rest} is not understood here`)
    } else if (name === 'RUN') {
      const { status, stdout, stderr } = spawnSync('sh', ['-c', inRoot(rest, stage.root)], {
        cwd: stage.cwd,
        env: { ...env, ...stage.env },
        encoding: 'utf8',
      })
      if (status !== 0) throw new Error(`RUN ${rest}: ${status}\n${stdout}${stderr}`)
    } else if (name === 'ENV') {
      for (const [, key, value] of rest.matchAll(/(\w+)=(\S+)/g)) {
        stage.env[key!] = inRoot(value!, stage.root).replace(
          '$PATH',
          `${dirname(process.execPath)}${delimiter}${env.PATH}`,
        )
      }
    } else if (name === 'USER') stage.user = rest
  }
  return stage
}

const COPY = { recursive: true, verbatimSymlinks: true }

/** The absolute paths that a line names are below the root of its stage. */
function inRoot(line: string, root: string): string {
  return line.replaceAll(/(?<![\w.*@$/-])\/(?=(?:app|src)\b)/g, `${root}/`)
}
