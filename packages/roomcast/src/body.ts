// Reading a request's body: bounded in size, cut short when the sender goes away, and JSON or nothing.

import type { IncomingMessage } from 'node:http'
import { isFlat } from './depth.ts'

/** The largest body, in bytes: that of a message's default limit. */
const MAX_BODY_BYTES = 1024 * 1024

/** What a body came to: its value, or the status and error to answer. `'gone'`: nobody is there to be answered. */
export type Body = { value: unknown } | { status: number; error: string } | 'gone'

/** Reads a body as JSON. Never rejects. What is over the limit is not kept; node discards the rest of it. */
export async function readJson(req: IncomingMessage): Promise<Body> {
  const tooLarge: Body = { status: 413, error: 'too_large' }
  if (Number(req.headers['content-length']) > MAX_BODY_BYTES) return tooLarge
  const chunks: Buffer[] = []
  let length = 0
  try {
    // destroyOnReturn: leaving the loop must not cut the connection before the 413 is out.
    for await (const chunk of req.iterator({ destroyOnReturn: false })) {
      length += (chunk as Buffer).length
      if (length > MAX_BODY_BYTES) return tooLarge
      chunks.push(chunk as Buffer)
    }
  } catch {
    return 'gone'
  }
  return parse(Buffer.concat(chunks))
}

function parse(bytes: Buffer): Body {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return isFlat(value) ? { value } : { status: 400, error: 'too_deep' }
  } catch {
    return { status: 400, error: 'invalid_json' }
  }
}
