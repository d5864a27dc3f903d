// `pnpm bench [scenario…] [memory]`: the same work for every server, rounds interleaved so that a noisy machine is unfair to
// nobody, medians at the end. See ../README.md.

import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { canPin } from './child.ts'
import { type Idle, measureIdle, memoryTable } from './memory.ts'
import { ratio, type Series, table } from './report.ts'
import { measure, SERVERS } from './round.ts'
import { SCENARIOS, scenarioNamed, scenariosNamed } from './scenarios.ts'

const BASE = 'ws'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    servers: { type: 'string', default: SERVERS.join(',') },
    'count-writes': { type: 'boolean', default: false },
    'at-least': { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const rounds = positive('rounds', options.rounds)
const seconds = positive('seconds', options.seconds)
const atLeast = options['at-least'] === undefined ? undefined : positive('at-least', options['at-least'])
const servers = options.servers.split(',')
for (const server of servers) {
  if (!(SERVERS as readonly string[]).includes(server))
    throw new RangeError(`no server ${server}; there are ${SERVERS}`)
}
const MEMORY = 'memory'
const isMemory = positionals.length === 0 || positionals.includes(MEMORY)
const words = positionals.filter((word) => word !== MEMORY)
const names = positionals.length > 0 ? [...new Set(words.flatMap(scenariosNamed))] : Object.keys(SCENARIOS)
if (atLeast !== undefined && names.length === 0) throw new RangeError('--at-least needs a scenario with deliveries')

const say = options.json ? (): void => {} : (line: string): void => console.log(line)
const results: Record<string, Series[]> = {}
say(`Node ${process.version}, ${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores`)
say(`${rounds} rounds of ${seconds} s, ${canPin ? 'server on core 0, load on core 1' : 'not pinned (no taskset)'}`)
for (const name of names) {
  const all = await run(name)
  results[name] = all
  say(`\n${name}: ${scenarioNamed(name).about}\n${table(all, named(all, BASE))}`)
}
const memory = isMemory ? await runMemory() : []
if (isMemory) say(`\nmemory: 2,000 idle sockets more, KiB for each\n${memoryTable(memory)}`)
if (options.json) {
  console.log(JSON.stringify({ node: process.version, pinned: canPin, seconds, results, memory }, null, 2))
}
if (atLeast !== undefined) judge(atLeast)

/** All rounds of one scenario, the servers taking turns. */
async function run(name: string): Promise<Series[]> {
  const all = servers.map((server): Series => ({ server, rounds: [] }))
  for (let round = 0; round < rounds; round++) {
    for (const series of all) {
      series.rounds.push(await measure(series.server, name, { seconds, countWrites: options['count-writes'] }))
    }
  }
  return all
}

/** All rounds of what idle sockets hold. */
async function runMemory(): Promise<Idle[]> {
  const all = servers.map((server): Idle => ({ server, plain: [], deflate: [] }))
  for (let round = 0; round < rounds; round++) {
    for (const { server, plain, deflate } of all) {
      plain.push(await measureIdle(server, 'idle-plain'))
      deflate.push(await measureIdle(server, 'idle-deflate'))
    }
  }
  return all
}

/** Fails the run when Roomcast is not that many times as fast as the base. */
function judge(least: number): void {
  for (const [name, all] of Object.entries(results)) {
    const [ours, base] = [named(all, 'roomcast'), named(all, BASE)]
    if (!ours || !base) throw new RangeError(`--at-least needs roomcast and ${BASE}`)
    const times = ratio(ours, base)
    const isEnough = times >= least
    say(`\n${name}: ${times.toFixed(1)} × ${BASE}, at least ${least} wanted: ${isEnough ? 'ok' : 'TOO SLOW'}`)
    if (!isEnough) process.exitCode = 1
  }
}

function named(all: Series[], server: string): Series | undefined {
  return all.find((series) => series.server === server)
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new RangeError(`--${name} must be above zero: ${text}`)
  return value
}
