// Rooms that remember nothing.

import { serveEngine } from './engine.ts'

await serveEngine({})
