// Roomcast, as it was at the revision of `--before`.

import type * as Channels from '@roomcast/channels'
import type * as Core from '@roomcast/core'
import { packageBefore } from '../before.ts'
import { serveRooms } from './rooms.ts'

const { createServer } = (await import(packageBefore('core'))) as typeof Core
const { createChannels } = (await import(packageBefore('channels'))) as typeof Channels
await serveRooms({ createServer, createChannels })
