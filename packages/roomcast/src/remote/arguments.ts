// What `roomcast top`, `tail` and `publish` are told: the server to talk to, with which key, and about what. Where nothing is
// said of it, it is the server that the same configuration and variables would start on this machine.

import { parseArgs } from 'node:util'
import { quote, WrongSetting, wrong } from '../config/wrong.ts'
import type { RoomcastOptions } from '../options.ts'
import { DEFAULT_PORT } from '../options.ts'

/** A server that runs, and what opens it. */
export interface Remote {
  /** Without a path. */
  readonly url: string
  /** Of POST /api. */
  readonly apiKey: string | undefined
  /** Of POST /channels. */
  readonly secret: string | undefined
  /** A connection token, for `tail`. */
  readonly jwt: string | undefined
  /** Where there is none, one is signed with these. */
  readonly tokens: RoomcastOptions['tokens']
}

/** What is to be done at a running server. */
export type RemoteCommand =
  | { readonly kind: 'top'; readonly remote: Remote; readonly intervalMs: number; readonly isOnce: boolean }
  | { readonly kind: 'tail'; readonly remote: Remote; readonly room: string }
  | { readonly kind: 'publish'; readonly remote: Remote; readonly room: string; readonly data: string }

export const REMOTE_COMMANDS: readonly string[] = ['top', 'tail', 'publish'] satisfies RemoteCommand['kind'][]

const TOKEN_FLAGS = ['hmac_secret_key', 'audience', 'issuer'].map((name) => `client.token.${name}`)
const FLAGS = ['config', 'http_api.key', 'token', ...TOKEN_FLAGS]

/** Reads the arguments after the command's name.
 * @param optionsOf what flags, variables and the file say, as options of a server. */
export function readRemote(
  kind: string,
  args: readonly string[],
  optionsOf: (given: ReadonlyMap<string, string>) => RoomcastOptions,
): RemoteCommand {
  const options = {
    ...Object.fromEntries([...FLAGS, 'url', 'jwt', 'interval'].map((flag) => [flag, { type: 'string' as const }])),
    once: { type: 'boolean' },
  } as const
  const { values, positionals } = parseArgs({ args: [...args], options, strict: true, allowPositionals: true })
  const texts = values as Readonly<Record<string, string | undefined>>
  const { url, jwt, interval } = values as { url?: string; jwt?: string; interval?: string }
  const given = new Map(FLAGS.flatMap((flag) => (texts[flag] === undefined ? [] : [[flag, texts[flag]] as const])))
  const { apiKey, token: secret, tokens, ...own } = optionsOf(given)
  const remote: Remote = { url: urlOf(url, own), apiKey, secret, jwt, tokens }
  const [room, data, ...others] = positionals
  if (kind === 'top') {
    if (room !== undefined) throw new WrongSetting('top takes no room')
    return { kind, remote, intervalMs: intervalOf(interval), isOnce: values.once === true }
  }
  if (room === undefined || others.length > 0 || (data === undefined) !== (kind === 'tail')) {
    throw new WrongSetting(kind === 'tail' ? 'tail takes the name of one room' : 'publish takes a room and JSON')
  }
  if (kind === 'tail') return { kind, remote, room }
  if (!isLegalJson(data!)) throw new WrongSetting(`publish needs JSON, not ${quote(data)}; a text needs its quotes`)
  return { kind: 'publish', remote, room, data: data! }
}

function urlOf(text: string | undefined, { host, port = DEFAULT_PORT, tls }: RoomcastOptions): string {
  if (text === undefined) {
    const isHere = host === undefined || host === '0.0.0.0' || host === '::'
    const name = isHere ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
    return `http${tls === undefined ? '' : 's'}://${name}:${port}`
  }
  if (!/^https?:\/\//.test(text) || !URL.canParse(text))
    throw wrong('--url', 'a URL such as http://127.0.0.1:4545', text)
  return text.replace(/\/+$/, '')
}

function intervalOf(text = '1'): number {
  const seconds = /^\d{1,5}(?:\.\d+)?$/.test(text) ? Number(text) : 0
  if (seconds < 0.1) throw wrong('--interval', 'seconds, 0.1 or more', text)
  return seconds * 1000
}
/** Whether a text is JSON. */
function isLegalJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
