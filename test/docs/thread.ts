// Runs the programs of one page in a thread of their own, one after the other, as a reader would start them: what they
// print and which ports they have got is told to the test. Compiled with the programs themselves.

import { type AddressInfo, Server } from 'node:net'
import { format } from 'node:util'
import { parentPort } from 'node:worker_threads'
import { WebSocket } from 'ws'

const port = parentPort!

// Programs for browsers run here, too; before Node 22 there is none.
const browser = globalThis as { WebSocket?: unknown }
browser.WebSocket ??= WebSocket

for (const name of ['log', 'error', 'warn', 'info'] as const) {
  console[name] = (...values: unknown[]) => port.postMessage({ said: format(...values) })
}

// Programs ask for port 0 in place of the one that they name.
const { listen } = Server.prototype as unknown as { listen: (this: Server, ...args: unknown[]) => Server }
Server.prototype.listen = function (this: Server, ...args: unknown[]): Server {
  const [first] = args
  const wanted = typeof first === 'object' && first !== null ? (first as { port?: number }).port : first
  if (wanted === 0) {
    this.once('listening', () => port.postMessage({ listening: (this.address() as AddressInfo).port }))
  }
  return listen.apply(this, args)
} as typeof Server.prototype.listen

port.on('message', ({ run, variables }: { run: string; variables: Record<string, string> }) => {
  Object.assign(process.env, variables)
  import(run).then(
    () => port.postMessage({ done: run }),
    (error: unknown) => port.postMessage({ failed: error instanceof Error ? `${error.stack}` : String(error) }),
  )
})
