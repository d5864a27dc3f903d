// Rooms with a history: their publications are numbered and kept.

import { serveEngine } from './engine.ts'

await serveEngine({ history: { size: 300, ttlMs: 60_000 } })
