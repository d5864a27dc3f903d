// `roomcast tail ROOM`: joins a room as a client would, and writes what is said in it, one JSON a line.

import { WebSocket } from 'ws'
import { signToken } from '../who/sign-token.ts'
import type { Remote, RemoteCommand } from './arguments.ts'
import { foreign, isObject, RemoteFailure } from './ask.ts'

const TOKEN_SECONDS = 7 * 86_400

/** Writes what is said, until `signal` aborts.
 * @throws RemoteFailure when it is not let in, and when the connection ends. */
export async function tail(
  { remote, room }: Extract<RemoteCommand, { kind: 'tail' }>,
  write: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const jwt = remote.jwt ?? (await signed(remote, room))
  const query = jwt === undefined ? '' : `?token=${encodeURIComponent(jwt)}`
  const socket = new WebSocket(`${remote.url.replace(/^http/, 'ws')}/${query}`)
  const stop = (): void => socket.terminate()
  signal.addEventListener('abort', stop)
  try {
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string): void => reject(new RemoteFailure(why))
      const way =
        jwt === undefined ? '; without a token: give --jwt, or --config with client.token.hmac_secret_key' : ''
      socket.on('open', () => socket.send(JSON.stringify({ join: room })))
      socket.on('message', (data) => {
        const text = String(data)
        const heard = parsed(text)
        if (!isObject(heard)) return reject(foreign(remote))
        const { error, said } = heard
        if (error !== undefined) fail(`${JSON.stringify(room)} cannot be joined: ${error}${way}`)
        // White space between its parts; in a string there is none of these.
        else if (said !== undefined) write(text.replaceAll(/[\t\n\r]/g, ' '))
      })
      // Its Error header says why; ws itself tells the status alone.
      socket.on('unexpected-response', (_request, { statusCode, headers: { error = '' } }) =>
        fail(`no connection to ${remote.url}: it answers ${`${statusCode} ${error}`.trim()}${way}`),
      )
      socket.on('error', (error) =>
        fail(signal.aborted ? '' : `no connection to ${remote.url}: ${error.message}${way}`),
      )
      socket.on('close', (code, reason) => {
        if (signal.aborted) resolve()
        else fail(`the connection ended: ${code} ${reason}`.trim())
      })
    })
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    signal.removeEventListener('abort', stop)
    socket.terminate()
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Whoever has the secret may be in every room. */
async function signed({ tokens }: Remote, room: string): Promise<string | undefined> {
  const { hmacSecretKey: secret, audience, issuer } = tokens ?? {}
  if (secret === undefined) return undefined
  return signToken({ secret, user: '', rooms: [room], ttlSeconds: TOKEN_SECONDS, audience, issuer })
}
