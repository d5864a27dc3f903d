// Asking a running server over HTTP: what it answers, or why not, in one line.

import type { Remote } from './arguments.ts'

/** A server that cannot be asked, or refuses; its message is the line. */
export class RemoteFailure extends Error {
  /** The HTTP status, where there was an answer. */
  readonly status: number | undefined

  constructor(message: string, status?: number) {
    super(oneLine(message))
    this.status = status
  }
}

/** In one line, whatever somebody else wrote into it: it goes to a terminal. */
function oneLine(text: string): string {
  return text.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim()
}

/** The answer to a question that was asked of a server of another kind, perhaps. */
type Answer = Readonly<Record<string, unknown>>

/** What GET answers: an object. */
export async function get(remote: Remote, path: string, signal: AbortSignal): Promise<Answer> {
  return call(remote, path, { signal })
}

/** Calls a method of the HTTP API.
 * @throws RemoteFailure also for an error that it answers. */
export async function callApi(remote: Remote, method: string, fields: string, signal: AbortSignal): Promise<unknown> {
  const headers = { 'content-type': 'application/json', 'x-api-key': remote.apiKey ?? '' }
  const { result, error } = await call(remote, `/api/${method}`, { method: 'POST', headers, body: fields, signal })
  if (isObject(error)) {
    const { code, message } = error
    throw new RemoteFailure(`the server refuses: ${message} (${code})`)
  }
  if (!isObject(result)) throw foreign(remote)
  return result
}

/** Says something in a room, by the simple way. */
export async function postChannel(remote: Remote, room: string, data: string, signal: AbortSignal): Promise<unknown> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${remote.secret}` }
  return call(remote, `/channels/${encodeURIComponent(room)}`, { method: 'POST', headers, body: data, signal })
}

/** A server that answers, and not as this one does. */
export function foreign({ url }: Remote): RemoteFailure {
  return new RemoteFailure(`${url} is no server of roomcast`)
}

async function call(remote: Remote, path: string, options: RequestInit & { signal: AbortSignal }): Promise<Answer> {
  const { url } = remote
  let response: Response
  let text: string
  try {
    response = await fetch(url + path, options)
    text = await response.text()
  } catch (error) {
    if (options.signal.aborted) throw new RemoteFailure(`ended before ${url} had answered`)
    const { cause, message } = error as Error
    throw new RemoteFailure(`no answer of ${url}: ${cause instanceof Error ? cause.message || cause.name : message}`)
  }
  const hint = response.status === 401 ? '; give its --http_api.key, or --token' : ''
  if (!response.ok)
    throw new RemoteFailure(
      `${url}${path} answers ${response.status} ${text.trim().slice(0, 200)}${hint}`,
      response.status,
    )
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    throw foreign(remote)
  }
  if (!isObject(answer)) throw foreign(remote)
  return answer
}

export function isObject(value: unknown): value is Answer {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
