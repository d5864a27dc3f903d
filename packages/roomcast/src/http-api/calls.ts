// What calls of the HTTP API came to, for those who count and explain them: one for each `result` or `error` that is
// answered, so one for each room of a broadcast, and one for each command of a batch.

import { Refusal } from '@roomcast/centrifuge'
import type { Fields } from './fields.ts'

/** What one call came to. */
export interface Call {
  /** A method that there is; of others `'other'`. */
  readonly method: string
  /** 0: it was done. Below 400 the code of an error, from 400 on the HTTP status. */
  readonly code: number
  readonly message?: string | undefined
  /** What was wrong, more exactly than its caller is told. */
  readonly why?: string | undefined
  readonly room?: string | undefined
}

const reasons = new WeakMap<object, string>()

/** The same refusal, or the same error of an answer; `whyOf` tells why. */
export function because<T extends object>(refused: T, why: string | undefined): T {
  if (why !== undefined) reasons.set(refused, why)
  return refused
}

export function whyOf(refused: object): string | undefined {
  return reasons.get(refused)
}

/** An error as it is answered. */
export interface AnsweredError {
  readonly code: number
  readonly message: string
}

/** The calls that a result stands for. */
export function callsOf(method: string, result: object, fields: Fields): Call[] {
  if (result instanceof Refusal) return [{ method, room: roomOf(fields), ...failureOf(result) }]
  const { responses } = result as { responses?: readonly { error?: AnsweredError }[] }
  if (method !== 'broadcast' || responses === undefined) return [{ method, code: 0 }]
  const rooms = fields.texts('channels')
  return responses.map(({ error }, index) =>
    error === undefined ? { method, code: 0 } : { method, room: rooms[index], ...failureOf(error) },
  )
}

function failureOf(error: AnsweredError): Pick<Call, 'code' | 'message' | 'why'> {
  return { code: error.code, message: error.message, why: whyOf(error) }
}

function roomOf(fields: Fields): string | undefined {
  const room = fields.value('channel')
  return typeof room === 'string' ? room : undefined
}
