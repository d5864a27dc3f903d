// Where the figures come from: what may be told about a machine, and what it must allow.

import { cpus, release, totalmem } from 'node:os'
import { canPin, LOAD_CORE, SERVER_CORE } from './child.ts'

/** What a reader needs to know, and nothing that names the machine. */
export interface Machine {
  node: string
  cpu: string
  cores: number
  memoryGiB: number
  system: string
  openFiles: number
  /** Server and load generator have a core each. */
  pinned: boolean
}

/** This machine. */
export function describeMachine(): Machine {
  return {
    node: process.version,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    system: `${process.platform} ${/^[\d.]+/.exec(release())?.[0] ?? ''} ${process.arch}`,
    openFiles: openFilesLimit(),
    pinned: canPin,
  }
}

/** The same in a line for a reader. */
export function machineLine({ node, cpu, cores, memoryGiB, system, pinned }: Machine): string {
  const where = pinned ? `server on core ${SERVER_CORE}, load on core ${LOAD_CORE}` : 'NOT PINNED (no taskset)'
  return `Node ${node}, ${system}, ${cpu}, ${cores} cores, ${memoryGiB} GiB; ${where}`
}

/** Besides its sockets a server holds some files of its own. */
const OWN_FILES = 100

/** How many sockets of `wanted` one process can hold beside `others`. */
export function socketsWithin(wanted: number, others: number): number {
  return Math.min(wanted, openFilesLimit() - others - OWN_FILES)
}

/** Open files that a process may have. Node raises the soft limit to the hard one when it starts. */
function openFilesLimit(): number {
  const report = process.report?.getReport() as { userLimits?: { open_files?: { soft: number | 'unlimited' } } }
  const limit = report.userLimits?.open_files?.soft
  return typeof limit === 'number' ? limit : Number.MAX_SAFE_INTEGER
}
