// POST /api/<method>: the key first, then the body, then what it asks for. Answers are those of Centrifugo's API.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { ErrorCode, Refusal, refuse } from '@roomcast/centrifuge'
import type { Route } from '../api.ts'
import { readText } from '../body.ts'
import { send, sendJson } from '../reply.ts'
import { fail } from '../requests.ts'
import { keyCheck } from '../token.ts'
import { Fields, WrongField } from './fields.ts'
import type { Action, Result } from './method.ts'
import { createMethods, errorOf, type MethodOptions, responseOf, settled } from './methods.ts'
import { encode } from './raw-json.ts'

/** What the route needs. */
export interface HttpApiOptions extends MethodOptions {
  /** Undefined: nobody has one. */
  readonly apiKey: string | undefined
  readonly maxBodyBytes: number
  /** Aborts when the server is about to end: nothing is done any more. */
  readonly ending: AbortSignal
}

const PREFIX = '/api/'

/** Whether a path is this API's: it asks for a key of its own, which no foreign page has. */
export function isHttpApi(path: string): boolean {
  return path.startsWith(PREFIX)
}

/** Makes the route. */
export function createHttpApi(options: HttpApiOptions): Route {
  const { apiKey, maxBodyBytes: maxBytes, ending: signal } = options
  const methods = createMethods(options)
  const hasKey = keyCheck(apiKey)

  /** One command of a batch: one method with its fields. */
  const commandOf = (command: Fields): (() => Promise<object>) => {
    const [name] = command.names()
    const method = methods.get(name ?? '')
    if (name === undefined || method === undefined) {
      return async () => ({ error: errorOf(refuse(ErrorCode.METHOD_NOT_FOUND)) })
    }
    const action = method(command.fields(name) ?? new Fields('{}'))
    return async () => {
      const result = await settled(action)
      return result instanceof Refusal ? { error: errorOf(result) } : { [name]: result }
    }
  }

  const batch = (fields: Fields): (() => Promise<object>) => {
    const commands = fields.list('commands').map(commandOf)
    const isParallel = fields.isOn('parallel')
    return async () => {
      if (isParallel) return { replies: await Promise.all(commands.map((command) => command())) }
      const replies: object[] = []
      for (const command of commands) replies.push(await command())
      return { replies }
    }
  }

  async function post(req: IncomingMessage, res: ServerResponse, name: string): Promise<void> {
    if (req.method !== 'POST') return sendJson(res, 405, { error: 'method_not_allowed' }, { Allow: 'POST' })
    if (!hasKey(req)) return sendJson(res, 401, { error: 'unauthorized' })
    const method = methods.get(name)
    if (method === undefined && name !== 'batch') return sendJson(res, 404, { error: 'not_found' })
    const draining = (): void => sendJson(res, 503, { error: 'draining' }, { 'Retry-After': '2' })
    if (signal.aborted) return draining()
    const body = await readText(req, res, { maxBytes, signal })
    if (body === 'gone') return
    if (body === 'stopped') return draining()
    if ('error' in body) return sendJson(res, body.status, { error: body.error })
    const action = actionOf(body.text, (fields) => (method === undefined ? batch(fields) : answered(method(fields))))
    if (action === undefined) return sendJson(res, 400, { error: 'bad_request' })
    const answer = `${encode(await action())}\n`
    send(res, 200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }, answer)
  }

  return (req, res, path) => {
    if (!isHttpApi(path)) return false
    post(req, res, path.slice(PREFIX.length)).catch((error: unknown) => fail(res, error))
    return true
  }
}

function answered(action: Action): () => Promise<object> {
  return async () => responseOf((await settled(action)) satisfies Result)
}

/** Reads a body; undefined: it is no JSON, or its fields are of wrong types. */
function actionOf(text: string, read: (fields: Fields) => () => Promise<object>): (() => Promise<object>) | undefined {
  try {
    JSON.parse(text)
    return read(new Fields(text))
  } catch (error) {
    if (error instanceof WrongField || error instanceof SyntaxError) return undefined
    throw error
  }
}
