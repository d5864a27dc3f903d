// Where Roomcast's time goes: a CPU profile of its server under a scenario, as a table by function.

import { mkdirSync, readFileSync } from 'node:fs'
import type { Profiler } from 'node:inspector'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CACHE } from './peers.ts'
import type { Table } from './report.ts'
import { measure } from './round.ts'
import { scenarioNamed } from './scenarios.ts'

const WORKSPACE = fileURLToPath(new URL('../../', import.meta.url))
const FUNCTIONS = 20
/** What V8 calls time in which the process waited. */
const IDLE = '(idle)'

/** Runs a scenario once, with the server profiled, and keeps the profile for whoever wants a flame graph. */
export async function profileTable(name: string, seconds: number): Promise<Table> {
  const [folder, file] = [`${CACHE}profiles/`, `${name}.cpuprofile`]
  mkdirSync(folder, { recursive: true })
  const round = await measure('roomcast', name, { seconds, countWrites: false, profile: { folder, file } })
  const profile = JSON.parse(readFileSync(folder + file, 'utf8')) as Profiler.Profile
  const { functions, idleShare } = selfTimes(profile, { fromUs: round.fromUs ?? 0, toUs: round.toUs ?? Infinity })
  return {
    name: `profile of ${name}`,
    about: scenarioNamed(name).about,
    lines: [
      ['function', 'where', '% of busy time', 'µs/delivery'],
      ...functions
        .slice(0, FUNCTIONS)
        .map(({ name: what, where, share }) => [
          what,
          where,
          (share * 100).toFixed(1),
          (share * round.serverCpuUsPerDelivery).toFixed(3),
        ]),
    ],
    notes: [
      `${(round.deliveriesPerSecond / 1000).toFixed(0)} k deliveries/s, ${round.serverCpuUsPerDelivery.toFixed(2)} µs ` +
        `of server CPU each; idle ${(idleShare * 100).toFixed(0)} % of the time; ${relative(WORKSPACE, folder + file)}`,
    ],
  }
}

/** One function's own time, without what it called. */
interface SelfTime {
  name: string
  where: string
  /** Of all time that was not idle. */
  share: number
}

/** Adds up a profile's samples of some time by function, most time first. */
export function selfTimes(
  profile: Profiler.Profile,
  { fromUs, toUs }: { fromUs: number; toUs: number },
): { functions: SelfTime[]; idleShare: number } {
  const nameOfNode = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
  const times = new Map<string, { name: string; where: string; us: number }>()
  let idleUs = 0
  let busyUs = 0
  let atUs = profile.startTime
  for (const [i, id] of (profile.samples ?? []).entries()) {
    const frame = nameOfNode.get(id)!
    const us = profile.timeDeltas?.[i] ?? 0
    atUs += us
    if (atUs < fromUs || atUs > toUs) continue
    if (frame.functionName === IDLE) {
      idleUs += us
      continue
    }
    busyUs += us
    const name = frame.functionName || '(anonymous)'
    const where = whereOf(frame)
    const time = times.get(`${name} ${where}`) ?? { name, where, us: 0 }
    time.us += us
    times.set(`${name} ${where}`, time)
  }
  const functions = [...times.values()]
    .sort((a, b) => b.us - a.us)
    .map(({ name, where, us }) => ({ name, where, share: us / busyUs }))
  return { functions, idleShare: idleUs / (idleUs + busyUs) }
}

/** A file of ours without its folders, a module of node's by name; nothing for what is not JavaScript. */
function whereOf({ url, lineNumber }: Profiler.Profile['nodes'][number]['callFrame']): string {
  if (url === '') return 'native'
  const file = url.startsWith('file:') ? relative(WORKSPACE, fileURLToPath(url)) : url
  return `${file.replace('packages/', '').replace('/dist/', '/')}:${lineNumber + 1}`
}
