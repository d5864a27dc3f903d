// Reading a request's body: bounded in size, cut short when the sender goes away or the server stops, and JSON or
// nothing. A client that asked for leave to send it (Expect: 100-continue) gets it here, after all other checks.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { flawOf } from './value.ts'

/** What a body came to: its value, or the status and error to answer. `'gone'`: nobody is there to be answered.
 * `'stopped'`: the signal came first. */
export type Body = { value: unknown } | { status: number; error: string } | 'gone' | 'stopped'

const TOO_LARGE: Body = { status: 413, error: 'too_large' }

/** Reads a body as JSON. Never rejects, and keeps nothing of a body over the limit.
 * @param res the answer to the request, for the 100 before it.
 * @param limit.signal aborts when there is no use in waiting for the rest. */
export async function readJson(
  req: IncomingMessage,
  res: ServerResponse,
  { maxBytes, signal }: { maxBytes: number; signal: AbortSignal },
): Promise<Body> {
  if (Number(req.headers['content-length']) > maxBytes) return TOO_LARGE
  if (req.httpVersion === '1.1' && /(?:^|\W)100-continue(?:$|\W)/i.test(req.headers.expect ?? '')) res.writeContinue()
  const read = await collect(req, maxBytes, signal)
  return Array.isArray(read) ? parse(Buffer.concat(read)) : read
}

function collect(req: IncomingMessage, maxBytes: number, signal: AbortSignal): Promise<Buffer[] | Body> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let length = 0
    const settle = (body: Buffer[] | Body): void => {
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

function parse(bytes: Buffer): Body {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    const error = flawOf(value)
    return error === undefined ? { value } : { status: 400, error }
  } catch {
    return { status: 400, error: 'invalid_json' }
  }
}
