// Sources with one rule switched off: `import('…/file.ts?mutant=name')` gives that file, and what it imports of its own
// package, with the replacement of that name. A check that was never seen to fail proves nothing.

import type { Plugin } from 'vitest/config'
import { MUTANTS } from '../redis-bridge/sim/mutants.ts'
import { STORE_MUTANTS } from '../redis-bridge/sim/store-mutants.ts'

const QUERY = /\?mutant=(.+)$/

const ALL = [...MUTANTS.map((mutant) => ({ ...mutant, file: `bus/${mutant.file}` })), ...STORE_MUTANTS]

/** Gives mutants to whoever imports them. */
export function mutants(): Plugin {
  return {
    name: 'mutants',
    enforce: 'pre',
    async resolveId(source, importer) {
      const name = QUERY.exec(importer ?? '')?.[1]
      if (name === undefined || !source.startsWith('.')) return null
      const found = await this.resolve(source, importer!.replace(QUERY, ''), { skipSelf: true })
      return found === null ? null : `${found.id}?mutant=${name}`
    },
    transform(code, id) {
      const name = QUERY.exec(id)?.[1]
      const mutant = ALL.find((one) => one.rule === decodeURIComponent(name ?? ''))
      if (mutant === undefined || !id.includes(`/redis-bridge/src/${mutant.file}?`)) return null
      const parts = code.split(mutant.from)
      if (parts.length !== 2) throw new Error(`${mutant.rule}: ${parts.length - 1} places in ${mutant.file}, not one`)
      return parts.join(mutant.to)
    },
  }
}
