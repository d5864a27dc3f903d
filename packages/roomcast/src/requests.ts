// Every HTTP request of the server: where it goes, and that it gets an answer, also when the server is about to end.

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { watchConnections } from './http-connections.ts'
import { isLeaving, sendJson } from './reply.ts'
import { hasClearHost, readTarget, type Target } from './target.ts'
import { warn } from './warn.ts'

/** Answers one request. */
export type Answer = (req: IncomingMessage, res: ServerResponse, target: Target) => void

/** The requests of one server. */
export interface Requests {
  /** Resolves when every request under way is answered, or after so many ms. */
  answered(deadlineMs: number): Promise<void>
  /** Answers 503 to those of which not even the head is here in full, and ends every connection. */
  end(): Promise<void>
}

/** A defect, or a broker whose figures cannot be had: it costs one request, not the process. */
export function fail(res: ServerResponse, error: unknown): void {
  warn(error)
  if (res.headersSent) res.destroy()
  else sendJson(res, 500, { error: 'internal' })
}

const BUSY = 'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'

/** How long the end waits for such an answer to be on its way. */
const LAST_WORDS_MS = 500

/** Takes the requests of an http server.
 * @param answered hears of each that was answered, when the answer is out or its connection is gone. */
export function takeRequests(
  http: Server,
  answer: Answer,
  answered: (req: IncomingMessage, res: ServerResponse) => void,
): Requests {
  const underWay = new Set<ServerResponse>()
  const connections = watchConnections(http)
  const waiting = new Set<() => void>()

  const take = (req: IncomingMessage, res: ServerResponse, isExpected: boolean): void => {
    const { socket } = req
    if (isLeaving(socket)) return void socket.destroy()
    underWay.add(res)
    res.once('close', () => {
      underWay.delete(res)
      // Of a client that left before there is nothing to tell: the status that node has for it is that of nobody.
      if (res.headersSent) answered(req, res)
      for (const check of waiting) check()
    })
    const target = readTarget(req)
    // Which of them a proxy before this server went by, nobody knows; what comes behind such a request is not for us.
    if (!hasClearHost(req, target)) return sendJson(res, 400, { error: 'invalid_host' }, { Connection: 'close' })
    if (!isExpected) return sendJson(res, 417, { error: 'expectation_failed' })
    try {
      answer(req, res, target)
    } catch (error) {
      fail(res, error)
    }
  }
  http.on('request', (req, res) => take(req, res, true))
  // With a listener node leaves the 100 to us: it is for those who may send their body (body.ts).
  http.on('checkContinue', (req, res) => take(req, res, true))
  http.on('checkExpectation', (req, res) => take(req, res, false))

  /** Connections that wait for an answer of which nothing has gone out. WebSockets are closed before. */
  const halves = (): Socket[] => {
    const begun = new Map<Socket, boolean>()
    // The first of a connection is the one that is being answered.
    for (const { req, headersSent } of underWay) if (!begun.has(req.socket)) begun.set(req.socket, headersSent)
    return connections.unanswered().filter((socket) => !isLeaving(socket) && begun.get(socket) !== true)
  }

  return {
    answered: (deadlineMs) =>
      new Promise((resolve) => {
        const done = (): void => {
          clearTimeout(timer)
          waiting.delete(check)
          resolve()
        }
        const check = (): void => {
          if (underWay.size === 0) done()
        }
        const timer = setTimeout(done, deadlineMs)
        waiting.add(check)
        check()
      }),
    async end() {
      const told = halves().map((socket) => new Promise<void>((resolve) => socket.end(BUSY, () => resolve())))
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, LAST_WORDS_MS)
      })
      await Promise.race([Promise.all(told), late])
      clearTimeout(timer)
      connections.end()
    },
  }
}
