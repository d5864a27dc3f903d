// The lines that a server in JSON writes of what it refused, for tests.

import { eventually } from '../../support/log.ts'
import type { Run } from '../program.ts'

/** A server that was started with `--log-format json`. */
export type Server = Run & { port: number }

/** One refusal. */
export interface Line {
  level: string
  time: string
  msg: string
  event: string
  reason: string
  came: string
  expected: string
  setting: string
  address?: string
  user?: string
  client?: string
  room?: string
  count?: number
}

/** All refusals so far. */
export const linesOf = (server: Server): Line[] =>
  server
    .complaints()
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as Line)
    .filter(({ event }) => event === 'refused')

/** The first of a reason, as soon as there is one. */
export async function lineOf(server: Server, reason: string): Promise<Line> {
  await eventually(() => linesOf(server).some((line) => line.reason === reason), `a line for ${reason}`)
  return linesOf(server).find((line) => line.reason === reason)!
}
