// What the command line says.

import { parseArgs } from 'node:util'
import { BEFORE } from './before.ts'
import { isSubject, SUBJECTS, type SubjectName } from './peers.ts'
import { SCENARIOS, scenariosNamed } from './scenarios.ts'

/** Measurements that are no traffic. */
const OTHERS = [
  'connect',
  'memory',
  'churn',
  'context',
  'redis',
  'history',
  'sdk-busy',
  'sdk-quiet',
  'sdk-connect',
  'sdk-recovery',
] as const

/** What is profiled when nothing else is said. */
const PROFILED = ['busy', 'quiet', 'echo-wide', 'echo-deep']

/** One of them. */
type Other = (typeof OTHERS)[number]

/** What is asked for. */
export interface Options {
  scenarios: string[]
  others: Other[]
  servers: SubjectName[]
  /** The revision of this repository to compare with. */
  before: string | undefined
  rounds: number
  seconds: number
  countWrites: boolean
  profile: boolean
  atLeast: number | undefined
  output: 'text' | 'markdown' | 'json'
}

/** The peer that `--at-least` compares with. */
export const BASE = 'ws'

/** Reads the command line.
 * @throws RangeError for a word or figure that means nothing. */
export function readOptions(args: string[]): Options {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '4' },
      servers: { type: 'string' },
      before: { type: 'string' },
      'count-writes': { type: 'boolean', default: false },
      'at-least': { type: 'string' },
      profile: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
    },
  })
  const atLeast = values['at-least'] === undefined ? undefined : positive('at-least', values['at-least'])
  const { before } = values
  const everyServer = Object.entries(SUBJECTS)
    .filter(([name, subject]) => name !== BEFORE && !('only' in subject))
    .map(([name]) => name)
    .join(',')
  const usual = before === undefined ? everyServer : `roomcast,${BEFORE}`
  const servers = (values.servers ?? (atLeast === undefined ? usual : `roomcast,${BASE}`)).split(',')
  if (servers.includes(BEFORE) && before === undefined) throw new RangeError(`${BEFORE} needs --before and a revision`)
  const everything = values.profile ? PROFILED : [...Object.keys(SCENARIOS), ...OTHERS]
  const words = positionals.length > 0 ? positionals : everything
  return {
    ...namesOf(words),
    servers: servers.map((name) => {
      if (!isSubject(name)) throw new RangeError(`no server ${name}; there are ${everyServer}`)
      return name
    }),
    before,
    rounds: positive('rounds', values.rounds),
    seconds: positive('seconds', values.seconds),
    countWrites: values['count-writes'],
    profile: values.profile,
    atLeast,
    output: values.json ? 'json' : values.markdown ? 'markdown' : 'text',
  }
}

function namesOf(words: string[]): Pick<Options, 'scenarios' | 'others'> {
  const scenarios = new Set<string>()
  const others = new Set<Other>()
  for (const word of words) {
    const found = OTHERS.filter((name) => name === word || name.startsWith(`${word}-`))
    const names = scenariosNamed(word)
    for (const other of found) others.add(other)
    if (found.length === 0 && names.length === 0) {
      throw new RangeError(`no scenario ${word}; there are ${[...Object.keys(SCENARIOS), ...OTHERS].join(', ')}`)
    }
    for (const name of names) scenarios.add(name)
  }
  return { scenarios: [...scenarios], others: [...others] }
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new RangeError(`--${name} must be above zero: ${text}`)
  return value
}
