// Roomcast: a channel for the room, as a user would write it.

import { createChannels } from '@roomcast/channels'
import { createServer, type Socket } from '@roomcast/core'
import { scenarioOfProcess, serve } from './serve.ts'

const channels = createChannels()
const room = {
  opened: (socket: Socket): void => void channels.join('room', socket),
  message: (_: Socket, data: Buffer, opcode: 'text' | 'binary'): void =>
    void channels.broadcast('room', data, { opcode }),
}
const echo = {
  message: (socket: Socket, data: Buffer, opcode: 'text' | 'binary'): void => void socket.write(data, opcode),
}

const { kind, compression = false } = scenarioOfProcess()
const handler = kind === 'room' ? room : echo
const server = createServer({ port: 0, host: '127.0.0.1', handler, compression })
const address = await server.listen()
serve(address.port)
