// A peer's mistake as a value: what happened, the close code it leads to, and the clause it breaks.

import type { Limits } from '../limits.ts'

/** Why a connection is failed (RFC 6455 §7.1.7). `message` is sent as the close reason, so it is at most 123 bytes. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  /** The close code to send. */
  readonly code: number
  /** The section of RFC 6455 that was broken; '' where a limit of ours was hit. */
  readonly section: string
  /** The option whose limit was hit, if one was. */
  readonly limit: keyof Limits | undefined

  constructor(message: string, code: number, section: string, limit?: keyof Limits) {
    super(message)
    this.code = code
    this.section = section
    this.limit = limit
  }
}

/** A limit of ours was hit by a peer that keeps the protocol's rules: 1008 (RFC 6455 §7.4.1). */
export function policyViolation(message: string, limit: keyof Limits): ProtocolError {
  return new ProtocolError(message, 1008, '', limit)
}
