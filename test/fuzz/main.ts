// `pnpm fuzz`: every target with the inputs of one CI run; `--minutes N` as long as that instead, the targets taking turns.
// `--seed S` repeats a run, `--only <target> --from <number> --inputs <count>` a part of it. Exits with 1 when an input failed.

import { type ChildProcess, fork } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { runTarget } from './campaign.ts'
import { framesTarget, type ProtocolClass } from './frames.ts'
import { type HeaderApi, headerValuesTarget } from './header-values.ts'
import { type Handshake, headsTarget } from './heads.ts'
import { type EchoServer, sessionsTarget } from './sessions.ts'
import type { Target } from './target.ts'
import { Bystander } from './visit.ts'
import { wireHeadsTarget } from './wire-heads.ts'

/** How long one target runs at most before the next one's turn, under `--minutes`. */
const MAX_TURN_MS = 10_000

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string' },
    from: { type: 'string' },
    inputs: { type: 'string' },
  },
})
const seed = number('seed', options.seed) ?? randomInt(2 ** 32)
const minutes = number('minutes', options.minutes)
const from = number('from', options.from) ?? 0

const child = fork(new URL('./echo-server.js', import.meta.url))
const server = await started(child)
const bystander = new Bystander(server.port)
const all = [
  framesTarget(await built<{ Protocol: ProtocolClass }>('protocol/protocol').then(({ Protocol }) => Protocol)),
  headsTarget({
    ...(await built<Handshake>('handshake/handshake')),
    ...(await built<Handshake>('handshake/response')),
  }),
  headerValuesTarget({
    ...(await built<HeaderApi>('handshake/extension')),
    ...(await built<HeaderApi>('handshake/grammar')),
    ...(await built<HeaderApi>('handshake/deflate-negotiation')),
  }),
  sessionsTarget((await built<{ Protocol: ProtocolClass }>('protocol/protocol')).Protocol, { server, bystander }),
  wireHeadsTarget({ server, bystander }),
] as Target<unknown>[]
const targets = all.filter(({ name }) => options.only === undefined || name === options.only)
if (targets.length === 0) throw new RangeError(`no target ${options.only}; there are ${all.map(({ name }) => name)}`)

console.log(`seed ${seed}; again: pnpm fuzz --seed ${seed}`)
let failed = false
if (minutes === undefined) {
  for (const target of targets) await turn(target, { from, inputs: number('inputs', options.inputs) ?? target.inputs })
} else {
  const end = performance.now() + minutes * 60_000
  const turnMs = Math.min(MAX_TURN_MS, (minutes * 60_000) / targets.length)
  const next = new Map(targets.map((target) => [target, from]))
  while (!failed && performance.now() < end) {
    for (const target of targets) {
      const began = next.get(target)!
      next.set(target, began + (await turn(target, { from: began, until: Math.min(end, performance.now() + turnMs) })))
    }
  }
}
child.disconnect()
if (failed) process.exitCode = 1

async function turn(target: Target<unknown>, part: { from: number; inputs?: number; until?: number }): Promise<number> {
  const began = performance.now()
  const { inputs, failure } = await runTarget(target, { seed, ...part })
  // It would not answer pings while another target keeps this process busy.
  bystander.end()
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  console.log(`${target.name}: ${inputs.toLocaleString('en')} inputs from ${part.from}, ${seconds} s; ${target.about}`)
  if (failure === null) return inputs
  failed = true
  console.log(`FAILED\n${failure}`)
  return inputs
}

/** A module of the built core that its index does not export. */
async function built<T>(name: string): Promise<T> {
  return (await import(new URL(`${name}.js`, import.meta.resolve('@roomcast/core')).href)) as T
}

async function started(process: ChildProcess): Promise<EchoServer> {
  let wrong: string | null = null
  process.once('exit', (code, signal) => {
    wrong ??= `the server ended (${code ?? signal})`
  })
  return await new Promise((resolve, reject) => {
    process.once('error', reject)
    process.on('message', (message: { port?: number; error?: string }) => {
      wrong ??= message.error ?? null
      if (message.port !== undefined) resolve({ port: message.port, wrong: () => wrong })
    })
  })
}

function number(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!(value >= 0)) throw new RangeError(`--${name} must be a number: ${text}`)
  return value
}
