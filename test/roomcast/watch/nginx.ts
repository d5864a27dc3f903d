// A real nginx with the configuration of deploy/, before two servers.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../support/free-port.ts'
import { ROOT } from '../program.ts'

const COMMAND = ['nginx', '/usr/sbin/nginx'].find((path) => spawnSync(path, ['-v']).status === 0)

/** Whether there is one. */
export const hasNginx: boolean = COMMAND !== undefined

export interface Nginx {
  port: number
  stop(): Promise<void>
}

/** Starts it with the file as it is in the repository, but for where things are, and resolves when it serves.
 * @param one the port of the first server on this machine.
 * @param two that of the second one. */
export async function startNginx(one: number, two: number): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), 'roomcast-nginx-'))
  const port = await freePort()
  const site = readFileSync(join(ROOT, 'deploy/nginx.conf'), 'utf8')
    .replace('one:4545', `127.0.0.1:${one}`)
    .replace('two:4545', `127.0.0.1:${two}`)
    .replace('listen 8080', `listen 127.0.0.1:${port}`)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const whole = `daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr;
    events {} http { access_log off; ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
    ${site} }`
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, whole)
  const judged = spawnSync(COMMAND!, ['-t', '-p', folder, '-c', file]).stderr.toString()
  if (!judged.includes('test is successful')) throw new Error(judged)
  const child = spawn(COMMAND!, ['-p', folder, '-c', file], { stdio: 'ignore' })
  await eventuallyOk(`http://127.0.0.1:${port}/healthz`)
  return {
    port,
    async stop() {
      child.kill('SIGTERM')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function eventuallyOk(url: string): Promise<void> {
  for (const end = Date.now() + 10_000; ; ) {
    const isOk = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    )
    if (isOk) return
    if (Date.now() > end) throw new Error(`${url} does not answer`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
