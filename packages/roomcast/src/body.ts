// Reading a request's body: bounded in size, cut short when the sender goes away or the server stops, and JSON or
// nothing. A client that asked for leave to send it (Expect: 100-continue) gets it here, after all other checks.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { flawOf } from './value.ts'

/** What a body came to: its value, or the status and error to answer. `'gone'`: nobody is there to be answered.
 * `'stopped'`: the signal came first. */
export type Body = { value: unknown } | NoBody

/** Why there is none. */
export type NoBody = { status: number; error: string } | 'gone' | 'stopped'

const TOO_LARGE: NoBody = { status: 413, error: 'too_large' }
const ENCODED: NoBody = { status: 415, error: 'unsupported_encoding' }

/** How much of a body is taken, and for how long. */
export interface BodyLimit {
  maxBytes: number
  /** Aborts when there is no use in waiting for the rest. */
  signal: AbortSignal
}

/** Reads a body as JSON. Never rejects, and keeps nothing of a body over the limit.
 * @param res the answer to the request, for the 100 before it. */
export async function readJson(req: IncomingMessage, res: ServerResponse, limit: BodyLimit): Promise<Body> {
  const read = await readText(req, res, limit)
  return typeof read === 'object' && 'text' in read ? parse(read.text) : read
}

/** Reads a body as text, with the same outcomes. */
export async function readText(
  req: IncomingMessage,
  res: ServerResponse,
  { maxBytes, signal }: BodyLimit,
): Promise<{ text: string } | NoBody> {
  // RFC 9110 §8.4: nothing is unpacked here, and what is packed is no JSON.
  if (!/^(?:identity)?$/i.test(req.headers['content-encoding']?.trim() ?? '')) return ENCODED
  if (Number(req.headers['content-length']) > maxBytes) return TOO_LARGE
  if (req.httpVersion === '1.1' && /(?:^|\W)100-continue(?:$|\W)/i.test(req.headers.expect ?? '')) res.writeContinue()
  const read = await collect(req, maxBytes, signal)
  if (!Array.isArray(read)) return read
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(read)) }
  } catch {
    return { status: 400, error: 'invalid_json' }
  }
}

function collect(req: IncomingMessage, maxBytes: number, signal: AbortSignal): Promise<Buffer[] | NoBody> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let length = 0
    const settle = (body: Buffer[] | NoBody): void => {
      req.off('data', onData).off('end', onEnd).off('close', onClose)
      signal.removeEventListener('abort', onAbort)
      resolve(body)
    }
    const onData = (chunk: Buffer): void => {
      length += chunk.length
      chunks.push(chunk)
      if (length > maxBytes) settle(TOO_LARGE)
    }
    const onEnd = (): void => settle(chunks)
    const onClose = (): void => settle('gone')
    const onAbort = (): void => settle('stopped')
    if (signal.aborted) return settle('stopped')
    signal.addEventListener('abort', onAbort)
    req.on('data', onData).on('end', onEnd).on('close', onClose)
  })
}

function parse(text: string): Body {
  try {
    const value: unknown = JSON.parse(text)
    const error = flawOf(value)
    return error === undefined ? { value } : { status: 400, error }
  } catch {
    return { status: 400, error: 'invalid_json' }
  }
}
