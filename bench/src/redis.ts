// Two nodes over one Redis: half of a room's members on each, all publishers on the first. A publisher sends its next message
// when the last one came back to itself and to a witness on the far node. What it costs counts both nodes and Redis; all
// three run on one core, the load generator on the other.

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import net from 'node:net'
import { delimiter } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ask, LOAD_CORE, pinned, SERVER_CORE, startChild, stopChild } from './child.ts'
import type { LoadSample } from './load.ts'
import type { SubjectName } from './peers.ts'
import { failuresOf, OURS, ratio, type Series, spread, type Table, timesText } from './report.ts'
import { sleep, startServer, WARM_UP_MS } from './round.ts'
import type { ServerSample } from './servers/serve.ts'

/** The servers that are measured: those with a bridge over Redis. */
export const BRIDGED: readonly SubjectName[] = ['roomcast', 'socket.io']

/** One round of one server. Shares are of a core. */
export interface RedisRound {
  deliveriesPerSecond: number
  /** Of both nodes and Redis together. */
  cpuUsPerDelivery: number
  nearShare: number
  farShare: number
  redisShare: number
  loadShare: number
  rssMiB: number
}

/** Measures one server once, with a new Redis.
 * @throws when there is no redis-server. */
export async function measureRedis(server: SubjectName, scenario: string, seconds: number): Promise<RedisRound> {
  const redis = await startRedis()
  const children: ChildProcess[] = []
  try {
    const nodes = await Promise.all([0, 1].map(() => startServer(server, [scenario, `--redis=${redis.url}`])))
    children.push(...nodes.map(({ process }) => process))
    const ports = nodes.map(({ port }) => port).join(',')
    const load = startChild('./load.js', { args: [server, scenario, ports], core: LOAD_CORE })
    children.push(load)
    await ask(load, 'start')
    await sleep(WARM_UP_MS)
    const sample = (): Promise<[ServerSample, ServerSample, LoadSample, number]> =>
      Promise.all([
        ask<ServerSample>(nodes[0]!.process, 'sample'),
        ask<ServerSample>(nodes[1]!.process, 'sample'),
        ask<LoadSample>(load, 'sample'),
        redisCpuMs(redis.port),
      ])
    const before = await sample()
    await sleep(seconds * 1000)
    const after = await sample()
    await ask(load, 'finish')
    const share = (i: 0 | 1 | 2): number => (after[i].cpuMs - before[i].cpuMs) / (after[i].atMs - before[i].atMs)
    const redisShare = (after[3] - before[3]) / (after[2].atMs - before[2].atMs)
    const deliveriesPerSecond = ((after[2].delivered - before[2].delivered) / (after[2].atMs - before[2].atMs)) * 1000
    return {
      deliveriesPerSecond,
      cpuUsPerDelivery: ((share(0) + share(1) + redisShare) / deliveriesPerSecond) * 1e6,
      nearShare: share(0),
      farShare: share(1),
      redisShare,
      loadShare: share(2),
      rssMiB: (after[0].rssBytes + after[1].rssBytes) / 1024 ** 2,
    }
  } finally {
    for (const child of [...children, redis.process]) await stopChild(child)
  }
}

/** A table of them.
 * @param base the server that the others are compared with. */
export function redisTable(
  name: string,
  about: string,
  all: readonly Series<RedisRound>[],
  base: string = OURS,
): Table {
  const ours = all.find(({ server }) => server === base)
  const heads = ['server', 'k deliveries/s', 'CPU µs/delivery', `${base} ×, by CPU`, `${base} ×, by rate`]
  heads.push('near node CPU %', 'far node CPU %', 'Redis CPU %', 'load CPU %', 'RSS MiB of both')
  const lines = all.map((series) => {
    const cell = (figure: keyof RedisRound, scale: number, digits: number): string =>
      spread(
        series.rounds.map((round) => round[figure]),
        scale,
        digits,
      )
    const times = (value: number | undefined): string => (series === ours ? '-' : timesText(value))
    return [
      series.server,
      cell('deliveriesPerSecond', 1e-3, 0),
      cell('cpuUsPerDelivery', 1, 2),
      times(ours && ratio(series, ours, ({ cpuUsPerDelivery }) => cpuUsPerDelivery)),
      times(ours && ratio(ours, series, ({ deliveriesPerSecond }) => deliveriesPerSecond)),
      cell('nearShare', 100, 0),
      cell('farShare', 100, 0),
      cell('redisShare', 100, 0),
      cell('loadShare', 100, 0),
      cell('rssMiB', 1, 0),
    ]
  })
  return { name, about, lines: [heads, ...lines], notes: failuresOf(all) }
}

/** The redis-server there is: REDIS_SERVER_BIN, one on PATH, or the one that the tests have fetched. */
export function findRedis(): { path: string; libraries: string } | undefined {
  const { REDIS_SERVER_BIN, PATH = '' } = process.env
  const onPath = PATH.split(delimiter).flatMap((folder) => [`${folder}/redis-server`, `${folder}/valkey-server`])
  const path = [...(REDIS_SERVER_BIN ? [REDIS_SERVER_BIN] : []), ...onPath].find((file) => existsSync(file))
  if (path !== undefined) return { path, libraries: '' }
  const fetched = fileURLToPath(new URL('../../node_modules/.cache/redis/usr/', import.meta.url))
  if (!existsSync(`${fetched}bin/redis-server`)) return undefined
  const folders = readdirSync(`${fetched}lib`).map((folder) => `${fetched}lib/${folder}`)
  return { path: `${fetched}bin/redis-server`, libraries: folders.join(delimiter) }
}

async function startRedis(): Promise<{ process: ChildProcess; port: number; url: string }> {
  const found = findRedis()
  if (!found) throw new Error('no redis-server')
  const port = await freePort()
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
  const [command = '', ...rest] = pinned([found.path, ...args], SERVER_CORE)
  const env = { ...process.env, ...(found.libraries && { LD_LIBRARY_PATH: found.libraries }) }
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'], env })
  let said = ''
  for await (const chunk of child.stdout) {
    said += chunk
    if (/ready to accept connections/i.test(said)) return { process: child, port, url: `redis://127.0.0.1:${port}` }
  }
  throw new Error(`redis-server did not start: ${said}`)
}

/** A free port of 127.0.0.1. */
export async function freePort(): Promise<number> {
  const server = net.createServer()
  return await new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** What Redis has used so far, by its own account. */
async function redisCpuMs(port: number): Promise<number> {
  const socket = net.connect({ port, host: '127.0.0.1' })
  socket.write('INFO cpu\r\n')
  let said = ''
  for await (const chunk of socket) {
    said += chunk
    const [sys, user] = ['sys', 'user'].map((kind) => new RegExp(`used_cpu_${kind}:([\\d.]+)\r`).exec(said)?.[1])
    if (sys !== undefined && user !== undefined) return (Number(sys) + Number(user)) * 1000
  }
  throw new Error('Redis did not tell its CPU time')
}
