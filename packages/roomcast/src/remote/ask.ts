// Asking a running server over HTTP: what it answers, or why not, in one line.

import type { Remote } from './arguments.ts'

/** A server that cannot be asked, or refuses; its message is the line. */
export class RemoteFailure extends Error {
  /** The HTTP status, where there was an answer. */
  readonly status: number | undefined

  constructor(message: string, status?: number) {
    super(message)
    this.status = status
  }
}

/** What GET answers. */
export async function get(remote: Remote, path: string): Promise<unknown> {
  return call(remote, path, {})
}

/** Calls a method of the HTTP API.
 * @throws RemoteFailure also for an error that it answers. */
export async function callApi(remote: Remote, method: string, fields: string): Promise<unknown> {
  const headers = { 'content-type': 'application/json', 'x-api-key': remote.apiKey ?? '' }
  const answer = await call(remote, `/api/${method}`, { method: 'POST', headers, body: fields })
  const { result, error } = answer as { result?: unknown; error?: { code: number; message: string } }
  if (error !== undefined) throw new RemoteFailure(`the server refuses: ${error.message} (${error.code})`)
  return result
}

/** Says something in a room, by the simple way. */
export async function postChannel(remote: Remote, room: string, data: string): Promise<unknown> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${remote.secret}` }
  return call(remote, `/channels/${encodeURIComponent(room)}`, { method: 'POST', headers, body: data })
}

async function call({ url }: Remote, path: string, options: RequestInit): Promise<unknown> {
  let response: Response
  let text: string
  try {
    response = await fetch(url + path, options)
    text = await response.text()
  } catch (error) {
    const { cause, message } = error as Error
    throw new RemoteFailure(`no answer of ${url}: ${cause instanceof Error ? cause.message || cause.name : message}`)
  }
  const hint = response.status === 401 ? '; give its --http_api.key, or --token' : ''
  if (!response.ok)
    throw new RemoteFailure(
      `${url}${path} answers ${response.status} ${text.trim().slice(0, 200)}${hint}`,
      response.status,
    )
  try {
    return JSON.parse(text)
  } catch {
    throw new RemoteFailure(`${url} is no server of roomcast`)
  }
}
