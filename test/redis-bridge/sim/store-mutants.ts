// The rules of the store, and how each is switched off in the sources. The checker must find every one of them missing.

import type { Mutant } from './mutants.ts'

/** Files are in packages/redis-bridge/src. */
export const STORE_MUTANTS: readonly Mutant[] = [
  {
    rule: 'a Redis with another replication id is another one',
    file: 'store/history-scripts.ts',
    from: 'if was[2] and was[1] == id then',
    to: 'if was[2] then',
  },
  {
    rule: 'a room whose number is gone begins with another epoch',
    file: 'store/history-scripts.ts',
    from: "  e, n, i, c, t = ARGV[1], 0, '', 0, 0",
    to: "  e, n, i, c, t = 'always', 0, '', 0, 0",
  },
  {
    rule: 'what is written again may begin a room with another epoch only',
    file: 'store/calls.ts',
    from: 'const call = mayBegin ? { script, keys, args: [this.#options.newEpoch(), ...args], costBytes } : pending',
    to: "const call = mayBegin ? { script, keys, args: ['e' + pending.order, ...args], costBytes } : pending",
  },
  {
    rule: 'a repeat of a key is not published again',
    file: 'store/history-scripts.ts',
    from: '  if we then return',
    to: '  if false then return',
  },
  {
    rule: 'without a key nothing is published again',
    file: 'store/histories.ts',
    from: '      again: key !== undefined,',
    to: '      again: true,',
  },
  {
    rule: 'marks tell of what was lost',
    file: 'store/tops.ts',
    from: '    if (this.#joined.has(room)) this.#options.mark(room, top)',
    to: '    void [room, top]',
  },
  {
    rule: 'what another Redis has of presence is asserted anew',
    file: 'store/presence.ts',
    from: '    if (this.#used.has(place)) this.#lost.add(place)',
    to: '    void place',
  },
]
