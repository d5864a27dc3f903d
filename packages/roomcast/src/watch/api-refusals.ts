// Errors that the HTTP API answers backends with, in words: the caller is told a code, the operator what was wrong and what
// changes it. They have reasons of their own, so that clients, which everybody can be, cannot hide them in the log.

import { quote } from '../config/wrong.ts'
import type { Call } from '../http-api/calls.ts'
import { type Asked, type Circumstances, type Reason, type Refused, settingOf } from './refusals.ts'
import { placeOf } from './who-refusals.ts'

type Words = readonly [reason: Reason, expected: string, setting: string]

/** A call that was answered with an error. */
export function failedCall(around: Circumstances, call: Call, asked: Asked): Refused {
  const { method, code, message, why, room } = call
  const where = room === undefined || room === '' ? '' : ` in ${quote(room)}`
  const what = method === 'other' ? 'a call' : method
  const came = `${what}${where} of the HTTP API, answered ${code} ${message}${why === undefined ? '' : `: ${why}`}`
  const [reason, expected, setting] = wordsOf(around, code, room ?? '')
  return { ...asked, room, reason, came, expected, setting }
}

function wordsOf({ limits, namespaces = [] }: Circumstances, code: number, room: string): Words {
  const caller = 'what calls it'
  const where = placeOf(room)
  const known = namespaces.filter((name) => name !== '').map((name) => quote(name))
  const all: Readonly<Record<number, Words>> = {
    100: ['api_failed', 'the store, and Redis, to answer', 'Redis (redis_away says more), or the process warnings'],
    102: [
      'api_unknown_namespace',
      `one of the namespaces ${known.join(', ') || '(there are none)'}`,
      'channel.namespaces',
    ],
    104: ['api_unknown_method', 'a method of the HTTP API', caller],
    107: [
      'api_bad_request',
      'what the method takes',
      `${caller}; ${where}: channel_regex, publication_data_format; ${settingOf('maxDataBytes', limits)}`,
    ],
    108: ['api_not_available', 'what this room, and this server, has', `${where}: presence, history_size, history_ttl`],
    110: ['api_expired', 'an expire_at that is to come', `${caller} (its clock)`],
    111: ['api_busy', `at most ${limits.maxWaitingBytes} bytes to wait`, settingOf('maxWaitingBytes', limits)],
    112: ['api_unrecoverable_position', 'a position that the history has', `${where}: history_size, history_ttl`],
    400: ['api_bad_request', 'a JSON object with fields of the right types', caller],
  }
  return all[code] ?? ['api_refused', 'something else', caller]
}
