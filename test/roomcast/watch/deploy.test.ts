// What is there to deploy: the Dockerfile, compose.yaml and the configuration of nginx, the last one in a real nginx before two
// real servers.

import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { parse } from 'yaml'
import { readSettings } from '../../../packages/roomcast/src/settings.ts'
import { instructions, listOf } from '../../support/dockerfile.ts'
import { eventually } from '../../support/log.ts'
import { missing } from '../../support/missing.ts'
import { connect } from '../client.ts'
import { build, killAll, ROOT, type Run, start } from '../program.ts'
import { hasNginx, type Nginx, startNginx } from './nginx.ts'

const read = (name: string): string => readFileSync(join(ROOT, name), 'utf8')
const works = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0

interface Service {
  image?: string
  build?: string
  environment?: Record<string, string>
  depends_on?: string[] | Record<string, { condition: string }>
  volumes?: string[]
  ports?: string[]
  healthcheck?: object
  stop_grace_period?: string
}

const { services } = parse(read('compose.yaml'), { merge: true }) as { services: Record<string, Service> }

describe('compose.yaml', () => {
  test('two servers, Redis, nginx; every name that one has of another is there', () => {
    expect(Object.keys(services)).toEqual(['one', 'two', 'redis', 'nginx'])
    for (const { image, build: context, depends_on = [], volumes = [] } of Object.values(services)) {
      expect([image, context].filter((source) => source !== undefined)).toHaveLength(1)
      const needs = Array.isArray(depends_on) ? depends_on : Object.keys(depends_on)
      expect(Object.keys(services)).toEqual(expect.arrayContaining(needs))
      for (const volume of volumes) expect(read(volume.split(':')[0]!)).not.toBe('')
    }
    expect(services.redis!.healthcheck).toBeDefined()
    const upstreams = [...read('deploy/nginx.conf').matchAll(/^ {2}server (\w+):4545/gm)].map(([, name]) => name)
    expect(upstreams).toEqual(['one', 'two'])
  })

  test('the program takes what it is given', () => {
    const environment = Object.fromEntries(
      Object.entries(services.one!.environment!).map(([name, value]) => [
        name,
        value.replace(/\$\{\w+:-([^}]*)\}/, '$1'),
      ]),
    )
    const settings = readSettings(listOf('ENTRYPOINT').slice(2), environment, () => '')
    expect(settings).toMatchObject({
      kind: 'run',
      options: { host: '0.0.0.0', port: 4545, trustProxy: 1, readiness: 'local', drainDelayMs: 2000, insecure: true },
      engine: { url: 'redis://redis:6379' },
      program: { requireRedis: true, log: { format: 'json' } },
      warnings: [],
    })
    const grace = Number.parseInt(services.one!.stop_grace_period!, 10) * 1000
    expect(grace).toBeGreaterThan(2000 + 10_000)
  })

  test('who may reach it while everybody may connect is this machine alone', () => {
    const ports = Object.values(services).flatMap(({ ports = [] }) => ports)
    expect(ports).toEqual(['127.0.0.1:8080:8080'])
    expect(read('compose.yaml')).toContain('http://localhost:8080/')
  })

  // It reads the file without a daemon.
  const hasCompose = works('docker', 'compose', 'version')
  test.skipIf(!hasCompose)('docker reads it', () => {
    const read = execFileSync('docker', ['compose', '-f', join(ROOT, 'compose.yaml'), 'config', '--format', 'json'])
    expect(Object.keys((JSON.parse(read.toString()) as { services: object }).services).sort()).toEqual([
      'nginx',
      'one',
      'redis',
      'two',
    ])
  })
})

test('Dockerfile: known instructions, no root, and the program itself gets the signals', () => {
  const known = ['FROM', 'WORKDIR', 'COPY', 'RUN', 'ENV', 'USER', 'EXPOSE', 'HEALTHCHECK', 'ENTRYPOINT']
  const all = instructions()
  expect(all.filter(([name]) => !known.includes(name))).toEqual([])
  expect(all.filter(([name]) => name === 'FROM').map(([, rest]) => rest)).toEqual([
    'node:24-slim AS build',
    'node:24-slim',
  ])
  const last = all.slice(all.findLastIndex(([name]) => name === 'FROM'))
  expect(last).toContainEqual(['USER', 'node'])
  expect(listOf('ENTRYPOINT').slice(0, 2)).toEqual(['node', 'dist/cli.js'])
  expect(JSON.parse(read('packages/roomcast/package.json'))).toMatchObject({ bin: { roomcast: './dist/cli.js' } })
  expect(listOf('HEALTHCHECK')).toHaveLength(3)
})

missing(!hasNginx, 'no nginx here: its configuration was not tested (Debian: apt-get install nginx-light)')

describe.skipIf(!hasNginx)('nginx before two servers', () => {
  let nginx: Nginx | undefined
  let servers: (Run & { port: number })[]
  let port: number
  beforeAll(build)
  afterEach(async () => {
    await nginx?.stop()
    killAll()
  })

  async function boot(...args: string[]): Promise<void> {
    const flags = ['--trust-proxy', '1', '--insecure', '--log-format', 'json', '--token', 'secret', ...args]
    servers = await Promise.all([start(flags), start(flags)])
    nginx = await startNginx(servers[0]!.port, servers[1]!.port)
    port = nginx.port
  }

  test('the page, WebSockets of its origin and of no other, and both servers get some', async () => {
    await boot()
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toMatch(/<!doctype html>/i)
    const clients = []
    for (let i = 0; i < 4; i++) clients.push(await connect(port, { origin: `http://127.0.0.1:${port}` }))
    for (const client of clients) expect(await client.ask({ join: 'lobby' })).toEqual({ joined: 'lobby' })
    const counts = await Promise.all(servers.map(({ port }) => socketsOf(port)))
    expect(counts).toEqual([2, 2])
    const evil = new WebSocket(`ws://127.0.0.1:${port}/`, { origin: 'https://evil.example' })
    expect(await once(evil, 'error').then(([error]) => String(error))).toMatch(/403/)
    await eventually(() => servers.some((server) => server.complaints().includes(`to host \\"127.0.0.1:${port}\\"`)))
    for (const client of clients) client.socket.terminate()
  })

  test('the address of a client is its own, whatever it claims', async () => {
    await boot('--max-connections-per-address', '1')
    // One on each server; the third is one too many on whichever it comes to.
    const clients = [await connect(port), await connect(port)]
    const third = new WebSocket(`ws://127.0.0.1:${port}/`, { headers: { 'X-Forwarded-For': '192.0.2.9' } })
    expect(await once(third, 'error').then(([error]) => String(error))).toMatch(/429/)
    await eventually(() =>
      servers.some((server) => /too_many_connections_of_address.*127\.0\.0\.1/.test(server.complaints())),
    )
    expect(servers.some((server) => server.complaints().includes('192.0.2.9'))).toBe(false)
    // Another address has places of its own.
    const other = new WebSocket(`ws://127.0.0.1:${port}/`, { localAddress: '127.0.0.2' })
    await once(other, 'open')
    other.terminate()
    for (const client of clients) client.socket.terminate()
  })

  test('figures stay inside, however their path is written', async () => {
    await boot()
    const forbidden = ['metrics', 'stats'].flatMap((name) => {
      const encoded = `%${name.charCodeAt(0).toString(16)}${name.slice(1)}`
      const own = [name, encoded, `./${name}`, `/${name}`, `x/../${name}`, `x/..%2f${name}`, `${name}?a`, `${name}#a`]
      const others = [`${name}/`, `${name}%3f`, `${name};a`, `${name}%20`, `\\${name}`, `..;/${name}`, `${name}/..`]
      return [...own, ...others, name.toUpperCase()].map((path) => `/${path}`)
    })
    for (const path of [...forbidden, 'http://inside/metrics', 'http://inside/stats']) {
      const [response] = (await once(get({ host: '127.0.0.1', port, path }), 'response')) as [IncomingMessage]
      response.resume()
      expect(response.statusCode, path).toBe(404)
    }
    // Inside they are.
    expect(await socketsOf(servers[0]!.port)).toBe(0)
  })

  test('a server that drains: whoever comes is served by the other one', async () => {
    await boot('--drain-ms', '20000')
    const [one] = servers
    // One member that does not answer keeps its server from ending.
    const stuck = await connect(one!.port)
    stuck.socket.pause()
    one!.child.kill('SIGTERM')
    await eventually(() => /SIGTERM: draining/.test(one!.complaints()))
    for (let i = 0; i < 4; i++) {
      const client = await connect(port)
      expect(await client.ask({ join: 'lobby' })).toEqual({ joined: 'lobby' })
      client.socket.terminate()
    }
  })
})

async function socketsOf(port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/stats`)
  return ((await response.json()) as { sockets: number }).sockets
}
