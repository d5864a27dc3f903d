// `roomcast publish ROOM JSON`: through the HTTP API, whose key it has.

import type { RemoteCommand } from './arguments.ts'
import { callApi, postChannel, RemoteFailure } from './ask.ts'

/** Publishes; resolves with a line that tells what came of it. */
export async function publish(
  { remote, room, data }: Extract<RemoteCommand, { kind: 'publish' }>,
  signal: AbortSignal,
): Promise<string> {
  if (remote.apiKey === undefined && remote.secret === undefined) {
    throw new RemoteFailure('publish needs the key of the server: --http_api.key, or --token')
  }
  if (remote.apiKey === undefined) return JSON.stringify(await postChannel(remote, room, data, signal))
  // The data goes as it was written: numbers keep all of their digits.
  return JSON.stringify(await callApi(remote, 'publish', `{"channel":${JSON.stringify(room)},"data":${data}}`, signal))
}
