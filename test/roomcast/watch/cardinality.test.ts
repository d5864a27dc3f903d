// What clients make up becomes no label: whoever invents names, paths, methods and codes makes nothing grow.

import { once } from 'node:events'
import { request } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { eventually } from '../../support/log.ts'
import { connect } from '../client.ts'
import { scrape } from './scrape.ts'
import { API_KEY, closeAll, serve } from './truth.ts'

afterEach(closeAll)

const HTTP_METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PURGE', 'MKCOL']
const known = [
  1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3005, 3014, 3500, 3509, 4008,
]

/** Does everything that has a name, with names of its own, and closes with these codes. */
async function invent(port: number, word: string, codes: readonly number[]): Promise<void> {
  for (const method of HTTP_METHODS) {
    for (const path of [`/${word}`, `/api/${word}`, `/channels/${word}`, `/metrics/${word}`, `/healthz?${word}`]) {
      const headers = { [`x-${word}`]: word, 'x-api-key': API_KEY }
      const [answer] = await once(request({ port, host: '127.0.0.1', method, path, headers }).end(), 'response')
      answer.resume()
    }
  }
  for (const origin of [`https://${word}.example`, word]) {
    await once(new WebSocket(`ws://127.0.0.1:${port}/${word}`, word, { origin }), 'error')
  }
  for (const [i, code] of codes.entries()) {
    const client = await connect(port, { path: `/${word}?${word}` })
    await client.ask({ join: `${word}${i}:${word}` })
    await client.ask({ join: `plain:${word}`, meta: word })
    await client.ask({ say: word, to: `plain:${word}` })
    await client.ask({ [word]: word })
    client.socket.close(code, word)
    await client.closed
  }
}

test('two floods of other words have the same series', async () => {
  const { roomcast, port } = await serve({ maxCommandBurst: 1000 })
  const ended = (count: number): boolean =>
    Object.values(roomcast.stats().closes).reduce((all, one) => all + one, 0) === count
  await invent(port, 'harkonnen', [...known, 4000])
  await eventually(() => ended(known.length + 1))
  const before = [...(await scrape(port)).keys()]
  const codes = [3015, 3042, 3499, 3510, 3999, 4001, 4711, 4999]
  await invent(port, 'corrino', codes)
  await eventually(() => ended(known.length + 1 + codes.length))
  const after = await scrape(port)
  // The first scrape is counted by the second.
  const news = [...after.keys()].filter((name) => !before.includes(name))
  expect(news).toEqual(['roomcast_http_requests_total{route="/metrics",status="200"}'])
  expect(before.join()).not.toMatch(/harkonnen/)
  expect(before.length).toBeLessThan(400)
})
