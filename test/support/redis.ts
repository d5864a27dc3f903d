// A real Redis of a test's own: started on a Unix socket or free ports in a folder of its own, ended by process id.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { freePort } from './free-port.ts'
import { findRedis, foreignUrl } from './redis-binary.ts'

const binary = await findRedis()
const READY_MS = 10_000
const HOW = 'install redis-server (apt-get, brew, dnf: redis), or set REDIS_SERVER_BIN to its path'

/** A `describe` whose tests need a redis-server: without one they are skipped loudly, and under CI fail. */
export function describeRedis(name: string, body: () => void): void {
  if (binary === undefined) {
    process.stderr.write(`\n*** NO REDIS FOUND: ${name} is NOT tested: ${HOW}. ***\n\n`)
    if (process.env.CI || process.env.REQUIRE_REDIS) {
      test(`a redis-server is there for ${name}`, () => expect.fail(`no Redis found: ${HOW}`))
    }
  }
  describe.skipIf(binary === undefined)(name, body)
}

const running = new Set<ChildProcess>()
const folders = new Set<string>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

export interface RedisServerOptions {
  /** Further arguments of redis-server. */
  args?: string[]
  /** Listens on a free port too. Default: on the Unix socket only, which keeps its address over restarts. */
  tcp?: boolean
  /** Runs as a Sentinel with this configuration. */
  sentinel?: string
}

/** One redis-server process, which can be killed, frozen and started again at the same address. */
export class RedisServer {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'roomcast-redis-'))
  /** Its Unix socket. */
  readonly path: string = join(this.folder, 's')
  port = 0
  readonly #options: RedisServerOptions
  readonly #admins = new Set<Redis>()
  #admin: Redis | undefined
  #child: ChildProcess | undefined
  #said = ''

  private constructor(options: RedisServerOptions) {
    folders.add(this.folder)
    this.#options = options
  }

  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const server = new RedisServer(options)
    for (let attempt = 0; ; attempt++) {
      if (options.tcp) server.port = await freePort()
      try {
        await server.boot()
        return server
      } catch (error) {
        if (attempt < 4 && options.tcp && /in use/.test(String(error))) continue
        await server.stop()
        throw error
      }
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  get pid(): number {
    return this.#child!.pid!
  }

  /** A connection for the test's own questions, made once. */
  get admin(): Redis {
    this.#admin ??= this.connect()
    return this.#admin
  }

  /** A connection past every proxy, closed by `stop`. */
  connect(): Redis {
    const client = new Redis(this.path, { retryStrategy: () => 50, maxRetriesPerRequest: null })
    client.on('error', () => {})
    this.#admins.add(client)
    return client
  }

  /** Starts the process, again after `kill`, and waits until it answers. */
  async boot(): Promise<void> {
    const { args = [], sentinel } = this.#options
    const own = ['--port', String(this.port), '--bind', '127.0.0.1', '--unixsocket', this.path, '--dir', this.folder]
    if (sentinel !== undefined) writeFileSync(join(this.folder, 'sentinel.conf'), sentinel)
    const all =
      sentinel === undefined
        ? [...own, '--save', '', '--appendonly', 'no', '--enable-debug-command', 'yes', ...args]
        : [join(this.folder, 'sentinel.conf'), '--sentinel', ...own, ...args]
    const env = { PATH: process.env.PATH, ...binary!.env }
    const child = spawn(binary!.path, all, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    running.add(child)
    child.once('exit', () => running.delete(child))
    this.#said = ''
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string): void => reject(new Error(`redis-server ${why}:\n${this.#said}`))
      const timer = setTimeout(fail, READY_MS, 'was not ready in time')
      child.once('error', (error) => fail(error.message))
      child.once('exit', (code) => fail(`ended with ${code}`))
      const listen = (chunk: Buffer): void => {
        this.#said += chunk
        if (!/ready to accept connections|Sentinel ID is/i.test(this.#said)) return
        clearTimeout(timer)
        resolve()
      }
      child.stdout!.on('data', listen)
      child.stderr!.on('data', listen)
    })
    child.stdout!.removeAllListeners('data').resume()
    child.stderr!.removeAllListeners('data').resume()
  }

  get alive(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Ends the process at once; nothing is saved. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child
    if (!child || !this.alive) return
    const gone = once(child, 'exit')
    child.kill('SIGCONT')
    child.kill(signal)
    await gone
  }

  /** The process stops working and keeps its connections, until `thaw`. */
  freeze(): void {
    this.#child?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child?.kill('SIGCONT')
  }

  /** Ends everything and removes the folder. */
  async stop(): Promise<void> {
    for (const client of this.#admins) client.disconnect()
    this.#admins.clear()
    await this.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A Redis for tests that share nothing but the server: one that REDIS_URL names, else one of their own. */
export async function anyRedis(): Promise<{ url: string; stop(): Promise<void> }> {
  const url = foreignUrl()
  return url === undefined ? RedisServer.start({ tcp: true }) : { url, stop: async () => {} }
}

/** A master, a replica of it, and a Sentinel that watches them as `mymaster`. */
export interface SentinelSetUp {
  master: RedisServer
  replica: RedisServer
  sentinel: RedisServer
  stop(): Promise<void>
}

/** A master that does not answer for `downAfterMs` is given up. By default a busy machine, which keeps a Redis waiting for
 * some seconds, makes no failover; a test of a failover asks for a short time. */
export async function startSentinel({ downAfterMs = 60_000 } = {}): Promise<SentinelSetUp> {
  const servers: RedisServer[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()))
  }
  const add = async (options: RedisServerOptions): Promise<RedisServer> => {
    const server = await RedisServer.start({ tcp: true, ...options })
    servers.push(server)
    return server
  }
  try {
    const master = await add({})
    const args = ['--repl-diskless-sync-delay', '0']
    const replica = await add({ args: ['--replicaof', '127.0.0.1', String(master.port), ...args] })
    await until('the replica to follow', async () => /master_link_status:up/.test(await replica.admin.info()))
    const sentinel = await add({
      sentinel: [
        `sentinel monitor mymaster 127.0.0.1 ${master.port} 1`,
        `sentinel down-after-milliseconds mymaster ${downAfterMs}`,
        'sentinel failover-timeout mymaster 5000',
        '',
      ].join('\n'),
    })
    await until('the Sentinel to know the replica', async () => /slaves=1/.test(await sentinel.admin.info('sentinel')))
    return { master, replica, sentinel, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Three masters that share the slots. */
export interface ClusterSetUp {
  nodes: RedisServer[]
  stop(): Promise<void>
}

export async function startCluster(): Promise<ClusterSetUp> {
  // The bus's port would be the port + 10,000, which may not exist.
  const busPorts = await Promise.all([freePort(), freePort(), freePort()])
  const started = await Promise.allSettled(
    busPorts.map((port) =>
      RedisServer.start({ tcp: true, args: ['--cluster-enabled', 'yes', '--cluster-port', String(port)] }),
    ),
  )
  const nodes = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop()))
  }
  try {
    for (const one of started) if (one.status === 'rejected') throw one.reason
    const [first] = nodes
    for (const [i, node] of nodes.entries()) {
      await node.admin.call(
        'CLUSTER',
        'ADDSLOTSRANGE',
        Math.ceil((i * 16384) / 3),
        Math.ceil(((i + 1) * 16384) / 3) - 1,
      )
      await node.admin.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1)
    }
    for (const i of [1, 2]) {
      await first!.admin.call('CLUSTER', 'MEET', '127.0.0.1', nodes[i]!.port, busPorts[i]!)
    }
    for (const node of nodes) {
      await until('the cluster to agree', async () => {
        const info = String(await node.admin.call('CLUSTER', 'INFO'))
        return /cluster_state:ok/.test(info) && /cluster_known_nodes:3/.test(info)
      })
    }
    return { nodes, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** So much later than it was set for, a timer was held up by a busy machine: what runs in this process was, too, and may
 * take as long again to read what lies there. */
const STALL_MS = 250
const READING_MS = 1000

/** Asks until it holds; for what no event tells of. Time in which this process could not run does not count. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, deadlineMs = 15_000): Promise<void> {
  let end = performance.now() + deadlineMs
  while (!(await holds())) {
    const now = performance.now()
    if (now > end) throw new Error(`not within ${deadlineMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
    const sleptMs = performance.now() - now
    if (sleptMs > STALL_MS) end += sleptMs + READING_MS
  }
}
