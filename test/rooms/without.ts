// The engine with a rule taken out: its sources are copied, a place of them is changed, and the copy is imported. A
// check that was never seen failing proves nothing.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { createRooms } from '@roomcast/rooms'

const packageFolder = fileURLToPath(new URL('../../packages/rooms', import.meta.url))

/** A change of one place of the engine. */
export interface Change {
  file: string
  from: string
  to: string
}

/** Imports the engine with those changes. Throws when a place is not there, or not the only one. */
export async function engineWithout(changes: readonly Change[]): Promise<typeof createRooms> {
  // Beside the sources, where imports of other packages resolve.
  const folder = mkdtempSync(join(packageFolder, '.without-'))
  try {
    cpSync(join(packageFolder, 'src'), folder, { recursive: true })
    for (const { file, from, to } of changes) {
      const source = readFileSync(join(folder, file), 'utf8')
      if (source.split(from).length !== 2) throw new Error(`not exactly once in ${file}: ${from}`)
      writeFileSync(
        join(folder, file),
        source.replace(from, () => to),
      )
    }
    const module = (await import(/* @vite-ignore */ pathToFileURL(join(folder, 'rooms.ts')).href)) as {
      createRooms: typeof createRooms
    }
    return module.createRooms
  } finally {
    rmSync(folder, { recursive: true })
  }
}
