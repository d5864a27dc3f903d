// The servers of the campaign, in a process of their own: built packages. It opens places on demand, says what is in it, and
// tells of every error and warning. What is not caught ends the process, which the parent sees.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Account, createHandler, Decisions, OnPurpose } from './handler.ts'
import { HeldUp } from './held-up.ts'
import { type OpenPlace, openPlace } from './open-place.ts'
import type { Address, Break, Decide, Left, Question, Sample } from './place.ts'

/** What keeps the event loop alive and must be as before when everybody is gone. */
const COUNTED = ['TCPSocketWrap', 'PipeWrap', 'TCPServerWrap', 'PipeServerWrap', 'TLSWrap', 'Timeout']

const broken = process.argv[2] as Break | undefined
const folder = mkdtempSync(join(tmpdir(), 'roomcast-faults-'))
const decisions = new Decisions()
const heldUp = new HeldUp()
const places = new Map<number, OpenPlace & { account: Account }>()
/** Of all places, also those that are shut, until they are forgotten. */
let accounts: Account[] = []

const tell = (trouble: string): void => void process.send?.({ trouble })
const onError = (error: unknown, { where }: { where: string }): void => {
  if (!(error instanceof OnPurpose)) tell(`onError, ${where}: ${error instanceof Error ? error.stack : String(error)}`)
}

async function answer(question: Question): Promise<Address | Left | Sample | null> {
  if ('open' in question) {
    const path = join(folder, `${question.open}.sock`)
    const account = new Account()
    accounts.push(account)
    const handler = createHandler(account, decisions)
    const place = await openPlace(question.place, { handler, onError, decisions, path, broken })
    places.set(question.open, { ...place, account })
    return place.address
  }
  if ('leave' in question) {
    const { leave, account } = places.get(question.leave)!
    const drained = await leave(question.how)
    return { drained, pendingClosed: [...account.pendingClosed] }
  }
  if ('shut' in question) {
    await places.get(question.shut)!.shut()
    places.delete(question.shut)
    return null
  }
  if ('forget' in question) {
    for (const account of accounts) account.forget()
    accounts = [...places.values()].map(({ account }) => account)
    decisions.forget()
    heldUp.forget()
    return null
  }
  return sample()
}

function sample(): Sample {
  const stats = [...places.values()].flatMap(({ servers }) => servers.map((server) => server.stats()))
  const resources: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) {
    if (COUNTED.includes(kind)) resources[kind] = (resources[kind] ?? 0) + 1
  }
  const lists = accounts.map((account) => account.lists())
  return {
    sockets: stats.reduce((sum, { sockets }) => sum + sockets, 0),
    pendingHandshakes: stats.reduce((sum, { pendingHandshakes }) => sum + pendingHandshakes, 0),
    open: lists.flatMap(({ open }) => open),
    closedWrongly: lists.flatMap(({ closedWrongly }) => closedWrongly),
    opened: lists.flatMap(({ opened }) => opened),
    heldUpMs: heldUp.longestMs,
    resources,
  }
}

/** The parent is gone: nobody asks any more. */
function onOrphaned(): void {
  process.exit(1)
}

// Node opens it when the first TCP connection breaks: before anything is counted, that is now.
process.stderr.on('error', () => {})
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
process.on('warning', (warning) => tell(`warning: ${warning.stack}`))
process.on('disconnect', onOrphaned)
process.on('message', async ({ id, ...question }: { id: number } & (Question | Decide)) => {
  if ('decide' in question) return decisions.make(question.decide)
  if ('finish' in question) {
    process.off('disconnect', onOrphaned)
    process.disconnect()
    return
  }
  process.send?.({ id, reply: await answer(question) })
})
