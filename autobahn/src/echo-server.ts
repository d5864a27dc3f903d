// What the suite talks to: a server that sends every message back. Everything is Roomcast's default except what the cases
// need more of, and with `--defaults` that too. With `--compression`, permessage-deflate is on. Tells its parent the port,
// and ends with it.

import { createServer } from '@roomcast/core'

/** Cases 9.1.6 and 9.2.6 send 16 MiB in one message and want it back. */
const LARGEST_MESSAGE_BYTES = 16 * 1024 * 1024

const raised = {
  maxMessageBytes: LARGEST_MESSAGE_BYTES,
  // The echo of it, with its header.
  maxBufferedBytes: LARGEST_MESSAGE_BYTES + 1024,
  // In Python without wsaccel, and in pieces of 64 bytes, it takes its time.
  messageTimeoutMs: 300_000,
  // The suite is one thread: while it computes it answers no ping.
  pongTimeoutMs: 60_000,
}

const server = createServer({
  port: 0,
  host: '127.0.0.1',
  handler: { message: (socket, data, opcode) => void socket.write(data, opcode) },
  ...(process.argv.includes('--defaults') ? {} : raised),
  onError: (error, { where }) => console.error(`echo server, ${where}:`, error),
  compression: process.argv.includes('--compression'),
})
process.on('disconnect', () => process.exit())
const { port } = await server.listen()
process.send?.(port)
