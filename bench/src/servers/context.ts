// Roomcast with compression, for clients that only send: what their messages cost to inflate, and what is kept of them.

import { createServer } from '@roomcast/core'
import { serve } from './serve.ts'

const server = createServer({ port: 0, host: '127.0.0.1', compression: true, handler: { message() {} } })
const { port } = await server.listen()
serve(port, { messages: () => server.stats().messagesIn })
