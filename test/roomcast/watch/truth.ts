// A server whose figures are held against what is known, and a client of it that speaks the words.

import type { Socket as TcpSocket } from 'node:net'
import { createRoomcast, type Roomcast, type RoomcastOptions } from 'roomcast'
import { type Client, connect } from '../client.ts'

export const API_KEY = 'key'

const open: Roomcast[] = []

/** Closes those that were made. */
export async function closeAll(): Promise<void> {
  for (const roomcast of open.splice(0)) await roomcast.close()
}

const plain = {
  allowSubscribeForClient: true,
  allowSubscribeForAnonymous: true,
  allowPublishForClient: true,
  allowPublishForAnonymous: true,
}
const kept = { ...plain, historySize: 10, historyTtlMs: 60_000 }

/** A room of each kind: in `kept` history is kept, in `plain` nothing. */
export const ROOMS: readonly string[] = ['kept:room', 'plain:room']

/** A server that is open to all. */
export async function serve(options: RoomcastOptions = {}): Promise<{ roomcast: Roomcast; port: number }> {
  const roomcast = createRoomcast({
    ...{ port: 0, host: '127.0.0.1', insecure: true, apiKey: API_KEY, logger: { warn() {} } },
    namespaces: { kept, plain },
    ...options,
  })
  open.push(roomcast)
  return { roomcast, port: (await roomcast.listen()).port }
}

/** The TCP connection of a client, and what of it was written before the first frame. */
export interface Line {
  readonly tcp: TcpSocket
  readonly requestBytes: number
}

export const lineOf = (tcp: TcpSocket): Line => ({ tcp, requestBytes: tcp.bytesWritten })

/** A client that is in all rooms, and what it hears from then on. @param lines take its line. */
export async function words(port: number, lines: Line[] = []): Promise<[Client, unknown[]]> {
  const client = await connect(port)
  lines.push(lineOf((client.socket as unknown as { _socket: TcpSocket })._socket))
  for (const room of ROOMS) await client.ask({ join: room })
  const heard: unknown[] = []
  client.socket.on('message', (data) => heard.push(JSON.parse(`${data}`)))
  return [client, heard]
}
