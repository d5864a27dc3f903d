// A CPU profile of a server, of exactly the time that is measured: what `node --cpu-prof` writes, without the start.

import type { Profiler, Session } from 'node:inspector'

let session: Session | undefined
const SAMPLE_EVERY_US = 200

/** Starts sampling. */
export async function startProfile(): Promise<void> {
  // Bun and a server that is not profiled need none of it.
  const inspector = await import('node:inspector')
  session = new inspector.Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.setSamplingInterval', { interval: SAMPLE_EVERY_US })
  session.post('Profiler.start')
}

/** Stops sampling; what was seen. */
export async function stopProfile(): Promise<Profiler.Profile> {
  return await new Promise((resolve, reject) => {
    if (session === undefined) throw new Error('no profile was started')
    session.post('Profiler.stop', (error, { profile }) => (error ? reject(error) : resolve(profile)))
  })
}
