// What the guide for React tells a stranger to do, done: its configuration, its page, its commands.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build as bundleWith } from 'esbuild'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { build, killAll, ROOT, run, start } from '../roomcast/program.ts'
import { findChromium, launchChromium } from '../support/chromium.ts'
import { missing } from '../support/missing.ts'

const guide = readFileSync(`${ROOT}docs/react.md`, 'utf8')
const folder = mkdtempSync(join(tmpdir(), 'roomcast-react-'))
const config = join(folder, 'roomcast.json')

/** The first block of code in that language. */
function code(language: string): string {
  const [, block] = new RegExp(`\`\`\`${language} .*?\\n(.*?)\`\`\``, 's').exec(guide) ?? []
  if (block === undefined) throw new Error(`there is no ${language} in the guide`)
  return block
}

beforeAll(() => {
  build()
  writeFileSync(config, code('json'))
})
afterAll(() => {
  killAll()
  rmSync(folder, { recursive: true })
})

test('the configuration is right', async () => {
  const { exit, stdout, stderr } = run(['check-config', config])
  expect([await exit, await stdout, await stderr]).toEqual([0, `${config}: ok\n`, ''])
})

/** The page as a bundler makes it, for a server at that port. */
async function bundle(port: number): Promise<string> {
  const app = code('jsx').replace('localhost:8000', `localhost:${port}`)
  const main = `import { createRoot } from 'react-dom/client'
${app}
createRoot(document.getElementById('root')).render(<App />)`
  const { outputFiles } = await bundleWith({
    stdin: { contents: main, loader: 'jsx', resolveDir: `${ROOT}examples` },
    jsx: 'automatic',
    bundle: true,
    write: false,
    define: { 'process.env.NODE_ENV': '"production"' },
  })
  return outputFiles[0]!.text
}

async function token(user: string): Promise<string> {
  const { exit, stdout } = run(['gen-token', '--config', config, '--user', user])
  expect(await exit).toBe(0)
  return (await stdout).trim()
}

const chromium = findChromium()
missing(chromium === undefined, 'NO CHROMIUM FOUND: the page of the guide is NOT tested')

describe.skipIf(chromium === undefined)('the page in React', () => {
  test('has fewer than 60 lines, and two people meet in it; a third does not', async () => {
    const lines = code('jsx').split('\n')
    expect(lines.filter((line) => /^\s*(?!\/\/|\s)./.test(line)).length).toBeLessThan(60)
    let script = ''
    const pages = createServer((request, response) => {
      const isScript = request.url === '/app.js'
      response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html')
      response.end(isScript ? script : '<!doctype html><div id="root"></div><script src="/app.js"></script>')
    })
    await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve))
    const origin = `http://localhost:${(pages.address() as AddressInfo).port}`
    const server = await start(['--config', config, '--origin', origin])
    script = await bundle(server.port)
    const browser = await launchChromium(chromium!)
    try {
      const open = async (user: string): Promise<Page> => {
        const page = await (await browser.newContext()).newPage()
        page.setDefaultTimeout(10_000)
        await page.goto(`${origin}/?token=${await token(user)}`)
        return page
      }
      const say = async (page: Page, text: string): Promise<void> => {
        await page.getByLabel('Say').fill(text)
        await page.getByLabel('Say').press('Enter')
      }
      const leto = await open('leto')
      await leto.getByText('Here: leto', { exact: true }).waitFor()
      await say(leto, 'hi')
      const paul = await open('paul')
      await paul.getByText('leto: hi').waitFor()
      await leto.getByText(/Here: (leto, paul|paul, leto)/).waitFor()
      const eve = await open('eve')
      await say(paul, 'hello')
      await leto.getByText('paul: hello').waitFor()
      await paul.reload()
      await paul.getByText('paul: hello').waitFor()
      expect(await eve.locator('p').allTextContents()).toEqual(['Here: '])
      expect(server.complaints()).toContain('subscribe of user "eve" in "private:chat#leto,paul"')
    } finally {
      await browser.close()
      pages.close()
    }
  })
})
