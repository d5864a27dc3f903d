// What was published, what arrived at each node, what was delivered and what was reported, and the judgement: nothing
// twice, nothing out of order, nothing that was never said, no loss that was not reported, no report without a loss.

import type { GapInfo } from '@roomcast/channels'

interface Published {
  at: number
  /** What should become of it. */
  fate: Fate
  executedAt?: number
  isRefused?: boolean
}

/** `'owed'`: taken for the bus, and nothing is wrong with it. */
export type Fate = 'owed' | 'poison' | 'dropped'

interface Membership {
  /** When the first of an unbroken row of memberships began. */
  since: number
  readyAt: number | undefined
  leftAt: number | undefined
  /** Which link there was when it was left. */
  turn: unknown
}

/** What one node saw of one publisher's messages in one channel. */
interface View {
  arrived: Set<number>
  delivered: Set<number>
  claimed: Set<number>
  /** The highest number that arrived or was claimed. */
  position: number
  lastDelivered: number
}

/** Envelopes are taken to be on their way for up to so long. */
const TRANSIT_MS = 2000

/** Nothing that waited for longer is written; and what a virtual loop takes. */
const MAX_WAIT_MS = 60_000 + 300

/** What is given up for its age has waited for this long: messages of a batch grow old together. */
const GIVEN_UP_MS = 60_000 - 1000 - 300

/** The same where the connection was lost right after the subscription. An envelope that was on its way for longer, behind
 * a stall, may make an alarm that is false. */
const CUT_TRANSIT_MS = 300

const NEVER_SAID = { publisher: 'nobody', channel: 'nowhere', number: 0 }

/** Whose id it is: the ids of one node begin alike. */
export function ownerOf(id: string): string {
  return id.slice(0, 8)
}

/** A record of everything. Numbers count per publisher and channel, as the bridge does. */
export class History {
  readonly #now: () => number
  readonly #published = new Map<string, Published[]>()
  /** Which message a text is. */
  readonly #messages = new Map<string, { publisher: string; channel: string; number: number }>()
  readonly #views = new Map<string, View>()
  readonly #memberships = new Map<string, Membership[]>()
  readonly #lingerMs: number
  /** Publishers that ended, with the receivers that their last marks did not reach: nobody can tell those. */
  readonly untold = new Map<string, Set<string>>()
  /** Receivers that are not there any more. */
  readonly gone = new Set<string>()
  readonly faults: string[] = []
  lost = 0
  /** Lost so soon after the first subscription, and before anything else of that publisher, that no rule can tell. */
  tooEarly = 0
  /** False alarms of envelopes that were on their way for longer than the rule allows. */
  tooLate = 0
  deliveries = 0
  gaps = 0
  /** When a node said of a channel that it lost something of somebody: there everything begins anew. */
  readonly #vagueGaps = new Map<string, number[]>()
  #someGaps: { receiver: string; channel: string; publisher: string }[] = []

  constructor(now: () => number, lingerMs: number) {
    this.#now = now
    this.#lingerMs = lingerMs
  }

  publish(publisher: string, channel: string, key: string, fate: Fate): void {
    const list = getOr(this.#published, `${publisher} ${channel}`, () => [])
    this.#messages.set(key, { publisher, channel, number: list.push({ at: this.#now(), fate }) })
  }

  /** An envelope of messages arrived at the bus, which took or refused it. */
  handled(publisher: string, channel: string, first: number, count: number, isTaken: boolean): void {
    const list = this.#published.get(`${publisher} ${channel}`) ?? []
    for (const one of list.slice(first - 1, first - 1 + count)) {
      if (isTaken) one.executedAt ??= this.#now()
      else one.isRefused = true
    }
  }

  /** @param turn which link the node has at the moment: over the end of a link nothing lingers. */
  joined(receiver: string, channel: string, turn: unknown): Membership {
    const list = getOr(this.#memberships, `${receiver} ${channel}`, () => [])
    const before = list.at(-1)
    const now = this.#now()
    const unbroken = before?.leftAt !== undefined && now - before.leftAt < this.#lingerMs && before.turn === turn
    const membership = { since: unbroken ? before.since : now, readyAt: undefined, leftAt: undefined, turn }
    list.push(membership)
    return membership
  }

  ready(membership: Membership): void {
    if (membership.leftAt === undefined) membership.readyAt ??= this.#now()
  }

  left(receiver: string, channel: string, turn: unknown): void {
    const last = this.#memberships.get(`${receiver} ${channel}`)?.at(-1)
    if (last === undefined || last.leftAt !== undefined) return
    last.leftAt = this.#now()
    last.turn = turn
  }

  delivered(receiver: string, channel: string, key: string): void {
    this.deliveries++
    const { publisher, channel: spokenIn, number: n } = this.#messages.get(key) ?? NEVER_SAID
    const what = `${publisher} ${n} in ${spokenIn} at ${receiver}`
    if (spokenIn !== channel) this.#fault(`phantom ${what} in ${channel}`)
    if (ownerOf(publisher) === ownerOf(receiver)) this.#fault(`echo ${what}`)
    if (this.#membership(receiver, channel) === undefined) this.#fault(`delivered to nobody ${what}`)
    const view = this.#view(receiver, publisher, channel)
    if (view.delivered.has(n)) this.#fault(`duplicate ${what}`)
    else if (n < view.lastDelivered) this.#fault(`reordered ${what} after ${view.lastDelivered}`)
    view.lastDelivered = Math.max(view.lastDelivered, n)
    view.delivered.add(n)
  }

  /** An envelope is written: nothing is, that waited too long. */
  written(publisher: string, channel: string, first: number): void {
    const said = this.#published.get(`${publisher} ${channel}`)?.[first - 1]
    if (said !== undefined && this.#now() - said.at > MAX_WAIT_MS)
      this.#fault(`late: ${publisher} ${first} in ${channel}`)
  }

  /** An envelope was handled: called after everything it brought about. */
  arrived(receiver: string, publisher: string, channel: string, before: number, last: number, ageMs: number): void {
    const view = this.#view(receiver, publisher, channel)
    for (const gap of this.#someGaps.splice(0)) {
      if (gap.receiver !== receiver || gap.channel !== channel || gap.publisher !== publisher) {
        this.#fault('a gap while something else was handled')
      } else if (this.#claim(receiver, publisher, channel, view, before) === 0) {
        const transitMs = this.#now() - this.#published.get(`${publisher} ${channel}`)![before - 1]!.at - ageMs
        if (transitMs > CUT_TRANSIT_MS) this.tooLate++
        else this.#fault(`false alarm at ${receiver}: ${publisher} in ${channel} before ${before}`)
      }
    }
    for (let n = before + 1; n <= last; n++) view.arrived.add(n)
    view.position = Math.max(view.position, last)
  }

  gap(receiver: string, channel: string, { node, missed }: GapInfo): void {
    this.gaps++
    if (this.#membership(receiver, channel) === undefined) this.#fault(`a gap for nobody at ${receiver} in ${channel}`)
    if (node === undefined) {
      // Deaf for too long: it may or may not have lost something.
      getOr(this.#vagueGaps, `${receiver} ${channel}`, () => []).push(this.#now())
      for (const [key, list] of this.#published) {
        const [publisher, spokenIn] = key.split(' ') as [string, string]
        if (spokenIn !== channel || ownerOf(publisher) === ownerOf(receiver)) continue
        this.#claim(receiver, publisher, channel, this.#view(receiver, publisher, channel), list.length)
      }
    } else if (missed === undefined) {
      this.#someGaps.push({ receiver, channel, publisher: node })
    } else {
      const view = this.#view(receiver, node, channel)
      for (let n = view.position + 1; n <= view.position + missed; n++) {
        if (view.arrived.has(n) || n > this.#published.get(`${node} ${channel}`)!.length) {
          this.#fault(`false alarm at ${receiver}: ${node} ${n} in ${channel} did arrive, or was never said`)
        }
        view.claimed.add(n)
      }
      view.position += missed
    }
  }

  /** At the end, when all is quiet: no loss may be unreported, and nothing lost for another's sake. */
  judge(): string[] {
    for (const [source, list] of this.#published) this.#judgeFates(source, list)
    for (const [key, memberships] of this.#memberships) {
      const [receiver, channel] = key.split(' ') as [string, string]
      const last = memberships.at(-1)!
      if (this.gone.has(receiver) || last.readyAt === undefined || last.leftAt !== undefined) continue
      for (const [source, list] of this.#published) {
        const [publisher, spokenIn] = source.split(' ') as [string, string]
        if (spokenIn === channel && ownerOf(publisher) !== ownerOf(receiver))
          this.#judge(receiver, publisher, channel, last, list)
      }
    }
    return this.faults
  }

  /** What the bus would have taken is given up when it is too old only. */
  #judgeFates(source: string, list: readonly Published[]): void {
    /** When the first of those behind was there. */
    let behindAt = Number.POSITIVE_INFINITY
    for (let i = list.length - 1; i >= 0; i--) {
      const { at, fate, executedAt, isRefused } = list[i]!
      if (fate === 'owed' && executedAt === undefined && !isRefused && behindAt - at < GIVEN_UP_MS) {
        this.#fault(`given up for nothing: ${source} ${i + 1}, published ${at}`)
      }
      behindAt = Math.min(behindAt, executedAt ?? Number.POSITIVE_INFINITY)
    }
  }

  #judge(
    receiver: string,
    publisher: string,
    channel: string,
    membership: Membership,
    list: readonly Published[],
  ): void {
    const { since } = membership
    const readyAt = membership.readyAt!
    const view = this.#view(receiver, publisher, channel)
    const vague = this.#vagueGaps.get(`${receiver} ${channel}`) ?? []
    list.forEach(({ at }, i) => {
      const n = i + 1
      if (at < readyAt || view.delivered.has(n)) return
      this.lost++
      if (view.claimed.has(n)) return
      if (this.untold.get(ownerOf(publisher))?.has(receiver) && n > view.position) return
      const begins = [{ since, at: readyAt }, ...vague.map((gapAt) => ({ since: gapAt, at: gapAt }))]
      const isTooEarly = begins.some((begin) => {
        if (at < begin.since || at > begin.at + TRANSIT_MS) return false
        return !list.some((other, k) => k < i && other.at >= begin.since && view.arrived.has(k + 1))
      })
      if (isTooEarly) {
        this.tooEarly++
        return
      }
      this.#fault(`silent loss at ${receiver}: ${publisher} ${n} in ${channel}, published ${at}, ready ${readyAt}`)
    })
  }

  /** Claims what did not arrive up to a number, since the receiver's interest began; how much that was. */
  #claim(receiver: string, publisher: string, channel: string, view: View, upTo: number): number {
    const since = this.#membership(receiver, channel)?.since ?? Number.POSITIVE_INFINITY
    const list = this.#published.get(`${publisher} ${channel}`) ?? []
    let claimed = 0
    for (let n = 1; n <= upTo; n++) {
      if (list[n - 1]!.at < since || view.arrived.has(n) || view.claimed.has(n)) continue
      view.claimed.add(n)
      claimed++
    }
    return claimed
  }

  #membership(receiver: string, channel: string): Membership | undefined {
    const last = this.#memberships.get(`${receiver} ${channel}`)?.at(-1)
    return last?.leftAt === undefined ? last : undefined
  }

  #view(receiver: string, publisher: string, channel: string): View {
    return getOr(this.#views, `${receiver} ${publisher} ${channel}`, () => {
      return { arrived: new Set(), delivered: new Set(), claimed: new Set(), position: 0, lastDelivered: 0 }
    })
  }

  #fault(what: string): void {
    this.faults.push(`${what} (at ${this.#now().toFixed(1)})`)
  }
}

function getOr<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}
