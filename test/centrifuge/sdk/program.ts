// SDKs of other languages: a program that tells the story, at a server of ours.

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { openSite } from './site.ts'
import { CODES } from './story.ts'

const run = promisify(execFile)

export const inSdk = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
/** What .ci/run fetched. */
export const inCache = (name: string): string =>
  fileURLToPath(new URL(`../../../node_modules/.cache/${name}`, import.meta.url))

/** What a program tells that is given a URL, a format and the close codes. */
export async function told(
  [command, ...args]: readonly [string, ...string[]],
  format: 'json' | 'protobuf',
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<string[]> {
  const site = await openSite()
  const codes = CODES.map(([code]) => code).join(',')
  try {
    const { stdout } = await run(command, [...args, site.url, format, codes], {
      timeout: 60_000,
      ...options,
      env: { ...process.env, ...options.env },
    }).catch((error: Error & { stdout?: string }) => {
      throw new Error(`${error.message}\n${error.stdout}`)
    })
    return stdout.trim().split('\n')
  } finally {
    await site.close()
  }
}

/** Does a command end well? */
export function works(
  command: string,
  args: string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<boolean> {
  return run(command, args, { timeout: 60_000, ...options, env: { ...process.env, ...options.env } }).then(
    () => true,
    () => false,
  )
}
