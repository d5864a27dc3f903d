// What every server under test does besides serving: say where it listens, answer for its process, and count its socket
// writes when asked to.

import { readFileSync } from 'node:fs'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { answerParent, type Sample, sampleProcess } from '../child.ts'
import { type Scenario, scenarioNamed } from '../scenarios.ts'

/** A server's sample. With `--count-writes`: `writes` are writes of TCP sockets to the system, `socketTurns` how many
 * pairs of a socket and an event-loop turn had any. */
export interface ServerSample extends Sample {
  writes?: number
  socketTurns?: number
}

/** The Redis that connects this node with others, where there are any. */
export function redisOfProcess(): string | undefined {
  return process.argv.find((argument) => argument.startsWith('--redis='))?.slice('--redis='.length)
}

/** Who asks for this room wants messages back alone; who asks for another is in the room of that name. */
export const ECHO_ROOM = 'echo'
/** The same as a path. */
export const ECHO_PATH: string = `/${ECHO_ROOM}`

/** A self-signed certificate for localhost, and its key. */
export const TLS_FILES = { key: pemFile('key'), cert: pemFile('cert') } as const

/** What is in these files, as node's options. */
export const TLS = (): { key: string; cert: string } => ({
  key: readFileSync(TLS_FILES.key, 'utf8'),
  cert: readFileSync(TLS_FILES.cert, 'utf8'),
})

function pemFile(name: 'key' | 'cert'): string {
  return fileURLToPath(new URL(`../../../test/support/tls/test-only-${name}.pem`, import.meta.url))
}

/** The scenario this process was started for. */
export function scenarioOfProcess(): Scenario {
  return scenarioNamed(process.argv[2] ?? '')
}

/** What a server's process holds, after collecting garbage. */
export interface Held {
  heapBytes: number
  /** Outside V8's heap, buffers included. */
  externalBytes: number
  rssBytes: number
}

/** Collects what can be collected, again and again: what one pass releases, the next can free. Node needs `--expose-gc`. */
async function measureHeld(): Promise<Held> {
  const bun = (globalThis as { Bun?: { gc(isSync: true): void } }).Bun
  const collect = bun ? (): void => bun.gc(true) : globalThis.gc
  if (collect === undefined) throw new Error('started without --expose-gc')
  for (let pass = 0; pass < 5; pass++) {
    await collect()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heapBytes: heapUsed, externalBytes: external, rssBytes: rss }
}

/** Tells the parent the port, and answers its questions from now on.
 * @param more further questions. */
export function serve(port: number, more: Record<string, () => unknown> = {}): void {
  const counts = process.argv.includes('--count-writes') ? countWrites() : {}
  const sample = (): ServerSample => ({ ...sampleProcess(), ...counts })
  answerParent({ sample, held: measureHeld, ...more })
  console.log(JSON.stringify({ port }))
}

/** Wraps what a TCP socket's stream calls to hand bytes to the system. A turn ends in the check phase: an immediate that
 * is queued by a turn's first write runs before anything that the next turn can write from its own immediates. */
function countWrites(): { writes: number; socketTurns: number } {
  const counts = { writes: 0, socketTurns: 0 }
  const wroteThisTurn = new Set<net.Socket>()
  const count = (socket: net.Socket): void => {
    if (wroteThisTurn.size === 0) setImmediate(() => wroteThisTurn.clear())
    if (!wroteThisTurn.has(socket)) counts.socketTurns++
    wroteThisTurn.add(socket)
    counts.writes++
  }
  for (const method of ['_write', '_writev'] as const) {
    const original = net.Socket.prototype[method]
    Object.defineProperty(net.Socket.prototype, method, {
      value(this: net.Socket, ...args: unknown[]) {
        count(this)
        return Reflect.apply(original!, this, args)
      },
    })
  }
  return counts
}
