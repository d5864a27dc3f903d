// What is printed, and what a page says of it.

import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { text as readAll } from 'node:stream/consumers'
import type { Block } from './markdown.ts'

/** `console.log(…) // this`, and lines of comment right below. */
const PRINTS = /console\.log\(.*(?:\n *\/\/ .+)*/g

/** What a program is said to print, line by line. */
export function claimsOf({ text }: Block): string[] {
  const lines = [...text.matchAll(PRINTS)].flatMap(([claim]) => claim.split('\n'))
  return lines.flatMap((line) => {
    const [, claim] = /(?:^|[^:])\/\/ (.+)$/.exec(line) ?? []
    return claim === undefined ? [] : [claim.trim()]
  })
}

/** All that a command prints, and how it ends. */
export async function outputOf(child: ChildProcess): Promise<{ text: string; code: number | null }> {
  const exit = once(child, 'exit')
  const text = await readAll(child.stdout!)
  const [code] = (await exit) as [number | null]
  return { text, code }
}

/** Whether a text is what was expected; `…` stands for anything. */
export function fits(expected: string, text: string): boolean {
  const pattern = expected
    .split('…')
    .map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
    .join('[^]*?')
  return new RegExp(`^${pattern}$`).test(text)
}
