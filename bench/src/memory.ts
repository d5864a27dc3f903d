// What an idle socket holds: a server gets sockets that say nothing, and what its process has more of afterwards, with the
// garbage collected, is divided by them. As many sockets were connected before, so that what is made once, and what grows
// by doubling, is there already.

import type { ChildProcess } from 'node:child_process'
import { ask, firstLine, LOAD_CORE, SERVER_CORE, startChild, stopChild } from './child.ts'
import { align, median, spread } from './report.ts'
import { IDLE_SCENARIOS } from './scenarios.ts'
import type { Held } from './servers/serve.ts'

/** What one server holds for each idle socket: a record for each round, without and with compression agreed. */
export interface Idle {
  server: string
  plain: Held[]
  deflate: Held[]
}

/** Measures one server once, in a new process.
 * @returns how much more it holds for each socket, in bytes. */
export async function measureIdle(server: string, scenario: keyof typeof IDLE_SCENARIOS): Promise<Held> {
  const serverProcess = startChild(`./servers/${server}.js`, {
    args: [scenario],
    core: SERVER_CORE,
    nodeArgs: ['--expose-gc'],
  })
  const loads: ChildProcess[] = []
  try {
    const { port } = JSON.parse(await firstLine(serverProcess)) as { port: number }
    const connectAll = async (): Promise<void> => {
      const load = startChild('./load.js', { args: [scenario, String(port)], core: LOAD_CORE })
      loads.push(load)
      await ask(load, 'start')
    }
    await connectAll()
    const before = await ask<Held>(serverProcess, 'held')
    await connectAll()
    const after = await ask<Held>(serverProcess, 'held')
    // A socket that was closed meanwhile fails the run.
    for (const load of loads) await ask(load, 'finish')
    const perSocket = (figure: keyof Held): number =>
      (after[figure] - before[figure]) / IDLE_SCENARIOS[scenario].sockets
    return {
      heapBytes: perSocket('heapBytes'),
      externalBytes: perSocket('externalBytes'),
      rssBytes: perSocket('rssBytes'),
    }
  } finally {
    for (const child of [...loads, serverProcess]) await stopChild(child)
  }
}

/** A plain text table, and how much an idle socket with compression holds against one without. */
export function memoryTable(all: Idle[]): string {
  const lines = all.flatMap(({ server, plain, deflate }) => [row(server, 'off', plain), row(server, 'agreed', deflate)])
  const ratios = all.map(({ server, plain, deflate }) => {
    return `${server}: ${median(deflate.map((round, i) => inUse(round) / inUse(plain[i]!))).toFixed(2)}`
  })
  const heads = ['server', 'compression', 'heap + external', 'heap', 'external', 'RSS']
  return `${align([heads, ...lines])}\ncompressed / plain, heap + external: ${ratios.join(', ')}`
}

function row(server: string, compression: string, rounds: Held[]): string[] {
  const cell = (figure: (held: Held) => number): string => spread(rounds.map(figure), 1 / 1024, 2)
  const cells = [cell(inUse), cell((held) => held.heapBytes), cell((held) => held.externalBytes)]
  return [server, compression, ...cells, cell((held) => held.rssBytes)]
}

function inUse({ heapBytes, externalBytes }: Held): number {
  return heapBytes + externalBytes
}
