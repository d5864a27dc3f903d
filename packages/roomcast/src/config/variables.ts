// Variables of the environment: which one is which setting, and what others say there that looks like ours.

import { FLAG_KEYS } from './flags.ts'
import type { Key } from './keys.ts'
import { quote } from './wrong.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Variables with a name of their own; those of the others begin with ROOMCAST_. */
const VARIABLES: Readonly<Record<string, readonly string[]>> = {
  port: ['ROOMCAST_PORT', 'PORT'],
  'redis-url': ['REDIS_URL'],
}

const KNOWN: ReadonlySet<string> = new Set([...FLAG_KEYS.keys()].flatMap(variablesOf).concat('ROOMCAST_CONFIG'))

/** Kubernetes and Docker tell every container of every service: one that is called `roomcast` appears as
 * ROOMCAST_PORT=tcp://10.96.12.7:4545, beside ROOMCAST_SERVICE_HOST, ROOMCAST_PORT_4545_TCP and more. */
const OF_SERVICES = /_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/
const SERVICE_LINK = /^(?:tcp|udp|sctp):\/\//i
/** Docker's `--link` alone. */
const OF_LINKS = /^ROOMCAST_(?:NAME$|ENV_)/

/** Reads the variable of a flag, if there is one.
 * @param warn told of what is passed over. */
export function readVariable(
  name: string,
  { read, option }: Key,
  env: Environment,
  values: Map<string, unknown>,
  warn: (line: string) => void,
): void {
  for (const variable of variablesOf(name)) {
    const text = env[variable]
    // An empty variable is how many tools write "not set"; an empty flag is a mistake.
    if (!text) continue
    if (isServiceLink(variable, text)) {
      warn(`${variable} is ignored: ${quote(text)} is what Kubernetes or Docker tells of a service of that name`)
      continue
    }
    const value = read(text, variable)
    if (value !== undefined) values.set(option, value)
    return
  }
}

/** What looks like a setting and is none, a line each: a slip of the pen, or a variable of Centrifugo, would else be a setting
 * that is missing. */
export function unreadVariables(env: Environment): string[] {
  const isOurs = (variable: string, text = ''): boolean =>
    KNOWN.has(variable) || OF_SERVICES.test(variable) || OF_LINKS.test(variable) || isServiceLink(variable, text)
  return Object.entries(env).flatMap(([variable, text]) => {
    if (!text) return []
    if (variable.startsWith('ROOMCAST_')) {
      return isOurs(variable, text) ? [] : [`${variable} is no setting of this server`]
    }
    const ours = variable.replace(/^CENTRIFUGO_/, 'ROOMCAST_')
    const isTheirs = ours !== variable && KNOWN.has(ours) && !isServiceLink(variable, text)
    return isTheirs ? [`${variable} is not read by this server: here it is ${ours}`] : []
  })
}

/** A service of another name makes other names of it: `roomcast-http-server` is ROOMCAST_HTTP_SERVER_PORT. */
function isServiceLink(variable: string, text: string): boolean {
  return /(?:^|_)PORT$/.test(variable) && SERVICE_LINK.test(text)
}

function variablesOf(name: string): readonly string[] {
  return VARIABLES[name] ?? [`ROOMCAST_${name.replaceAll(/[-.]/g, '_').toUpperCase()}`]
}
