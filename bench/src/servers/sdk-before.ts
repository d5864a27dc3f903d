// What the SDKs of Centrifugo connect to, as it was at the revision of `--before`.

import type * as Centrifuge from '@roomcast/centrifuge'
import type * as Core from '@roomcast/core'
import type * as Rooms from '@roomcast/rooms'
import { packageBefore } from '../before.ts'
import { serveSdk } from './sdk-rooms.ts'

const { createServer } = (await import(packageBefore('core'))) as typeof Core
const { createRooms, memoryStore } = (await import(packageBefore('rooms'))) as typeof Rooms
const { centrifugeHandler } = (await import(packageBefore('centrifuge'))) as typeof Centrifuge
await serveSdk({ createServer, createRooms, memoryStore, centrifugeHandler })
