// Markdown files as data: their fenced blocks, headings and links. No more of Markdown is read than these files use.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT: string = fileURLToPath(new URL('../../', import.meta.url))

/** A fenced block. */
export interface Block {
  /** Its file, from the root of the repository. */
  readonly file: string
  /** The line of its first line of text, from 1. */
  readonly line: number
  readonly language: string
  /** What stands behind the language: ```ts fragment. */
  readonly words: readonly string[]
  readonly text: string
}

/** A link, as it is written. */
interface Link {
  readonly line: number
  readonly target: string
}

/** One file. */
export interface Page {
  readonly file: string
  readonly text: string
  readonly blocks: readonly Block[]
  /** What `#…` may be. */
  readonly anchors: ReadonlySet<string>
  readonly links: readonly Link[]
  /** The text without its blocks. */
  readonly prose: string
}

const SKIPPED = ['node_modules', 'dist', '.git']

/** All Markdown files of the repository, from its root. */
export function markdownFiles(folder = ''): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return SKIPPED.includes(entry.name) ? [] : markdownFiles(path)
    return path.endsWith('.md') ? [path] : []
  })
}

const pages = new Map<string, Page>()

/** Reads a file. */
export function readPage(file: string): Page {
  const known = pages.get(file) ?? parse(file, readFileSync(join(ROOT, file), 'utf8'))
  pages.set(file, known)
  return known
}

/** Reads the text of one. */
export function parse(file: string, text: string): Page {
  const blocks: Block[] = []
  const prose: string[] = []
  let open: { fence: string; info: string; line: number; lines: string[] } | undefined
  for (const [index, line] of text.split('\n').entries()) {
    if (open === undefined) {
      const [, fence, info = ''] = /^ {0,3}(```+)(.*)$/.exec(line) ?? []
      if (fence !== undefined) open = { fence, info, line: index + 2, lines: [] }
      prose.push(fence === undefined ? line : '')
    } else if (line.trim() === open.fence) {
      const [language = '', ...words] = open.info.trim().split(/\s+/)
      blocks.push({ file, line: open.line, language, words, text: `${open.lines.join('\n')}\n` })
      prose.push('')
      open = undefined
    } else {
      open.lines.push(line)
      prose.push('')
    }
  }
  if (open !== undefined) throw new Error(`${file}:${open.line - 1}: a block without an end`)
  return { file, text, blocks, anchors: anchorsOf(prose), links: linksOf(prose), prose: prose.join('\n') }
}

/** Anchors as GitHub makes them of headings. */
function anchorsOf(lines: readonly string[]): Set<string> {
  const anchors = new Set<string>()
  for (const line of lines) {
    const [, heading] = /^#{1,6} +(.*?) *#*$/.exec(line) ?? []
    if (heading === undefined) continue
    const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
    const slug = words.replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '').replaceAll(' ', '-')
    let name = slug
    for (let count = 1; anchors.has(name); count++) name = `${slug}-${count}`
    anchors.add(name)
  }
  return anchors
}

function linksOf(lines: readonly string[]): Link[] {
  return lines.flatMap((line, index) => {
    const plain = line.replaceAll(/`[^`]*`/g, (code) => 'x'.repeat(code.length))
    const inline = [...plain.matchAll(/\]\(([^()\s]+(?:\([^()\s]*\))?)(?: "[^"]*")?\)/g)]
    const named = [...plain.matchAll(/^\[[^\]]+\]: +(\S+)/g)]
    const html = [...plain.matchAll(/<(?:img|source|a)\b[^>]*? (?:src|srcset|href)="([^"]+)"/g)]
    return [...inline, ...named, ...html].map(([, target]) => ({ line: index + 1, target: target! }))
  })
}
