// The processes of a measurement and how they talk: the parent asks one question at a time over node's IPC channel, the
// child answers it. A child whose parent is gone ends by itself.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** What a process has used so far, by its own clock: rates of two samples can be compared between processes. */
export interface Sample {
  atMs: number
  cpuMs: number
  rssBytes: number
}

/** This process, now. */
export function sampleProcess(): Sample {
  const { user, system } = process.cpuUsage()
  return {
    atMs: performance.timeOrigin + performance.now(),
    cpuMs: (user + system) / 1000,
    rssBytes: process.memoryUsage.rss(),
  }
}

/** Child's side: answers the parent's questions by these functions, by name; a throw is passed on. */
export function answerParent(answers: Record<string, () => unknown>): void {
  process.on('disconnect', () => process.exit())
  process.on('message', async (question: string) => {
    try {
      const answer = answers[question]
      if (answer === undefined) throw new Error(`cannot answer ${question}`)
      process.send?.({ answer: (await answer()) ?? null })
    } catch (error) {
      process.send?.({ error: error instanceof Error ? error.message : String(error) })
    }
  })
}

/** Connecting 20,000 sockets takes a slow server on a busy machine most of it. */
const QUESTION_TIMEOUT_MS = 120_000

/** Where servers run. */
export const SERVER_CORE = 0
/** Where load generators run. */
export const LOAD_CORE = 1

/** True where processes can be bound to a core each. */
export const canPin: boolean = spawnSync('taskset', ['-c', '0,1', 'true']).status === 0

/** A command, bound to a core where the system can. */
export function pinned(command: readonly string[], core: number): readonly string[] {
  return canPin ? ['taskset', '-c', String(core), ...command] : command
}

/** How a child runs. */
export interface ChildOptions {
  args: string[]
  core: number
  /** Instead of node. */
  runtime?: string
  /** What is said to the runtime itself. */
  runtimeArgs?: string[]
}

/** Parent's side: starts a file next to this one in a process of its own, bound to a core where the system can. */
export function startChild(file: string, options: ChildOptions): ChildProcess {
  const command = [
    options.runtime ?? process.execPath,
    ...(options.runtimeArgs ?? []),
    fileURLToPath(new URL(file, import.meta.url)),
    ...options.args,
  ]
  const [first = '', ...rest] = pinned(command, options.core)
  const child = spawn(first, rest, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  // A child that ends while it is asked is an answer; one that ends otherwise does not matter.
  child.on('error', () => {})
  return child
}

/** Parent's side: one question. Rejects with the child's error, or when it ends or stays silent. */
export async function ask<T>(child: ChildProcess, question: string): Promise<T> {
  const name = `${child.spawnargs.find((part) => part.endsWith('.js'))?.replace(/.*\//, '')}: ${question}`
  return await new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => settle(() => reject(new Error(`${name}: no answer`))), QUESTION_TIMEOUT_MS)
    const settle = (outcome: () => void): void => {
      clearTimeout(timer)
      child.off('message', onMessage).off('exit', onExit)
      outcome()
    }
    const onExit = (code: number | null): void =>
      settle(() => reject(new Error(`${name}: the process ended (${code})`)))
    const onMessage = (message: { answer?: T; error?: string }): void => {
      settle(() =>
        message.error === undefined ? resolve(message.answer as T) : reject(new Error(`${name}: ${message.error}`)),
      )
    }
    child.on('message', onMessage).on('exit', onExit)
    child.send(question, (error) => error && settle(() => reject(error)))
  })
}

/** Parent's side: the first line a child prints. */
export async function firstLine(child: ChildProcess): Promise<string> {
  let text = ''
  for await (const chunk of child.stdout!) {
    text += chunk
    if (text.includes('\n')) return text.slice(0, text.indexOf('\n'))
  }
  throw new Error(`${child.spawnargs.join(' ')}: ended before it was ready`)
}

/** Parent's side: ends a child and waits for it. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
}

/** Parent's side: lets a child end by itself, so that it writes what it writes at its end. */
export async function leaveChild(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.disconnect()
  await ended
}
