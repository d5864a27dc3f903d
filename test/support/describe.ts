// What a connection's bytes came to, as strings: one for each event, with everything in it that a peer or a user can see.

import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import type { ProtocolEvent } from '../../packages/core/dist/protocol/protocol.js'
import { closeBody, serverFrame } from './client-frames.ts'

/** `text 4869`, or the size and a hash of what is long. */
export function describeMessage(opcode: 'text' | 'binary', payload: Uint8Array): string {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
  if (bytes.length <= 256) return `${opcode} ${bytes.toString('hex')}`
  return `${opcode} of ${bytes.length} bytes, sha1 ${createHash('sha1').update(bytes).digest('hex')}`
}

/** A Close and a failure are named by their code; the frame owed for them is named only when it is not the usual one. */
export function describeEvent(event: ProtocolEvent): string {
  switch (event.type) {
    case 'message':
      return describeMessage(event.opcode, event.data)
    case 'ping':
      return `ping, owes ${event.owed.toString('hex')}`
    case 'pong':
      return 'pong'
    case 'close': {
      const echo = event.code === 1005 ? '' : closeBody(event.code, event.reason)
      return `close ${event.code} ${JSON.stringify(event.reason)}${owes(event.owed, echo)}`
    }
    case 'failure': {
      const { code, section, message } = event.error
      return `failure ${code} §${section} ${message}${owes(event.owed, closeBody(code, message))}`
    }
  }
}

function owes(owed: Buffer | null, body: string | Buffer): string {
  if (owed === null) return ', owes nothing'
  return owed.equals(serverFrame(0x88, body)) ? '' : `, owes ${owed.toString('hex')}`
}
