// Next's custom server, in development: its upgrade listener serves its own sockets beside ours. Next and React are 340 MB:
// they are no dependency of the workspace, but installed beside it, as `.ci/run` does.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Log } from '../../../support/log.ts'
import type { Framework } from './framework.ts'

const home = fileURLToPath(new URL('../../../../node_modules/.cache/next/', import.meta.url))
const INSTALL = 'npm install --prefix node_modules/.cache/next next@16.4.6 react@19.3.1 react-dom@19.3.1'

// No JSX: below node_modules nothing is compiled.
const PAGE = `export default function Page() { return 'page' }`
const LAYOUT = `
import { createElement } from 'react'
export default function Layout({ children }) {
  return createElement('html', null, createElement('body', null, children))
}`
const SERVER = `
import { createServer } from 'node:http'
import next from 'next'
import { WebSocketServer } from '@roomcast/core/ws'

const app = next({ dev: true, dir: import.meta.dirname, hostname: 'localhost', port: 0 })
await app.prepare()
const handle = app.getRequestHandler()
const web = createServer((request, response) => handle(request, response))
const wss = new WebSocketServer({ server: web, pathname: '/ws' })
wss.on('connection', (ws) => {
  ws.on('message', (data, isBinary) => {
    if (String(data) === 'enough') ws.close(4002, 'enough')
    else ws.send(data, { binary: isBinary })
  })
  ws.on('close', (code, reason) => console.log('closed ' + code + ' ' + reason))
})
process.on('SIGTERM', async () => {
  await wss.close()
  web.closeAllConnections()
  web.close()
  await app.close()
  process.exit(0)
})
web.listen(0, '127.0.0.1', () => console.log('port ' + web.address().port))
`

async function writeApp(): Promise<void> {
  await mkdir(`${home}app`, { recursive: true })
  const files = {
    'server.mjs': SERVER,
    'app/page.js': PAGE,
    'app/layout.js': LAYOUT,
    'next.config.mjs': 'export default {}',
  }
  for (const [name, text] of Object.entries(files)) await writeFile(`${home}${name}`, text)
}

export const next: Framework = {
  name: 'next 16, a custom server',
  how: '`new WebSocketServer({ server, pathname })` on the http server that calls `app.getRequestHandler()`',
  leavesOthers: true,
  own: { path: '/_next/hmr?id=test', first: /^\{/ },
  missing: existsSync(`${home}node_modules/next`) ? undefined : `Next is not there: ${INSTALL}`,
  async start() {
    await writeApp()
    const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'development' as const }
    const child = spawn(process.execPath, ['server.mjs'], { cwd: home, env, stdio: ['ignore', 'pipe', 'inherit'] })
    const lines = new Log<string>('lines')
    const closed = new Log<string>('closed')
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('closed ')) closed.push(line.slice('closed '.length))
      else lines.push(line)
    })
    const port = await new Promise<number>((resolve, reject) => {
      child.once('exit', () => reject(new Error(`next ended: ${lines.all.join('\n')}`)))
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line.startsWith('port ')) resolve(Number(line.slice('port '.length)))
      })
    })
    return {
      port,
      closed,
      async stop() {
        const ended = once(child, 'exit')
        child.kill('SIGTERM')
        const [code] = await ended
        if (code !== 0) throw new Error(`next ended with ${code}`)
      },
    }
  },
}
