// Before the first round: every server is installed and started once. A peer that this system cannot have is left out,
// loudly; Roomcast must start.

import { buildBefore } from './before.ts'
import { stopChild } from './child.ts'
import { install, packagesOf, type SubjectName } from './peers.ts'
import { OURS } from './report.ts'
import { startServer } from './round.ts'

/** Which of the servers can be measured here. */
export async function prepare(
  names: readonly SubjectName[],
  before: string | undefined,
  say: (line: string) => void,
): Promise<SubjectName[]> {
  if (before !== undefined) buildBefore(before)
  const ready: SubjectName[] = []
  for (const name of names) {
    const packages = packagesOf(name)
    try {
      await install(name, packages)
      const started = await startServer(name, ['busy'])
      await stopChild(started.process)
      ready.push(name)
    } catch (error) {
      if (name === OURS) throw error
      const reason = (error instanceof Error ? error.message : String(error)).split('\n')
      say(`!! ${name} LEFT OUT: ${reason.slice(0, 3).join(' ')}`)
    }
  }
  const versions = ready.flatMap((name) =>
    Object.entries(packagesOf(name)).map(([pack, version]) => `${pack} ${version}`),
  )
  say(`Peers: ${versions.join(', ') || 'none'}`)
  return ready
}
