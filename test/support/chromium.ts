// Finds a Chromium for the tests that need a real browser, and starts it so that it asks nobody anything.

import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** The path of a Chromium: what CHROMIUM says, else one on PATH or in /usr/bin. */
export function findChromium(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (env.CHROMIUM) return isExecutable(env.CHROMIUM) ? env.CHROMIUM : undefined
  const folders = [...(env.PATH ?? '').split(delimiter), '/usr/bin'].filter((folder) => folder !== '')
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable)
}

/** Starts it, headless. @param places names with ports, and those that stand for them: `a.example:80` → `127.0.0.1:8080`. */
export function launchChromium(executablePath: string, places: Record<string, string> = {}): Promise<Browser> {
  const rules = Object.entries(places).map(([name, place]) => `MAP ${name} ${place}`)
  const args = rules.length === 0 ? FLAGS : [...FLAGS, `--host-resolver-rules=${rules.join(',')}`]
  return chromium.launch({ executablePath, headless: true, args })
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
