// Refusals and ends of connections that were open, in words.

import type { Denied } from '@roomcast/centrifuge'
import { quote } from '../config/wrong.ts'
import { SDK_PATH } from '../connections.ts'
import type { Limits } from '../limits.ts'
import { type Asked, type Circumstances, type Reason, type Refused, SDKS, settingOf, whose } from './refusals.ts'
import { type Deed, dataTooLarge, notPermitted } from './who-refusals.ts'

type Words = readonly [reason: Reason, came: string, expected: string, setting: string]

function refusedOf([reason, came, expected, setting]: Words, asked: Asked): Refused {
  return { ...asked, reason, came: `${came}${whose(asked)}`, expected, setting }
}

/** Told with what is refused or closed for it, which knows more. */
const TOLD_ELSEWHERE = [
  'maxConnectionsPerAddress',
  'maxHeaderBytes',
  'maxHeaders',
  'handshakeTimeoutMs',
  'closeTimeoutMs',
]

/** A limit of all sockets, or of one; undefined: it is told elsewhere. */
export function overLimit({ limits }: Circumstances, limit: string, asked: Asked): Refused | undefined {
  if (TOLD_ELSEWHERE.includes(limit)) return undefined
  const set = (): string => settingOf(limit as keyof Limits, limits)
  const known: Readonly<Record<string, () => Words>> = {
    maxMessageBytes: () => [
      'message_too_large',
      'a larger WebSocket message',
      `at most ${limits.maxMessageBytes} bytes`,
      set(),
    ],
    maxBufferedBytes: () => [
      'slow_consumer',
      'a client that takes what it is sent too slowly',
      `at most ${limits.maxBufferedBytes} bytes to wait for it`,
      set(),
    ],
    maxConnections: () => [
      'too_many_connections',
      'one more connection',
      `at most ${limits.maxConnections} on this server`,
      set(),
    ],
    maxTotalBytes: () => [
      'out_of_memory',
      'more than all sockets together may hold',
      'at most 256 MiB of unsent output and unfinished input',
      'none of this program: more servers, or clients that read faster (--max-buffered-bytes bounds each)',
    ],
    pongTimeoutMs: () => [
      'no_pong',
      'no byte after a ping',
      'an answer within 10 s',
      'none: the line is dead, or a proxy cuts idle connections',
    ],
  }
  const words =
    known[limit] ??
    ((): Words => [
      limit.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) as Reason,
      'a client, or all together, beyond a limit of the WebSocket layer',
      `what ${limit} allows (README of @roomcast/core)`,
      'none of this program',
    ])
  return refusedOf(words(), asked)
}

/** A message of the words that asks for nothing. */
export function senseless(path: string, asked: Asked): Refused {
  const came = `JSON that asks for nothing, at ${quote(path)}`
  return refusedOf(['bad_request', came, '{"join":…}, {"say":…,"to":…} or {"leave":…}', `the client; ${SDKS}`], asked)
}

/** Commands faster than the limit: they wait. */
function throttled({ limits }: Circumstances, asked: Asked): Refused {
  const { maxCommandsPerSecond, maxCommandBurst } = limits
  const expected = `at most ${maxCommandsPerSecond} a second after ${maxCommandBurst} at once: the rest waits its turn`
  const setting = `the client; ${settingOf('maxCommandsPerSecond', limits)}`
  return refusedOf(['too_many_commands', 'more commands of one connection', expected, setting], asked)
}

/** What a protocol itself refused; undefined: it is no refusal. */
export function denied(
  around: Circumstances,
  { code, method, room, limit }: Denied,
  asked: Asked,
): Refused | undefined {
  if (limit === 'maxDataBytes') return dataTooLarge(around, { ...asked, room })
  if (limit === 'commandsPerSecond') return throttled(around, asked)
  if (code >= 3000) return closedFor(around, code, asked)
  if (code === SUBSCRIPTION_EXPIRED) return stayExpired(around, { ...asked, room })
  if (method === 'rpc') {
    const setting = 'a program that embeds the server and has one'
    return refusedOf(['not_available', 'an rpc command', 'a server with an rpc hook', setting], asked)
  }
  const deed = DEEDS.find((one) => one === method) ?? 'subscribe'
  return notPermitted(around, deed, code, { ...asked, room })
}

const DEEDS: readonly Deed[] = ['publish', 'presence', 'history']
const SUBSCRIPTION_EXPIRED = 2501

function stayExpired({ limits }: Circumstances, asked: Asked): Refused {
  const came = `a stay in ${quote(asked.room ?? 'a room')} whose token has run out, and no new one`
  const setting = `the app (getToken of the subscription); ${settingOf('expiredSubCloseDelayMs', limits)}`
  return refusedOf(['subscription_expired', came, 'the client to refresh it', setting], asked)
}

/** Why a protocol closed a connection by itself; undefined: it is no refusal. */
function closedFor({ limits }: Circumstances, code: number, asked: Asked): Refused | undefined {
  const words: Readonly<Record<number, Words>> = {
    3000: ['not_json', 'a message that is no JSON', 'JSON in text messages', `the client; ${SDKS}`],
    3005: [
      'connection_expired',
      'a connection whose token has run out, and no new one',
      'the client to refresh its token',
      `the app (getToken of the SDK); ${settingOf('expiredCloseDelayMs', limits)}`,
    ],
    3006: [
      'subscription_expired',
      'a stay that the server gave, and that has run out',
      'a later end of it',
      `what grants it; ${settingOf('expiredSubCloseDelayMs', limits)}`,
    ],
    3010: [
      'insufficient_state',
      'a client that missed something in a room that the server put it into',
      'all of it, from the history',
      'none: it comes back by itself; if it goes on, the state of Redis (redis_away, gap)',
    ],
    3012: [
      'no_pong',
      'no answer to a ping',
      `one within ${limits.pongTimeoutMs} ms`,
      settingOf('pongTimeoutMs', limits),
    ],
    3501: [
      'bad_request',
      `a command that makes no sense, at ${SDK_PATH}`,
      "the protocol of Centrifugo's SDKs",
      'the client; plain JSON ({"join":…}) belongs to any other path, such as /',
    ],
    3502: [
      'stale',
      'a connection without a first command',
      `one within ${limits.staleCloseDelayMs} ms`,
      settingOf('staleCloseDelayMs', limits),
    ],
    3503: [
      'user_blocked',
      'a connection of a user that was sent away',
      'none, for as long as it is blocked',
      'whoever called disconnect (blockMs)',
    ],
    3505: [
      'too_many_rooms',
      'more rooms with one connect',
      `at most ${limits.maxRoomsPerClient} of one client`,
      settingOf('maxRoomsPerClient', limits),
    ],
    3508: [
      'not_available',
      'a send command',
      'a server with a message hook',
      'a program that embeds the server and has one',
    ],
  }
  const found = words[code]
  return found && refusedOf(found, asked)
}

/** Why core closed a connection that kept no limit; undefined: it is told elsewhere, or is no refusal. */
export function brokenOff(code: number, closeReason: string, asked: Asked): Refused | undefined {
  if (code === 1002 || code === 1007) {
    const came = `bytes that break the WebSocket protocol: ${quote(closeReason)}`
    return refusedOf(
      ['protocol_error', came, 'frames of RFC 6455', 'the client, or what is between it and here'],
      asked,
    )
  }
  if (code !== 1011) return undefined
  const setting = 'the process warnings say what'
  return refusedOf(['internal_error', 'a message on which something failed here', 'nothing to fail', setting], asked)
}
