// What the SDKs of Centrifugo connect to, as it is here.

import { centrifugeHandler } from '@roomcast/centrifuge'
import { createServer } from '@roomcast/core'
import { createRooms, memoryStore } from '@roomcast/rooms'
import { serveSdk } from './sdk-rooms.ts'

await serveSdk({ createServer, createRooms, memoryStore, centrifugeHandler })
