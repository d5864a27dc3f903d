// Drives the campaign: rounds of scenarios at one site. After a round with a finding the site is given up, and where the
// culprit is not known, halves of the round are played again, each at a new site, until it is.

import { type Cell, cellsOf, type Scenario } from './scenario.ts'
import { type Finding, Site, type SiteOptions } from './site.ts'

export interface Plan extends Omit<SiteOptions, 'endWithinMs'> {
  readonly connections: number
  /** The first scenario's number. Default 0. */
  readonly from?: number
  /** Only cells whose name contains this, or the one of this name. */
  readonly only?: string
  /** Scenarios between two looks at what is left. Default 400. */
  readonly round?: number
  /** So many failed cells end the campaign. Default 10. */
  readonly failures?: number
  /** Default 12 s: all time-outs of a server one after the other, and a busy machine. */
  readonly endWithinMs?: number
  /** Hears of each cell as soon as it failed. */
  readonly onFailure?: (failure: Failure) => void
}

export interface Failure {
  /** Null: it showed only in company. */
  readonly cell: Cell | null
  readonly number: number
  readonly wrong: string
}

export interface Outcome {
  readonly connections: number
  /** Cells that were played. */
  readonly cells: number
  readonly failures: readonly Failure[]
  /** Rounds that were played again because the machine held the processes up. */
  readonly heldUp: number
}

const END_WITHIN_MS = 12_000
const ROUND = 400
/** How often a round is played on a machine too busy to play it. */
const ATTEMPTS = 3

export async function runCampaign(plan: Plan): Promise<Outcome> {
  const { connections, from = 0, only, round = ROUND, failures: maxFailures = 10, onFailure } = plan
  const options: SiteOptions = { ...plan, endWithinMs: plan.endWithinMs ?? END_WITHIN_MS }
  const cells = cellsOf(plan.seed, only)
  if (cells.length === 0) throw new RangeError(`no cell has ${only} in its name`)
  const failed = new Map<Cell | null, Failure>()
  const seen = new Set<Cell>()
  let played = 0
  let heldUp = 0
  let site: Site | null = null

  const fail = ({ scenario, wrong }: Finding, number: number): void => {
    const cell = scenario?.cell ?? null
    if (failed.has(cell)) return
    const failure = { cell, number: scenario?.number ?? number, wrong }
    failed.set(cell, failure)
    onFailure?.(failure)
  }
  const all = cells.map((cell) => ({ number: 0, cell }))
  for (let begin = from; begin < from + connections && failed.size < maxFailures; begin += round) {
    const numbers = Array.from({ length: Math.min(round, from + connections - begin) }, (_, i) => begin + i)
    // A cell that failed has been reported.
    const scenarios = numbers
      .map((number): Scenario => ({ number, cell: cells[number % cells.length]! }))
      .filter(({ cell }) => !failed.has(cell))
    site ??= await Site.open(all, options)
    let findings = await site.run(scenarios)
    for (let attempt = 1; findings.length > 0 && site.heldUp && attempt < ATTEMPTS; attempt++) {
      site.kill()
      heldUp++
      site = await Site.open(all, options)
      findings = await site.run(scenarios)
    }
    played += scenarios.length
    for (const { cell } of scenarios) seen.add(cell)
    if (findings.length === 0) continue
    site.kill()
    site = null
    for (const finding of findings) if (finding.scenario !== null) fail(finding, begin)
    const unknown = findings.find(({ scenario }) => scenario === null)
    if (unknown === undefined) continue
    const suspects = (unknown.suspects ?? scenarios).filter(({ cell }) => !failed.has(cell))
    const before = failed.size
    await narrow(suspects, unknown)
    if (failed.size === before && findings.every(({ scenario }) => scenario === null)) {
      const company = unknown.suspects?.map(({ cell }) => cell.name).join(', ')
      fail({ ...unknown, wrong: company === undefined ? unknown.wrong : `${unknown.wrong}; ${company}` }, begin)
    }
  }
  for (const finding of (await site?.close()) ?? []) fail(finding, from)
  return { connections: played, cells: seen.size, failures: [...failed.values()], heldUp }

  /** @returns what is wrong with one of them, of which it is not known with which. */
  async function tryAlone(scenarios: readonly Scenario[]): Promise<Finding | undefined> {
    const tried = await Site.open(scenarios, options)
    const findings = await tried.run(scenarios)
    tried.kill()
    for (const finding of findings) if (finding.scenario !== null) fail(finding, finding.scenario.number)
    return findings.find(({ scenario }) => scenario === null)
  }

  async function narrow(scenarios: readonly Scenario[], reason: Finding): Promise<void> {
    const [first] = scenarios
    if (first === undefined) return
    if (scenarios.every(({ cell }) => cell === first.cell)) return fail({ ...reason, scenario: first }, first.number)
    const middle = Math.ceil(scenarios.length / 2)
    const halves = [scenarios.slice(0, middle), scenarios.slice(middle)]
    const unknown = await Promise.all(halves.map(tryAlone))
    for (const [i, half] of halves.entries()) {
      const suspects = (unknown[i]?.suspects ?? half).filter(({ cell }) => !failed.has(cell))
      if (unknown[i] !== undefined && suspects.length > 0 && failed.size < maxFailures)
        await narrow(suspects, unknown[i])
    }
  }
}

/** A failure in words, with the command that plays it again. */
export function describeFailure({ cell, number, wrong }: Failure, seed: number, only = ''): string {
  const again =
    cell === null
      ? `pnpm faults:core ${only === '' ? '' : `--only=${only} `}--seed ${seed} --from ${number} --connections ${ROUND}`
      : `pnpm faults:core --only ${cell.name} --seed ${seed} --from ${number} --connections 1`
  return `FAILED ${cell?.name ?? 'in company only'}: ${wrong}\n  again: ${again}`
}
