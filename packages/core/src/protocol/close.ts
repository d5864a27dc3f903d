// The one close-code table (RFC 6455 §7.4 and IANA's registry): which codes exist, which may travel in a Close frame, and
// the payload that carries one.

import { Buffer, isUtf8 } from 'node:buffer'
import { ProtocolError } from './errors.ts'

/** Close codes by name. 1005, 1006 and 1015 are reported, never sent. */
export const CloseCode = {
  NORMAL: 1000,
  GOING_AWAY: 1001,
  PROTOCOL_ERROR: 1002,
  UNSUPPORTED_DATA: 1003,
  NO_STATUS: 1005,
  ABNORMAL: 1006,
  INVALID_PAYLOAD: 1007,
  POLICY_VIOLATION: 1008,
  MESSAGE_TOO_BIG: 1009,
  MANDATORY_EXTENSION: 1010,
  INTERNAL_ERROR: 1011,
  SERVICE_RESTART: 1012,
  TRY_AGAIN_LATER: 1013,
  BAD_GATEWAY: 1014,
  SLOW_CONSUMER: 4008,
} as const

/** The longest reason: a control frame's 125 bytes (§5.5) less the code. In bytes of UTF-8. */
export const MAX_REASON_BYTES = 123

/** May this code travel in a Close frame? §7.4.1: 1000–1003 and 1007–1014 (1004 is reserved; 1005, 1006 and 1015 must not
 * be sent); §7.4.2: 3000–3999 are registered, 4000–4999 private; all others are undefined. */
export function isSendable(code: number): boolean {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999)
}

/** Checks what a caller wants to close with.
 * @throws TypeError for another type, RangeError for a code that may not be sent or a reason over 123 bytes. */
export function assertClose(code: number, reason: string): void {
  if (typeof code !== 'number') throw new TypeError('close code must be a number')
  if (typeof reason !== 'string') throw new TypeError('close reason must be a string')
  if (!Number.isInteger(code) || !isSendable(code)) throw new RangeError(`close code may not be sent: ${code}`)
  if (Buffer.byteLength(reason) > MAX_REASON_BYTES)
    throw new RangeError(`close reason is over ${MAX_REASON_BYTES} bytes`)
}

/** What a peer's Close frame says. §5.5.1: no body, or a code and a reason in UTF-8.
 * @throws ProtocolError 1002 for a body of one byte or an invalid code, 1007 for a reason that is not UTF-8. */
export function readClose(payload: Buffer): { code: number; reason: string } {
  if (payload.length === 0) return { code: CloseCode.NO_STATUS, reason: '' }
  if (payload.length === 1) throw new ProtocolError('close body of one byte', CloseCode.PROTOCOL_ERROR, '5.5.1')
  const code = payload.readUInt16BE(0)
  if (!isSendable(code)) throw new ProtocolError('invalid close code', CloseCode.PROTOCOL_ERROR, '7.4')
  const reason = payload.subarray(2)
  if (!isUtf8(reason)) throw new ProtocolError('close reason is not UTF-8', CloseCode.INVALID_PAYLOAD, '8.1')
  return { code, reason: reason.toString() }
}
