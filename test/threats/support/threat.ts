// One row of the table: a victim, a healthy client beside it, the attack, and the line that says what came of it. The
// counts are those of the table in full mode (`pnpm threats`), and reduced ones in all other runs.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type HandshakeText, RawClient, type RawOptions } from '../../support/raw-client.ts'
import type { Options } from '../server/victim.ts'
import { type Answer, ask, type Exchange, exchange } from './exchange.ts'
import { Bystanders, build, type Setup, Victim, waitedForCore } from './processes.ts'

/** The full counts of the table. */
export const FULL: boolean = process.env.MODE === 'full'

/** How much longer twice the input may take. What is linear takes 2 times, what is not 4; in a reduced run, beside other
 * tests, all that is told is which of them. */
export const MAX_DOUBLING: number = FULL ? 2.3 : 3.2

/** How long the bystander is watched before the attack, in ms. */
const BASELINE_MS = FULL ? 1500 : 250
const MAX_P99_MS = 25
const MAX_P99_RATIO = 3
/** The part of the time that victim and bystander may wait for a core; beyond it a round trip says nothing of the victim. */
const MAX_WAITED = 0.1
const TIMEOUT_MS = FULL ? 400_000 : 60_000

/** What is attacked, and with what. */
export interface Attack {
  readonly full: boolean
  readonly victim: Victim
  readonly port: number
  /** The count of the table, or a reduced one. */
  count(reduced: number, full: number): number
  /** Sends bytes after a handshake, and gives what came until the server ended the connection. */
  exchange(bytes: Uint8Array | readonly Uint8Array[], options?: Exchange): Promise<string[]>
  /** Sends a request, and gives what came until the server ended the connection. */
  ask(request: string | readonly string[], options?: { port?: number; deadlineMs?: number }): Promise<Answer>
  /** Ends all clients of the row. */
  hangUp(): void
  /** Another process, where work is measured without the bystander having to wait for the measuring. */
  lab(): Promise<Victim>
  /** A TCP connection, ended with the row. */
  tcp(port?: number, options?: RawOptions): Promise<RawClient>
  /** The same, upgraded. */
  connect(handshake?: HandshakeText): Promise<RawClient>
}

export interface Threat {
  readonly id: string
  /** What is sent, in some words. */
  readonly sent: string
  /** Options of the server that is attacked. Default: all defaults, an echo. */
  readonly options?: Options
  /** The same, made in the victim's process; it is given `options`. */
  readonly setup?: Setup<Options>
  /** It mostly waits, or is short: in reduced mode others run beside it. */
  readonly light?: boolean
  /** The close code that the bystander gets like everybody else. */
  readonly ends?: number
  /** Why this machine cannot keep the bystander's round trip within its bound while this attack runs. */
  readonly forbids?: string
  /** @returns what came back, in some words and figures. */
  attack(t: Attack): Promise<string>
}

const passOn: Setup<Options> = (_kit, options) => options

/** Tests for all rows of one table. */
export function rows(table: string, threats: readonly Threat[]): void {
  describe(table, () => {
    let bystanders: Bystanders
    beforeAll(() => {
      build()
      bystanders = new Bystanders()
    })
    afterAll(() => bystanders?.end())
    // Only neighbours run beside each other.
    const isBeside = ({ light = false }: Threat): boolean => light && !FULL
    for (const threat of threats.toSorted((a, b) => Number(isBeside(b)) - Number(isBeside(a)))) {
      const run = isBeside(threat) ? test.concurrent : test
      run(`${threat.id} ${threat.sent}`, { timeout: TIMEOUT_MS }, () => survive(threat, bystanders))
    }
  })
}

async function survive(threat: Threat, bystanders: Bystanders): Promise<void> {
  const { options = {}, setup = passOn, forbids, ends } = threat
  const victim = await Victim.start(setup, options)
  const clients: RawClient[] = []
  const labs: Victim[] = []
  try {
    const bystander = await bystanders.start(victim.port)
    await pause(BASELINE_MS)
    await bystander.attack()
    const pids = [victim.pid, bystanders.pid]
    const [began, waitedBefore] = [performance.now(), waitedForCore(pids)]
    const back = await threat.attack(attackOn(victim, clients, labs))
    const waited = (waitedForCore(pids) - waitedBefore) / (performance.now() - began)
    const { sent, received, alone, attacked, lost } = await bystander.stop()
    for (const { socket } of clients) socket.destroy()
    const bound = Math.max(MAX_P99_RATIO * alone, MAX_P99_MS)
    const busy = waited > MAX_WAITED ? `the machine: no core for ${(waited * 100).toFixed(0)} % of the time` : undefined
    const excuse = attacked <= bound ? undefined : (forbids ?? busy)
    process.stdout.write(
      `${threat.id}  ${threat.sent}  →  ${back}  |  bystander ${received}/${sent}, p99 ${attacked.toFixed(1)} ms ` +
        `(alone ${alone.toFixed(1)} ms)${excuse === undefined ? '' : `; over its bound by ${excuse}`}\n`,
    )
    expect(lost, 'the bystander lost its connection, or a message').toBe(
      ends === undefined ? '' : `closed with ${ends}`,
    )
    if (ends === undefined) expect(received, 'messages of the bystander').toBe(sent)
    expect(sent).toBeGreaterThan(0)
    // A function that was sent with something of this file in it: the row's mistake, not an answer.
    const errors = await victim.run(({ errors }) => errors)
    expect(errors.filter((error) => error.startsWith('ReferenceError'))).toEqual([])
    await victim.close()
    expect(victim.escaped, 'errors that reached the process').toEqual([])
    if (FULL && excuse === undefined) {
      expect(attacked, `round trip of the bystander (alone ${alone} ms)`).toBeLessThanOrEqual(bound)
    }
  } finally {
    for (const { socket } of clients) socket.destroy()
    for (const process of [victim, ...labs]) process.kill()
  }
}

function attackOn(victim: Victim, clients: RawClient[], labs: Victim[]): Attack {
  const { port } = victim
  const tcp = async (to = port, options?: RawOptions): Promise<RawClient> => {
    const client = await RawClient.connect({ port: to }, options)
    clients.push(client)
    return client
  }
  return {
    full: FULL,
    victim,
    port,
    count: (reduced, full) => (FULL ? full : reduced),
    exchange: (bytes, more) => exchange(port, bytes, more),
    ask: (request, more = {}) => ask(more.port ?? port, request, more.deadlineMs),
    tcp,
    hangUp() {
      for (const { socket } of clients) socket.destroy()
    },
    async lab() {
      const lab = await Victim.start(passOn, {})
      labs.push(lab)
      return lab
    },
    async connect(handshake) {
      const client = await tcp()
      const { status } = await client.upgrade(handshake)
      if (status !== 101) throw new Error(`the handshake came to ${status}`)
      return client
    },
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Waits until `holds`, asking every few ms; for waits longer than a Log's. */
export async function until(holds: () => boolean | Promise<boolean>, what: string, deadlineMs: number): Promise<void> {
  const end = performance.now() + deadlineMs
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`${what} did not come to hold in ${deadlineMs} ms`)
    await pause(10)
  }
}

/** `work` for each item, `width` of them at a time; the results in their order. */
export async function each<T, R>(items: readonly T[], width: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++
      results[index] = await work(items[index]!)
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane))
  return results
}

/** How often each value occurs, as `3 × a, 1 × b`. */
export function tally(values: readonly (string | number)[]): string {
  const counts = new Map<string | number, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].map(([value, count]) => `${count} × ${value}`).join(', ')
}

/** Bytes as KiB or MiB. */
export function size(bytes: number): string {
  return Math.abs(bytes) < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}
