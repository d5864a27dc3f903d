// `pnpm bench [scenario…]`: the same work for every server, rounds interleaved so that a noisy machine is unfair to nobody,
// medians at the end. See ../README.md.

import { BEFORE, buildBefore } from './before.ts'
import { CENTRIFUGO_VERSION, installCentrifugo } from './centrifugo.ts'
import { churnTable, measureChurn } from './churn.ts'
import { CONTEXTS, type ContextName, contextTable, measureContext } from './context.ts'
import { comingBackTable, ENGINE, LEAST_ROUNDS, measureComingBack, numberedLine, STREAMED } from './history.ts'
import { describeMachine, machineLine, socketsWithin } from './machine.ts'
import { compressionNote, connectTable, measureIdle, memoryTable } from './memory.ts'
import { BASE, readOptions } from './options.ts'
import { packagesOf } from './peers.ts'
import { prepare } from './prepare.ts'
import { profileTable } from './profile.ts'
import { BRIDGED, findRedis, measureRedis, redisTable } from './redis.ts'
import { asMarkdown, asText, OURS, ratio, type Series, type Table, timesText, trafficTable } from './report.ts'
import { measure, type Round } from './round.ts'
import { REDIS_SCENARIOS, scenarioNamed } from './scenarios.ts'
import { measureSdk, type SdkServer, sdkTable } from './sdk.ts'
import { SDK_SCENARIOS, type SdkScenarioName } from './sdk-scenarios.ts'

const options = readOptions(process.argv.slice(2))
const machine = describeMachine()
/** Everything but the report itself. */
const say = (line: string): void => (options.output === 'text' ? console.log(line) : console.error(line))
say(machineLine(machine))
if (options.profile) {
  for (const name of options.scenarios) print(await profileTable(name, options.seconds))
  process.exit()
}
const needsPeers = options.scenarios.length > 0 || options.others.some((name) => !name.startsWith('sdk-'))
const servers = needsPeers ? await prepare(options.servers, options.before, say) : []
const results: Record<string, Series<unknown>[]> = {}

for (const name of options.scenarios) await runTraffic(name)
comparePlain()
if (options.others.includes('connect')) await runConnect()
if (options.others.includes('memory')) await runMemory()
if (options.others.includes('churn')) {
  const all = await interleaved(servers, measureChurn)
  Object.assign(results, { churn: all })
  print(churnTable(`2,000 sockets, each in and out of 10 of 1,000 rooms, in memory (${options.rounds} rounds)`, all))
}
if (options.others.includes('context')) await runContext()
if (options.others.includes('redis')) await runRedis()
if (options.others.includes('history')) await runHistory()
const sdk = (Object.keys(SDK_SCENARIOS) as SdkScenarioName[]).filter((name) => options.others.includes(`sdk-${name}`))
if (sdk.length > 0) await runSdk(sdk)
if (options.output === 'json') {
  const versions = Object.fromEntries(servers.map((server) => [server, packagesOf(server)]))
  const { rounds, seconds } = options
  console.log(JSON.stringify({ machine, versions, rounds, seconds, results }, null, 2))
}

/** A scenario with deliveries. */
async function runTraffic(name: string): Promise<void> {
  const { about, sockets: wanted, beside, leastSeconds = 0 } = scenarioNamed(name)
  const sockets = socketsWithin(wanted, beside ? scenarioNamed(beside).sockets : 0)
  const isFewer = sockets < wanted
  if (isFewer) say(`\n!! ${name}: ${sockets} sockets, not ${wanted}: the limit of open files is ${machine.openFiles}`)
  const seconds = Math.max(options.seconds, leastSeconds)
  const { countWrites } = options
  const all = await interleaved(servers, (server) =>
    measure(server, name, { seconds, countWrites, ...(isFewer && { sockets }) }),
  )
  results[name] = all
  const fewer = isFewer ? `; HERE ${sockets} MEMBERS, for want of open files` : ''
  print(trafficTable(name, `${about} (${options.rounds} rounds of ${seconds} s${fewer})`, all))
  if (options.atLeast !== undefined) judge(name, all, options.atLeast)
}

/** What compression saves a room that is as busy, or costs it. */
function comparePlain(): void {
  const [compressed, plain] = ['deflate-4k', 'plain-4k'].map((name) =>
    results[name]?.find(({ server }) => server === OURS),
  ) as Series[]
  if (!compressed || !plain) return
  const times = ratio(compressed, plain, (round) => round.serverCpuUsPerDelivery)
  say(`\n${OURS}, 4 KiB compressed / plain, by CPU: ${timesText(times)}`)
}

/** What handshakes cost. */
async function runConnect(): Promise<void> {
  const all = await interleaved(servers, (server) => measureIdle(server, 'idle-2k', 'idle-10k'))
  Object.assign(results, { connect: all })
  print(connectTable(`10,000 handshakes, 100 at a time, after 2,000 others (${options.rounds} rounds)`, all))
}

/** What idle sockets hold. */
async function runMemory(): Promise<void> {
  const of = `for each of`
  const all = await interleaved(servers, (server) => measureIdle(server, 'idle-2k', 'idle-10k'))
  Object.assign(results, { memory: all })
  print(memoryTable('memory', `${of} 10,000 idle sockets, after 2,000 others (${options.rounds} rounds)`, all))
  const node = servers.filter((name) => name === OURS || name === BASE)
  const plain = await interleaved(node, (server) => measureIdle(server, 'idle-2k', 'idle-2k'))
  const agreed = await interleaved(node, (server) => measureIdle(server, 'idle-2k-deflate', 'idle-2k-deflate'))
  Object.assign(results, { 'memory-off': plain, 'memory-agreed': agreed })
  print(memoryTable('memory, compression off', `${of} 2,000 idle sockets, after as many others`, plain))
  const table = memoryTable('memory, compression agreed', `${of} 2,000 idle sockets, after as many others`, agreed)
  print({ ...table, notes: [...table.notes, compressionNote(plain, agreed)] })
}

/** What clients cost that keep their compression context. */
async function runContext(): Promise<void> {
  const all = await interleaved(Object.keys(CONTEXTS) as ContextName[], measureContext)
  Object.assign(results, { context: all })
  print(contextTable(`1,000 clients of ${OURS} with 50 compressed messages each (${options.rounds} rounds)`, all))
}

/** Two nodes over one Redis. */
async function runRedis(): Promise<void> {
  if (!findRedis()) {
    return say(
      '\n!! redis LEFT OUT: no redis-server; install one, set REDIS_SERVER_BIN, or run the tests, which fetch one',
    )
  }
  const bridged = servers.filter((server) => BRIDGED.includes(server))
  for (const [name, { about }] of Object.entries(REDIS_SCENARIOS)) {
    const all = await interleaved(bridged, (server) => measureRedis(server, name, options.seconds))
    results[name] = all
    print(redisTable(name, `${about} (${options.rounds} rounds of ${options.seconds} s)`, all))
  }
}

/** What numbers and histories cost. */
async function runHistory(): Promise<void> {
  const { seconds } = options
  const rounds = Math.max(options.rounds, LEAST_ROUNDS)
  const engine = await prepare(ENGINE, undefined, say)
  const busy = await interleaved(engine, (server) => measure(server, 'busy', { seconds, countWrites: false }), rounds)
  const back = await interleaved(['rooms-history'] as const, measureComingBack)
  Object.assign(results, { history: busy, 'history-back': back })
  print(
    trafficTable(
      'history',
      `${scenarioNamed('busy').about}, in memory (${rounds} rounds of ${seconds} s)`,
      busy,
      ENGINE[0],
    ),
  )
  const { line, isEnough } = numberedLine(busy)
  say(`\n${line}`)
  if (!isEnough) process.exitCode = 1
  print(comingBackTable(options.rounds, back))
  if (!findRedis()) return say('\n!! history over Redis LEFT OUT: no redis-server')
  const streamed = await prepare(STREAMED, undefined, say)
  for (const [name, { about }] of Object.entries(REDIS_SCENARIOS)) {
    const all = await interleaved(streamed, (server) => measureRedis(server, name, seconds))
    results[`history-${name}`] = all
    print(redisTable(`history, ${name}`, `${about} (${options.rounds} rounds of ${seconds} s)`, all, STREAMED[0]))
  }
}

/** The protocol of Centrifugo's SDKs. */
async function runSdk(names: readonly SdkScenarioName[]): Promise<void> {
  if (process.platform !== 'linux') return say('\n!! sdk LEFT OUT: what a process used is read where Linux writes it')
  const missing = await installCentrifugo(say)
  if (options.before !== undefined) buildBefore(options.before)
  const all: SdkServer[] = options.before === undefined ? [OURS] : [OURS, BEFORE]
  if (missing === undefined) all.push('centrifugo')
  if (missing === undefined) say(`Centrifugo ${CENTRIFUGO_VERSION}, with GOMAXPROCS=1`)
  for (const name of names) {
    const series = await interleaved(all, (server) => measureSdk(server, name, options.seconds))
    results[`sdk-${name}`] = series
    print(sdkTable(name, `${options.rounds} rounds`, series, missing))
  }
}

/** All rounds, the servers taking turns. One that fails is out. */
async function interleaved<Name extends string, Figures>(
  of: readonly Name[],
  measureOnce: (server: Name) => Promise<Figures>,
  rounds = options.rounds,
) {
  const all = of.map((server): Series<Figures> & { server: Name } => ({ server, rounds: [] }))
  for (let round = 0; round < rounds; round++) {
    for (const series of all) {
      if (series.failure !== undefined) continue
      try {
        series.rounds.push(await measureOnce(series.server))
      } catch (error) {
        series.failure = error instanceof Error ? error.message : String(error)
        process.exitCode = 1
      }
    }
  }
  return all
}

function print(table: Table): void {
  if (options.output === 'text') console.log(`\n${asText(table)}`)
  if (options.output === 'markdown') console.log(`\n${asMarkdown(table)}`)
}

/** Fails the run when a delivery does not cost the base that many times as much CPU as Roomcast: the steadier figure, where
 * others use the machine too. */
function judge(name: string, all: Series<Round>[], least: number): void {
  const [ours, base] = [OURS, BASE].map((server) => all.find((series) => series.server === server))
  if (!ours || !base) throw new RangeError(`--at-least needs ${OURS} and ${BASE}`)
  const times = ratio(base, ours, (round) => round.serverCpuUsPerDelivery)
  const isEnough = times !== undefined && times >= least
  say(`\n${name}: ${timesText(times)} × ${BASE}, by CPU, at least ${least} wanted: ${isEnough ? 'ok' : 'TOO SLOW'}`)
  if (!isEnough) process.exitCode = 1
}
