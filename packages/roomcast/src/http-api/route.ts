// POST /api/<method>: the key first, then the body, then what it asks for. Answers are those of Centrifugo's API.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { ErrorCode, Refusal, refuse } from '@roomcast/centrifuge'
import type { Route } from '../api.ts'
import { readText } from '../body.ts'
import { quote } from '../config/wrong.ts'
import { send, sendJson } from '../reply.ts'
import { fail } from '../requests.ts'
import { keyCheck } from '../token.ts'
import { type Call, callsOf } from './calls.ts'
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
  /** Hears what each call came to. */
  readonly onCalled: (req: IncomingMessage, call: Call) => void
}

/** Hears of one request's calls. */
type Tell = (call: Call) => void

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
  const commandOf = (command: Fields, tell: Tell): (() => Promise<object>) => {
    const [name] = command.names()
    const method = methods.get(name ?? '')
    if (name === undefined || method === undefined) {
      return async () => {
        const error = errorOf(refuse(ErrorCode.METHOD_NOT_FOUND))
        tell({ method: 'other', ...error, why: name === undefined ? 'a command without a name' : quote(name) })
        return { error }
      }
    }
    const given = command.fields(name) ?? new Fields('{}')
    const action = carryOut(name, method(given), given, tell)
    return async () => {
      const result = await action()
      return result instanceof Refusal ? { error: errorOf(result) } : { [name]: result }
    }
  }

  const batch = (fields: Fields, tell: Tell): (() => Promise<object>) => {
    const commands = fields.list('commands').map((command) => commandOf(command, tell))
    const isParallel = fields.isOn('parallel')
    return async () => {
      if (isParallel) return { replies: await Promise.all(commands.map((command) => command())) }
      const replies: object[] = []
      for (const command of commands) replies.push(await command())
      return { replies }
    }
  }

  async function post(req: IncomingMessage, res: ServerResponse, name: string): Promise<void> {
    const method = methods.get(name)
    const isKnown = method !== undefined || name === 'batch'
    const tell: Tell = (call) => options.onCalled(req, call)
    const fail = (
      status: number,
      error: string,
      { headers = {}, why }: { headers?: object; why?: string } = {},
    ): void => {
      tell({ method: isKnown ? name : 'other', code: status, message: error, why })
      sendJson(res, status, { error }, { ...headers })
    }
    if (req.method !== 'POST') return fail(405, 'method_not_allowed', { headers: { Allow: 'POST' } })
    if (!hasKey(req)) return fail(401, 'unauthorized')
    if (!isKnown) return fail(404, 'not_found')
    const draining = (): void => fail(503, 'draining', { headers: { 'Retry-After': '2' } })
    if (signal.aborted) return draining()
    const body = await readText(req, res, { maxBytes, signal })
    if (body === 'gone') return
    if (body === 'stopped') return draining()
    if ('error' in body) return fail(body.status, body.error, body.status === 400 ? { why: 'no UTF-8' } : {})
    const action = actionOf(body.text, (fields) =>
      method === undefined ? batch(fields, tell) : answered(carryOut(name, method(fields), fields, tell)),
    )
    if (typeof action === 'string') return fail(400, 'bad_request', { why: action })
    const answer = `${encode(await action())}\n`
    send(res, 200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }, answer)
  }

  return (req, res, path) => {
    if (!isHttpApi(path)) return false
    post(req, res, path.slice(PREFIX.length)).catch((error: unknown) => fail(res, error))
    return true
  }
}

/** The same action, which never fails, and tells what it came to. */
function carryOut(name: string, action: Action, fields: Fields, tell: Tell): () => Promise<Result> {
  return async () => {
    const result = await settled(action)
    for (const call of callsOf(name, result, fields)) tell(call)
    return result
  }
}

function answered(action: () => Promise<Result>): () => Promise<object> {
  return async () => responseOf(await action())
}

/** Reads a body; a string: why it cannot be read. */
function actionOf(text: string, read: (fields: Fields) => () => Promise<object>): (() => Promise<object>) | string {
  try {
    JSON.parse(text)
    return read(new Fields(text))
  } catch (error) {
    if (error instanceof WrongField) return error.message
    if (error instanceof SyntaxError) return 'no JSON'
    throw error
  }
}
