// A WebSocket as node's stream, for what speaks a protocol of its own over one, such as MQTT: each chunk is a message.

import { Duplex, type DuplexOptions } from 'node:stream'
import type { WebSocket } from './web-socket.ts'

/** Makes a stream of a socket. What it is sent is read from it, whatever pieces it came in, and not faster than it is read;
 * what is written is sent, and waits as the callbacks of `send` do. `end` closes the socket, `destroy` terminates it.
 * @param options node's, without `writableObjectMode` and the functions that make a stream. */
export function createWebSocketStream(ws: WebSocket, options: DuplexOptions = {}): Duplex {
  const { readableObjectMode = false, ...others } = options
  /** It ends by itself, with what ended it: the Close is on its way. */
  let failed = false
  const afterClose = (work: () => void): void => {
    if (ws.readyState === ws.CLOSED) work()
    else ws.once('close', () => work())
  }
  const stream = new Duplex({
    ...others,
    objectMode: false,
    readableObjectMode,
    writableObjectMode: false,
    read() {
      if (ws.isPaused) ws.resume()
    },
    write: (chunk, _, callback) => ws.send(chunk, callback),
    final(callback) {
      afterClose(callback)
      ws.close()
    },
    destroy(error, callback) {
      afterClose(() => callback(error))
      if (!failed) ws.terminate()
    },
  })
  ws.on('message', (data, isBinary) => {
    const bytes = data instanceof ArrayBuffer ? Buffer.from(data) : data
    if (!stream.push(readableObjectMode && !isBinary ? `${bytes}` : bytes)) ws.pause()
  })
  ws.once('error', (error) => {
    failed = true
    stream.destroy(error)
  })
  ws.once('close', () => {
    if (!stream.destroyed) stream.push(null)
  })
  return stream
}
