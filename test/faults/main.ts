// `pnpm faults:core`: connections that end badly, at every step of every kind of server, against servers in a process of
// their own: each cell once, more than 20,000. `--connections N` more or fewer, `--seed S` repeats a run, `--only <cell>` plays cells whose name contains
// that, `--break <what>` breaks the servers on purpose. Exits with 1 when something is wrong.

import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { describeFailure, runCampaign } from './campaign.ts'
import { BREAKS } from './place.ts'
import { CELLS } from './scenario.ts'

const { values: options } = parseArgs({
  options: {
    connections: { type: 'string', default: `${CELLS.length}` },
    seed: { type: 'string' },
    from: { type: 'string', default: '0' },
    only: { type: 'string', default: '' },
    round: { type: 'string', default: '400' },
    failures: { type: 'string', default: '10' },
    break: { type: 'string' },
  },
})
const seed = options.seed === undefined ? randomInt(2 ** 32) : number('seed', options.seed)
const broken = BREAKS.find((name) => name === options.break)
if (options.break !== undefined && broken === undefined) throw new RangeError(`--break takes one of ${BREAKS}`)

console.log(`seed ${seed}; again: pnpm faults:core --seed ${seed}`)
const began = performance.now()
const { connections, cells, failures, heldUp } = await runCampaign({
  program: new URL('./server.js', import.meta.url),
  ...{ seed, broken, only: options.only },
  connections: number('connections', options.connections),
  from: number('from', options.from),
  round: number('round', options.round),
  failures: number('failures', options.failures),
  onFailure: (failure) => console.log(describeFailure(failure, seed, options.only)),
})
const seconds = ((performance.now() - began) / 1000).toFixed(1)
console.log(
  `${connections.toLocaleString('en')} connections, ${cells.toLocaleString('en')} of ${CELLS.length.toLocaleString('en')} ` +
    `cells, ${seconds} s; ${failures.length === 0 ? 'the server lives, nothing is left, nobody waits' : `${failures.length} failed`}`,
)
if (heldUp > 0) console.log(`${heldUp} rounds were played again: the machine held the processes up`)
process.exitCode = failures.length > 0 ? 1 : 0

function number(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw new RangeError(`--${name} must be a whole number: ${text}`)
  return value
}
