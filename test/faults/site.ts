// A server's process with its places open and a bystander on each: plays scenarios there, and looks at what is left when
// they are over.

import { setTimeout as wait } from 'node:timers/promises'
import { Bystander } from './bystander.ts'
import { HeldUp } from './held-up.ts'
import { Peer } from './peer.ts'
import { type Address, type Break, nameOf, type Place, type Sample } from './place.ts'
import { type Played, play } from './play.ts'
import { Requests } from './requests.ts'
import type { Scenario } from './scenario.ts'
import { ServerProcess } from './server-process.ts'

/** Connections at a time. */
const AT_ONCE = 120
/** Held up for so long, a process may have caused time-outs itself: half of the shortest that strikes a peer which waits. */
const HELD_UP_MS = 400

const ownHeldUp = new HeldUp()
/** Between two looks at what is left. */
const LOOK_MS = 50

export interface SiteOptions {
  /** The built server.js. */
  readonly program: URL
  readonly seed: number
  readonly broken?: Break | undefined
  /** The longest that the end of a connection may take to come, and of everything that it left. */
  readonly endWithinMs: number
}

export interface Finding {
  /** Null: it is not known which of those that were played. */
  readonly scenario: Scenario | null
  readonly wrong: string
  /** One of these, or it takes several of them. Default: all that were played. */
  readonly suspects?: readonly Scenario[]
}

interface Open {
  readonly id: number
  readonly address: Address
  readonly bystander: Bystander
}

export class Site {
  readonly #options: SiteOptions
  readonly #server: ServerProcess
  readonly #places = new Map<string, Open>()
  /** What the process holds with nobody there, and what it must come back to. */
  #emptyResources = ''
  #resources = ''
  #findings: Finding[] = []
  #serverHeldUpMs = 0

  private constructor(options: SiteOptions) {
    this.#options = options
    this.#server = new ServerProcess(options.program, options.broken)
  }

  /** Opens the places that these scenarios need. */
  static async open(scenarios: readonly Scenario[], options: SiteOptions): Promise<Site> {
    const site = new Site(options)
    const places = scenarios.filter(({ cell }) => cell.leaving === null).map(({ cell }) => cell.place)
    await site.#open([...new Set(places)])
    return site
  }

  async #open(places: readonly Place[]): Promise<void> {
    const open = []
    for (const place of places) open.push({ place, ...(await this.#server.open(place)) })
    this.#emptyResources = await this.#countResources()
    for (const [index, { place, id, address }] of open.entries()) {
      // A framework's lookup for it.
      this.#server.decide(-1 - index)
      this.#places.set(nameOf(place), { id, address, bystander: await Bystander.connect(place, address, -1 - index) })
    }
    this.#resources = await this.#countResources()
  }

  /** Plays all of them, then looks at what is left. Empty: nothing is wrong. After a finding the site is of no use. */
  async run(scenarios: readonly Scenario[]): Promise<Finding[]> {
    this.#findings = []
    ownHeldUp.forget()
    try {
      const played = await this.#playAll(scenarios)
      const left = await this.#settle()
      this.#judge(played, left)
      for (const { peer } of played.values()) peer?.destroy()
      if (this.#findings.length === 0) await this.#placesCameBack(scenarios)
      await Promise.all([...this.#places.values()].map(({ bystander }) => bystander.check()))
      await this.#server.forget()
    } catch (error) {
      this.#find(null, (error as Error).message)
    }
    for (const { bystander } of this.#places.values()) if (bystander.wrong) this.#find(null, bystander.wrong)
    for (const trouble of this.#server.troubles) this.#find(null, trouble)
    // When the process ends everybody is cut off: that says nothing of each.
    return this.#server.ended === null ? this.#findings : [{ scenario: null, wrong: this.#server.ended }]
  }

  /** Ends the bystanders and closes every server: nothing is left, and the process ends by itself. */
  async close(): Promise<Finding[]> {
    this.#findings = []
    try {
      await Promise.all([...this.#places.values()].map(({ bystander }) => bystander.end()))
      const places = [...this.#places.values()]
      this.#places.clear()
      this.#resources = this.#emptyResources
      this.#judge(new Map(), await this.#settle())
      await Promise.all(places.map(({ id }) => this.#server.shut(id)))
      this.#server.finish()
      const code = await Promise.race([this.#server.exit, wait(this.#options.endWithinMs, 'did not end')])
      if (code !== 0)
        this.#find(null, this.#server.ended ?? 'the server’s process does not end when everything is closed')
    } catch (error) {
      this.#find(null, (error as Error).message)
    }
    this.kill()
    return this.#findings
  }

  /** Was one of the two processes held up in the last run, and is alive? What was found then may be its own fault. */
  get heldUp(): boolean {
    return this.#server.ended === null && Math.max(this.#serverHeldUpMs, ownHeldUp.longestMs) >= HELD_UP_MS
  }

  kill(): void {
    this.#server.kill()
  }

  #find(scenario: Scenario | null, wrong: string, suspects?: readonly Scenario[]): void {
    this.#findings.push({ scenario, wrong, ...(suspects !== undefined && { suspects }) })
  }

  async #playAll(scenarios: readonly Scenario[]): Promise<Map<Scenario, Played>> {
    const played = new Map<Scenario, Played>()
    const tasks: (() => Promise<void>)[] = []
    const leaving = new Map<string, Scenario[]>()
    for (const scenario of scenarios) {
      const { place, leaving: how } = scenario.cell
      if (how !== null) {
        const group = `${nameOf(place)} ${how}`
        leaving.set(group, [...(leaving.get(group) ?? []), scenario])
      } else {
        tasks.push(async () => {
          const { address } = this.#places.get(nameOf(place))!
          played.set(scenario, await play(scenario, { ...this.#stage, address, signal: null }))
        })
      }
    }
    for (const group of leaving.values()) tasks.push(() => this.#playLeaving(group, played))
    await inTurn(tasks)
    return played
  }

  get #stage() {
    const { seed, endWithinMs } = this.#options
    return { seed, endWithinMs, decide: (n: number) => this.#server.decide(n) }
  }

  /** Scenarios at a server of their own, which leaves when all have reached their step. */
  async #playLeaving(scenarios: readonly Scenario[], played: Map<Scenario, Played>): Promise<void> {
    const { place, leaving } = scenarios[0]!.cell
    const { id, address } = await this.#server.open(place)
    let begin = (): void => {}
    const begun = new Promise<void>((resolve) => {
      begin = resolve
    })
    let waiting = scenarios.length
    const left = new Promise<void>((resolve) => {
      const ready = async (): Promise<void> => {
        if (--waiting > 0) return
        const leave = this.#server.leave(id, leaving!)
        begin()
        try {
          const { pendingClosed } = await leave
          for (const scenario of scenarios) {
            if (pendingClosed.includes(scenario.number))
              this.#find(scenario, `${leaving}() did not wait for its closed`)
          }
        } catch (error) {
          this.#find(null, `${leaving}(): ${(error as Error).message}`, scenarios)
        }
        resolve()
      }
      for (const scenario of scenarios) {
        void play(scenario, { ...this.#stage, address, signal: { ready: () => void ready(), begun } }).then((result) =>
          played.set(scenario, result),
        )
      }
    })
    await left
    while (scenarios.some((scenario) => !played.has(scenario))) await wait(LOOK_MS)
    await this.#server
      .shut(id)
      .catch((error: Error) => this.#find(null, `${leaving}, then ${error.message}`, scenarios))
  }

  #judge(played: ReadonlyMap<Scenario, Played>, left: Sample): void {
    const before = this.#findings.length
    const [opened, open, wrongly] = [left.opened, left.open, left.closedWrongly].map((list) => new Set(list))
    for (const [scenario, { wrong, neverOpened }] of played) {
      const { number } = scenario
      if (wrong !== null) this.#find(scenario, wrong)
      if (open!.has(number)) this.#find(scenario, 'its socket is still open')
      if (wrongly!.has(number)) this.#find(scenario, 'its socket was closed twice, or never opened')
      if (neverOpened && opened!.has(number)) this.#find(scenario, 'opened for a peer that had left')
    }
    if (this.#findings.length > before || this.#isSettled(left)) return
    const { sockets, pendingHandshakes, resources } = left
    this.#find(
      null,
      `left: ${sockets} sockets and ${pendingHandshakes} pending handshakes with ${this.#places.size} bystanders; ` +
        `resources ${show(resources)} instead of ${this.#resources}`,
    )
  }

  /** What is in the server's process when all that the scenarios left is gone, or had the time to. */
  async #settle(): Promise<Sample> {
    const end = performance.now() + this.#options.endWithinMs
    for (;;) {
      const sample = await this.#server.sample()
      this.#serverHeldUpMs = sample.heldUpMs
      if (this.#isSettled(sample) || performance.now() > end) return sample
      await wait(LOOK_MS)
    }
  }

  #isSettled({ sockets, pendingHandshakes, open, resources }: Sample): boolean {
    const steady = show(resources) === this.#resources
    return sockets === this.#places.size && pendingHandshakes === 0 && open.length === 0 && steady
  }

  async #countResources(): Promise<string> {
    return show((await this.#server.sample()).resources)
  }

  /** Every scenario's address held one place: the next connection of that address gets it. */
  async #placesCameBack(scenarios: readonly Scenario[]): Promise<void> {
    const tasks = scenarios
      .filter(({ cell }) => cell.leaving === null)
      .map((scenario) => async () => {
        const { number, cell } = scenario
        const { address } = this.#places.get(nameOf(cell.place))!
        this.#server.decide(number)
        try {
          const peer = await Peer.connect(address, cell.place.endpoint === 'tls' ? 'tls' : 'plain')
          peer.write(new Requests(number).upgrade())
          await peer.expect(101)
          await peer.reset()
        } catch (error) {
          this.#find(scenario, `the next connection of its address: ${(error as Error).message}`)
        }
      })
    await inTurn(tasks)
    const left = await this.#settle()
    this.#judge(new Map(), left)
  }
}

function show(resources: Sample['resources']): string {
  return JSON.stringify(Object.entries(resources).sort())
}

/** Runs tasks, so many at a time. */
async function inTurn(tasks: readonly (() => Promise<void>)[]): Promise<void> {
  const queue = tasks.values()
  const worker = async (): Promise<void> => {
    for (const task of queue) await task()
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}
