// The web page: the files of the package's page/ folder and npm's SDK, read once and served from memory. Only their exact
// names are served, so no path can lead anywhere else; the policy lets the page run nothing but its own files.

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname, join } from 'node:path'
import type { Route } from './api.ts'
import { isRead, send } from './reply.ts'

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml; charset=utf-8',
}

/** connect-src 'self' covers WebSockets to the page's own host and port (CSP level 3). */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

interface File {
  type: string
  etag: string
  body: Buffer
}

/** The SDK as its package brings it for browsers, in one file that sets `Centrifuge`; nothing is bundled here. Its exports
 * do not name that file, and its main file is build/index.js. */
function sdkFile(): string {
  return join(createRequire(import.meta.url).resolve('centrifuge'), '../../dist/centrifuge.js')
}

/** Makes the page, from the files as they are now.
 * @throws the system's error when one cannot be read. */
export function createPage(folder: URL = new URL('../page/', import.meta.url)): Route {
  const files = new Map<string, File>()
  const serve = (path: string, type: string, body: Buffer): void => {
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
    files.set(path, { type, etag, body })
  }
  for (const name of readdirSync(folder)) {
    const type = TYPES[extname(name)]
    if (type === undefined) continue
    serve(name === 'index.html' ? '/' : `/${name}`, type, readFileSync(new URL(name, folder)))
  }
  serve('/centrifuge.js', TYPES['.js']!, readFileSync(sdkFile()))
  return (req, res, path) => {
    const file = files.get(path)
    if (file === undefined) return false
    if (!isRead(req, res)) return true
    // no-cache: ask each time, so that a new version shows at once; the etag makes the asking cheap.
    const headers = { ETag: file.etag, 'Cache-Control': 'no-cache', 'Content-Security-Policy': POLICY }
    if (matches(req.headers['if-none-match'], file.etag)) send(res, 304, headers)
    else send(res, 200, { ...headers, 'Content-Type': file.type }, file.body)
    return true
  }
}

/** RFC 9110 §13.1.2: any tag of the list, compared weakly. */
function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  return header.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag)
}
