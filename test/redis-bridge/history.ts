// The history checker: from what every node published, delivered and reported it finds what must never be: a message
// twice, out of order, or that nobody sent; a loss that no gap covers; a gap that no loss explains.

import type { NodeRecord } from './node/records.ts'

/** What one run of a node wrote down. A restarted node is another one. */
export interface NodeLog {
  name: string
  records: readonly NodeRecord[]
  /** It was killed: its last messages may be lost without a word, and nothing is owed to it. */
  killedAt?: number
  /** It closed: nothing is owed to it any more. */
  closed?: boolean
}

export interface History {
  logs: readonly NodeLog[]
  /** Which node a gap's `node` means. */
  nameOf: ReadonlyMap<string, string>
  /** How long a bridge stays subscribed after the last member left. Default: the bridge's. */
  lingerMs?: number
}

export interface Verdict {
  violations: string[]
  /** The same, of those that later records may still mend: a loss that is not reported yet. */
  open: number
  published: number
  delivered: number
  lost: number
  gaps: number
  /** Lost with a publisher that was killed before it could tell. */
  unreported: number
  /** Lost in the first moment of a subscription, before anything else of that publisher came: no rule tells. */
  tooEarly: number
}

/** A publisher tells of its last message within this time; one that was killed earlier could not. */
const TAIL_MS = 2_500

/** The README's limit: what is lost so soon after the subscription may be from before it. */
const FIRST_MOMENT_MS = 300

/** A loss is told of within 2 s of the bus being back; faults that are shorter than this are mended by then. */
const TELL_MS = 5_000

/** A timer may be late. */
const BUSY_MS = 500

interface Told {
  missed: number | undefined
  from: string | undefined
  at: number
}

/** Judges a history. */
export function check(history: History): Verdict {
  const { logs, nameOf } = history
  const verdict: Verdict = {
    violations: [],
    open: 0,
    published: 0,
    delivered: 0,
    lost: 0,
    gaps: 0,
    unreported: 0,
    tooEarly: 0,
  }
  const publishers = new Map(logs.map((log) => [log.name, publishedBy(log)]))
  for (const times of publishers.values()) for (const list of times.values()) verdict.published += list.length
  for (const log of logs) {
    const say = (text: string): void => void verdict.violations.push(`${log.name}: ${text}`)
    const channels = new Map<string, NodeRecord[]>()
    for (const record of log.records) {
      if (record.what === 'stray') say(`a stray message in ${record.channel}: ${record.bytes}`)
      if (record.what === 'warning') say(record.text)
      if (record.what === 'gap') {
        verdict.gaps++
        if (record.node !== undefined && !nameOf.has(record.node)) say(`a gap of an unknown node ${record.node}`)
      }
      if (!('channel' in record)) continue
      const list = channels.get(record.channel)
      list ? list.push(record) : channels.set(record.channel, [record])
    }
    for (const [channel, records] of channels) {
      for (const publisher of logs) {
        const times = publishers.get(publisher.name)!.get(channel) ?? []
        new Walk(log, publisher, channel, times, history, verdict).run(records)
      }
    }
  }
  return verdict
}

function publishedBy(log: NodeLog): Map<string, number[]> {
  const times = new Map<string, number[]>()
  for (const record of log.records) {
    if (record.what !== 'published') continue
    const list = times.get(record.channel)
    list ? list.push(record.at) : times.set(record.channel, [record.at])
  }
  return times
}

/** What one node saw of one publisher in one channel, in its order. */
class Walk {
  #last = 0
  #joined = false
  #leftAt = Number.NEGATIVE_INFINITY
  /** When the subscription that is there began, at the earliest: it outlives short absences. */
  #interestedAt = 0
  /** When the last message of the publisher was delivered. */
  #heardAt = Number.NEGATIVE_INFINITY
  #readyAt = Number.POSITIVE_INFINITY
  /** Gaps since the last delivery. */
  #told: Told[] = []
  /** When members were ready, and until when. */
  readonly #owed: { from: number; to: number }[] = []
  readonly #log: NodeLog
  readonly #publisher: NodeLog
  readonly #channel: string
  readonly #times: readonly number[]
  readonly #nameOf: ReadonlyMap<string, string>
  readonly #lingerMs: number
  readonly #verdict: Verdict

  constructor(
    log: NodeLog,
    publisher: NodeLog,
    channel: string,
    times: readonly number[],
    { nameOf, lingerMs = 5_000 }: History,
    verdict: Verdict,
  ) {
    this.#log = log
    this.#publisher = publisher
    this.#channel = channel
    this.#times = times
    this.#nameOf = nameOf
    this.#lingerMs = lingerMs + BUSY_MS
    this.#verdict = verdict
  }

  run(records: readonly NodeRecord[]): void {
    for (const record of records) {
      switch (record.what) {
        case 'joined':
          this.#joined = true
          if (record.at - this.#leftAt > this.#lingerMs) this.#interestedAt = record.at
          // What a node says itself reaches its members at once.
          if (this.#own) this.#readyAt = record.at
          break
        case 'ready':
          if (!this.#own) this.#readyAt = Math.min(this.#readyAt, record.at)
          break
        case 'left':
          this.#joined = false
          this.#leftAt = record.at
          this.#owed.push({ from: this.#readyAt, to: record.at })
          this.#readyAt = Number.POSITIVE_INFINITY
          break
        case 'gap': {
          const from = record.node === undefined ? undefined : this.#nameOf.get(record.node)
          if (from !== undefined && from !== this.#publisher.name) break
          if (record.node !== undefined && from === undefined) break
          this.#told.push({ missed: record.missed, from, at: record.at })
          break
        }
        case 'delivered':
          if (record.from === this.#publisher.name) this.#deliver(record.seq, record.at)
      }
    }
    this.#end()
  }

  get #own(): boolean {
    return this.#log === this.#publisher
  }

  #deliver(seq: number, at: number): void {
    this.#verdict.delivered++
    const where = `${seq} of ${this.#publisher.name} in ${this.#channel}`
    if (!this.#joined) this.#say(`delivered to nobody: ${where}`)
    if (!(seq >= 1 && seq <= this.#times.length)) this.#say(`a phantom: ${where}`)
    else if (seq === this.#last) this.#say(`twice: ${where}`)
    else if (seq < this.#last) this.#say(`out of order or twice: ${where} after ${this.#last}`)
    else {
      this.#hole(seq, `before ${seq}`)
      this.#last = seq
      this.#heardAt = at
    }
  }

  /** Everything between the last delivered and `next` is lost: is it covered, and what covers nothing? */
  #hole(next: number, where: string, mayGrow = false): void {
    const told = this.#told.splice(0)
    const lost = next - 1 - this.#last
    const missing = this.#times.slice(this.#last, next - 1)
    const due = missing.map((at) => this.#due(at))
    const owed = due.filter((one) => one === 'owed').length
    this.#verdict.tooEarly += due.filter((one) => one === 'too early').length
    const known = told.reduce((sum, { missed }) => sum + (missed ?? 0), 0)
    const vague = told.some(({ missed }) => missed === undefined)
    const name = `${this.#publisher.name} in ${this.#channel} ${where}`
    this.#verdict.lost += owed
    if (known > lost) this.#say(`a false gap: ${known} reported, ${lost} lost, of ${name}`)
    // A gap without a node says that somebody's messages were lost, not whose.
    else if (told.some(({ from, missed }) => from !== undefined && missed === undefined)) {
      // A loss of which only that there was one is known must at least have been after the subscription began.
      if (!missing.some((at) => at > this.#interestedAt))
        this.#say(`a false gap: nothing lost since the join, of ${name}`)
    }
    if (!vague && known < owed) {
      const since = missing.filter((_, i) => due[i] === 'owed').map((at) => Math.round(at - this.#memberAt(at)!.from))
      this.#say(`silent loss: ${owed} lost, ${known} reported, of ${name}, said ${since} ms after it was ready`)
      if (mayGrow) this.#verdict.open++
    }
  }

  #end(): void {
    const over = this.#log.killedAt !== undefined || this.#log.closed
    if (over && !this.#own) return
    let end = this.#times.length
    const { killedAt } = this.#publisher
    if (killedAt !== undefined) {
      while (end > this.#last && this.#times[end - 1]! > killedAt - TAIL_MS) end--
      this.#verdict.unreported += this.#times.length - Math.max(end, this.#last)
      // Part of the tail may have been reported all the same.
      const known = this.#told.reduce((sum, { missed }) => sum + (missed ?? 0), 0)
      end = Math.min(Math.max(end, this.#last + known), this.#times.length)
    }
    this.#hole(end + 1, 'at the end', true)
  }

  /** When there was a member, around that time. */
  #memberAt(at: number): { from: number; to: number } | undefined {
    const all = [...this.#owed, { from: this.#readyAt, to: Number.POSITIVE_INFINITY }]
    return all.find(({ from, to }) => at > from && at < to)
  }

  /** Whether a message that did not come should have, or been reported. */
  #due(at: number): 'owed' | 'too early' | 'not' {
    const member = this.#memberAt(at)
    if (!member) return 'not'
    if (this.#own) return 'owed'
    // Who left before it could be told has lost nothing.
    if (at > member.to - TELL_MS) return 'not'
    return at < member.from + FIRST_MOMENT_MS && this.#heardAt < member.from ? 'too early' : 'owed'
  }

  #say(text: string): void {
    this.#verdict.violations.push(`${this.#log.name}: ${text}`)
  }
}
