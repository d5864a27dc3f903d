// What a user of Redis must be allowed to do for a store: read off the scripts, so that it is never another list than theirs.

import type { Script } from '../bus/link.ts'
import * as histories from './history-scripts.ts'
import * as presence from './presence-scripts.ts'

const SCRIPTS: readonly Script[] = [...Object.values(histories), ...Object.values(presence)].filter(
  (one): one is Script => typeof one === 'object',
)

/** Keys and commands, in the words of ACL SETUSER. How scripts publish they are told, as it is not the same in a cluster. */
export function scriptRules(prefix: string): string {
  const commands = new Set(['eval', 'evalsha'])
  for (const { source } of SCRIPTS) {
    for (const [, command] of source.matchAll(/redis\.call\('([A-Z]+)'/g)) commands.add(command!.toLowerCase())
  }
  const allowed = [...commands].sort().map((command) => `+${command}`)
  return `~${prefix}:* ${allowed.join(' ')}`
}
