// The commands that ask a running server, as the program runs them: until SIGINT or SIGTERM, or a reader that has gone.

import { complain, print, show } from '../output.ts'
import type { RemoteCommand } from './arguments.ts'
import { RemoteFailure } from './ask.ts'
import { publish } from './publish.ts'
import { tail } from './tail.ts'
import { top } from './top.ts'

/** Runs one; sets the exit code. */
export async function runRemote(command: RemoteCommand): Promise<void> {
  const end = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end.abort())
  // Nobody reads any more.
  process.stdout.once('error', () => end.abort())
  try {
    if (command.kind === 'publish') print(`${await publish(command, end.signal)}\n`)
    else if (command.kind === 'tail') await tail(command, (line) => print(`${line}\n`), end.signal)
    else {
      const isScreen = process.stdout.isTTY === true && !command.isOnce
      await top(command, isScreen ? show : print, end.signal)
    }
  } catch (error) {
    if (!(error instanceof RemoteFailure)) throw error
    // Whoever ends a look at a server has seen enough; of a publication nobody knows what became.
    if (end.signal.aborted && command.kind !== 'publish') return
    complain(error.message)
    process.exitCode = 1
  }
}
