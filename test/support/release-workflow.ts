// .github/workflows/release.yml as a value, and its steps run as a runner does.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

const workspace = fileURLToPath(new URL('../..', import.meta.url))

interface Step {
  name?: string
  uses?: string
  run?: string
  with?: Record<string, unknown>
}

export interface Job {
  needs?: string
  environment?: string
  permissions?: Record<string, string>
  steps: Step[]
}

export const source: string = readFileSync(join(workspace, '.github/workflows/release.yml'), 'utf8')

export const workflow = parse(source) as {
  on: unknown
  permissions: unknown
  jobs: { check: Job; publish: Job }
}

/** The script of the step whose name begins so. */
export function scriptOf(job: Job, name: string): string {
  return job.steps.find((each) => each.name?.startsWith(name))!.run!
}

/** Runs a script as a runner does where a step names no shell. */
export async function run(script: string, cwd: string, env: Record<string, string>) {
  const child = spawn('bash', ['-e', '-c', script], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { status: status as number | null, stdout, stderr }
}
