// What a method of the HTTP API is, and the refusals that several of them have.

import { ErrorCode, type Refusal, refuse } from '@roomcast/centrifuge'
import { because } from './calls.ts'
import type { Fields } from './fields.ts'

/** What a method came to. */
export type Result = object | Refusal

/** Does what was asked for. */
export type Action = () => Result | Promise<Result>

/** A method: reads its fields. */
export type Method = (fields: Fields) => Action

/** @param why what is wrong, for the log: the caller is told the code alone, as by Centrifugo. */
export const bad = (why: string): Refusal => because(refuse(ErrorCode.BAD_REQUEST), why)

/** A field of Centrifugo's that this server does not have. */
export const unavailable = (field: string): Refusal => refuse(ErrorCode.NOT_AVAILABLE, `not available: ${field}`)
