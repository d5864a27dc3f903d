// `pnpm soak [--cycles N]`: 100,000 clients come and go, by default. After a warm-up the server's process is looked at, and
// again at the end: its heap may have grown by less than 5 MB, and of sockets, timers, channels and listeners nothing more
// may be there than before. Then it must end by itself. Exits with 1 when something is left.

import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { inTime } from '../support/log.ts'
import { runCycle } from './cycle.ts'
import type { Sample } from './server.ts'

const MAX_GROWTH_BYTES = 5 * 1024 * 1024
const WARM_UP_CYCLES = 2_000
const AT_ONCE = 32
/** How long the last sockets may take to be gone, and the process to end. */
const SETTLE_MS = 10_000

const { values: options } = parseArgs({ options: { cycles: { type: 'string', default: '100000' } } })
const cycles = Number(options.cycles)
if (!Number.isInteger(cycles) || cycles < 1) throw new RangeError(`--cycles must be a number: ${options.cycles}`)

const child = fork(new URL('./server.js', import.meta.url), {
  execArgv: ['--expose-gc', '--disable-warning=ExperimentalWarning'],
})
const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
let finished = false
child.once('exit', () => {
  if (!finished) throw new Error('the server’s process ended')
})
const { ports } = await message<{ ports: number[] }>(child)

const first = await settled(0, null)
await run(0, WARM_UP_CYCLES)
const before = await settled(WARM_UP_CYCLES, first)
const began = performance.now()
await run(WARM_UP_CYCLES, cycles)
const seconds = (performance.now() - began) / 1000
const after = await settled(WARM_UP_CYCLES + cycles, first)
finished = true
child.send('close')
const code = await inTime(ended, 'the end of the server’s process', SETTLE_MS).catch(() => 'still running')
if (code === 'still running') child.kill('SIGKILL')

const growth = after.heapBytes - before.heapBytes
console.log(`${cycles.toLocaleString('en')} cycles in ${seconds.toFixed(1)} s, after ${WARM_UP_CYCLES} to warm up`)
for (const name of Object.keys(first) as (keyof Sample)[]) {
  const show = ({ [name]: value }: Sample): string =>
    typeof value === 'number' ? value.toLocaleString('en') : JSON.stringify(value)
  console.log(`  ${name}: ${show(first)} at first, ${show(before)} before, ${show(after)} after`)
}
console.log(`  heap growth: ${(growth / 1024).toFixed(0)} KiB; the process ended with ${code}`)
const wrong = findings()
for (const finding of wrong) console.log(`FAILED: ${finding}`)
process.exitCode = wrong.length > 0 ? 1 : 0

function findings(): string[] {
  const found: string[] = []
  if (growth >= MAX_GROWTH_BYTES) found.push(`the heap grew by ${growth} bytes`)
  for (const name of ['sockets', 'pendingHandshakes', 'channels', 'socketObjects'] as const) {
    if (after[name] !== 0) found.push(`${name}: ${after[name]} left`)
  }
  for (const name of ['tcpSocketObjects', 'timerObjects', 'listeners'] as const) {
    if (after[name] > first[name]) found.push(`${name}: ${after[name]}, at first ${first[name]}`)
  }
  if (JSON.stringify(after.resources) !== JSON.stringify(first.resources)) {
    found.push(`resources: ${JSON.stringify(after.resources)}, at first ${JSON.stringify(first.resources)}`)
  }
  if (after.closed !== WARM_UP_CYCLES + cycles) found.push(`closed: ${after.closed} sockets`)
  if (after.errors.length > 0) found.push(`errors: ${after.errors.slice(0, 5)}`)
  if (code !== 0) found.push(`the process ended with ${code}`)
  return found
}

/** Cycles `from` … `from + count − 1`, some at once, on both servers by turns. */
async function run(from: number, count: number): Promise<void> {
  let next = from
  const worker = async (): Promise<void> => {
    while (next < from + count) {
      const number = next++
      await runCycle(ports[number % ports.length]!, number)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

/** What is in the server when its last sockets are gone, or when they had the time to. */
async function settled(closed: number, empty: Sample | null): Promise<Sample> {
  const end = performance.now() + SETTLE_MS
  for (;;) {
    child.send('sample')
    const sample = await message<Sample>(child)
    const isEmpty =
      sample.closed >= closed &&
      sample.sockets + sample.socketObjects === 0 &&
      sample.tcpSocketObjects <= (empty ?? sample).tcpSocketObjects &&
      sample.timerObjects <= (empty ?? sample).timerObjects
    if (isEmpty || performance.now() > end) return sample
    await wait(100)
  }
}

function message<T>(from: ChildProcess): Promise<T> {
  return inTime(
    new Promise<T>((resolve) => from.once('message', (value) => resolve(value as T))),
    'an answer of the server’s process',
    SETTLE_MS,
  )
}
