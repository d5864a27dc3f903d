// Roomcast, as it is here.

import { createChannels } from '@roomcast/channels'
import { createServer } from '@roomcast/core'
import { serveRooms } from './rooms.ts'

await serveRooms({ createServer, createChannels })
