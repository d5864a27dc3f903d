// Plays one scenario at a server: connects, walks to the step, does the fault, and sees to the end of it.

import { Buffer } from 'node:buffer'
import { setImmediate as turn } from 'node:timers/promises'
import { Random } from '../fuzz/random.ts'
import { LATE } from './handshake-steps.ts'
import { clientHello, type Layer, Peer } from './peer.ts'
import { type Address, OURS, SECOND } from './place.ts'
import { Requests } from './requests.ts'
import type { Scenario } from './scenario.ts'

/** When the last server to leave begins to: scenarios on it are ready before, and act then. */
interface Signal {
  /** Called when the step is reached. */
  ready(): void
  readonly begun: Promise<void>
}

export interface Stage {
  readonly seed: number
  readonly address: Address
  readonly signal: Signal | null
  /** Lookups and late handshakes of this scenario may decide. */
  decide(number: number): void
  /** The longest that an end may take to come. */
  readonly endWithinMs: number
}

export interface Played {
  /** Null where it never came to be. */
  readonly peer: Peer | null
  /** What was wrong; null: nothing. */
  readonly wrong: string | null
  /** It was gone before anybody decided: it must not have been opened. */
  readonly neverOpened: boolean
}

export async function play({ number, cell }: Scenario, stage: Stage): Promise<Played> {
  const { place, step, fault } = cell
  const random = new Random(stage.seed, number)
  let peer: Peer | null = null
  const undecided = step.undecided === 'always' || (step.undecided === 'framework' && place.kind === 'framework')
  const neverOpened = undecided && fault.leaves === true
  let isReady = false
  const ready = (): void => {
    if (!isReady) stage.signal?.ready()
    isReady = true
  }
  const played = (wrong: string | null): Played => ({ peer, wrong, neverOpened })
  if (!undecided) stage.decide(number)
  try {
    const path = place.kind === 'two' && random.oneIn(2) ? SECOND : OURS
    const requests = new Requests(number, { path, ...(step.belowTls && { hello: await clientHello() }) })
    const layer: Layer = place.endpoint !== 'tls' || step.belowTls ? 'plain' : (fault.layer ?? 'tls')
    peer = await Peer.connect(stage.address, layer)
    const send = sender(peer, random)
    await step.walk({ peer, place, random, requests, send })
    // Before the server leaves, or after it has begun to.
    if (stage.signal !== null && (step === LATE || random.oneIn(2))) {
      ready()
      await stage.signal.begun
      if (step === LATE) await send(requests.upgrade())
    }
    peer.polite = false
    await fault.act(peer, random, requests)
    ready()
    stage.decide(number)
    if (fault.after !== 'ends') return played(null)
    peer.resume()
    await peer.ended(stage.endWithinMs)
    return played(fault.silent ? wrongAnswer(peer, stage.signal === null ? step.answers?.(place) : undefined) : null)
  } catch (error) {
    // A server that leaves may end anybody, at every step.
    const expected = stage.signal !== null && peer?.end != null
    return played(expected ? null : (error as Error).message)
  } finally {
    ready()
    stage.decide(number)
  }
}

function wrongAnswer(peer: Peer, expected: readonly number[] | undefined): string | null {
  if (expected === undefined || `${peer.statuses}` === `${expected}`) return null
  return `expected the statuses [${expected}]; ${peer.seen()}`
}

/** Bytes at once, or one time in four in pieces. */
function sender(peer: Peer, random: Random): (...bytes: (string | Buffer)[]) => Promise<void> {
  return async (...parts) => {
    const bytes = Buffer.concat(parts.map((part) => Buffer.from(part as string)))
    if (!random.oneIn(4)) return peer.write(bytes)
    for (let at = 0; at < bytes.length; ) {
      const end = at + random.between(1, Math.max(1, bytes.length >> 1))
      peer.write(bytes.subarray(at, end))
      at = end
      await turn()
    }
  }
}
