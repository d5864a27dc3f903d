// The page for everybody: axe finds nothing, the keyboard reaches everything, a screen reader finds its way. And the code
// that the page shows works as it stands there.

import { execFile, spawn } from 'node:child_process'
import axe from 'axe-core'
import type { Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { ROOT, type Run, start } from '../roomcast/program.ts'
import { missing } from '../support/missing.ts'
import { connected, delivered, describeBrowser, enter, joined, message, say } from './stage.ts'

const DESK = { viewport: { width: 1280, height: 800 } }
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }
const PYTHON_PATH = `${ROOT}node_modules/.cache/centrifuge-python`

const works = (command: string, args: string[], env: Record<string, string> = {}): Promise<boolean> =>
  new Promise((resolve) => {
    execFile(command, args, { env: { ...process.env, ...env } }, (error) => resolve(error === null))
  })
const has = {
  Python: await works('python3', ['-c', 'import centrifuge'], { PYTHONPATH: PYTHON_PATH }),
  curl: await works('curl', ['--version']),
}
missing(!has.Python, 'NO CENTRIFUGE-PYTHON FOUND: the code for Python on the page is NOT tested.')
missing(!has.curl, 'NO CURL FOUND: the code for curl on the page is NOT tested.')

/** What axe finds, a line each. */
async function faults(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } }
    interface Violation {
      id: string
      nodes: { html: string; failureSummary: string }[]
    }
    const { violations } = await axe.run()
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id} ${html} ${failureSummary}`),
    )
  })
}

describeBrowser('the page for everybody', (stage) => {
  let server: Run & { port: number }
  let url: string
  beforeAll(async () => {
    server = await start(['--token', 'secret'])
    url = `http://127.0.0.1:${server.port}/`
  })

  test.each([
    ['light', 'desk', DESK],
    ['dark', 'desk', DESK],
    ['light', 'phone', PHONE],
    ['dark', 'phone', PHONE],
  ] as const)(
    'axe finds nothing: %s, on a %s',
    async (colorScheme, size, options) => {
      const context = await stage.context({ ...options, colorScheme, reducedMotion: 'reduce', bypassCSP: true })
      const page = await stage.tab(context, url)
      expect(await faults(page)).toEqual([])
      await page.getByLabel('Your name').fill('leto')
      await enter(page, 'axe')
      for (const name of 'abcdefghijkl') {
        await page.getByTestId('text').fill(name)
        await page.keyboard.press('Enter')
      }
      await fetch(`${url}channels/axe`, {
        method: 'POST',
        headers: { authorization: 'Bearer secret', 'content-type': 'application/json' },
        body: JSON.stringify(['no chat text', size]),
      })
      await message(page, 'no chat text').last().waitFor()
      await page.getByTestId('status').click()
      expect(await faults(page)).toEqual([])
      await page.keyboard.press('Escape')
      for (const name of size === 'phone' ? ['Rooms', /People and code/] : []) {
        await page.getByRole('button', { name }).tap()
        expect(await faults(page)).toEqual([])
        await page.keyboard.press('Escape')
      }
      await context.setOffline(true)
      await connected(page, 'waiting')
      await say(page, 'waits')
      await message(page, 'waits').getByText('Not sent yet').waitFor()
      expect(await faults(page)).toEqual([])
    },
    60_000,
  )

  test('by keyboard alone', async () => {
    const leto = await stage.tab(await stage.context(), url)
    const focused = () => leto.evaluate(() => document.activeElement?.id || document.activeElement?.tagName)
    const order: (string | undefined)[] = []
    for (let i = 0; i < 4; i++) {
      await leto.keyboard.press('Tab')
      order.push(await focused())
      expect(await leto.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle)).toBe('solid')
    }
    expect(order).toEqual(['skip', 'SUMMARY', 'name', 'join-name'])
    await leto.keyboard.press('Enter')
    await joined(leto)
    expect(await focused()).toBe('text')
    await leto.keyboard.type('typed')
    await leto.keyboard.press('Shift+Enter')
    await leto.keyboard.type('in two lines')
    await leto.keyboard.press('Enter')
    await delivered(leto, 'typed')
    await expect.poll(() => message(leto, 'typed').locator('.text').textContent()).toBe('typed\nin two lines')
    await leto.getByRole('link', { name: 'Skip to the conversation' }).focus()
    await leto.keyboard.press('Enter')
    expect(await focused()).toBe('main')
    expect(new URL(leto.url()).hash).toBe('#lobby')
  })

  test('a screen reader finds its way', async () => {
    const leto = await stage.person('leto', url, 'reader')
    for (const role of ['banner', 'navigation', 'main', 'complementary'] as const)
      await expect.poll(() => leto.getByRole(role).count(), { message: role }).toBe(1)
    await expect.poll(() => leto.getByTestId('status').textContent()).toBe('Connected')
    const log = leto.getByRole('log', { name: 'Messages in reader' })
    await expect.poll(() => log.getAttribute('aria-live')).toBe('polite')
    for (const label of ['Your name', 'Join a room', 'Message to reader']) {
      await expect.poll(() => leto.getByLabel(label, { exact: true }).count(), { message: label }).toBe(1)
    }
    await expect
      .poll(() => leto.getByRole('button', { name: 'reader', exact: true }).getAttribute('aria-current'))
      .toBe('page')
    await expect
      .poll(() => leto.getByRole('heading').allTextContents())
      .toEqual(['Roomcast', 'reader', 'Here now · 1', 'From a program'])
  })

  /** Runs what the page shows, until it is ended. */
  const programs: Record<string, (code: string, page: Page) => () => unknown> = {
    Browser(code, page) {
      const [, script = ''] = /<script>\n([\s\S]*)<\/script>$/.exec(code) ?? []
      // As a script of its own would: names do not meet the page's.
      void page.evaluate(`{${script}}`)
      return () => {}
    },
    Node(code) {
      const flags = Number.parseInt(process.versions.node, 10) < 22 ? ['--experimental-websocket'] : []
      return run(process.execPath, [...flags, '--input-type=module', '--eval', code])
    },
    Python: (code) => run('python3', ['-c', code], { PYTHONPATH: PYTHON_PATH }),
    curl: (code) => run('sh', ['-c', code], { ROOMCAST_TOKEN: 'secret' }),
  }

  function run(command: string, args: string[], env: Record<string, string> = {}): () => unknown {
    const child = spawn(command, args, { cwd: ROOT, env: { ...process.env, ...env }, stdio: 'ignore' })
    return () => child.kill()
  }

  test.skipIf(!has.Python)('the code for Python says hello', () => saysHello('Python'))
  test.skipIf(!has.curl)('the code for curl says hello', () => saysHello('curl'))
  test.each(['Browser', 'Node'])('the code for %s says hello', (language) => saysHello(language))

  async function saysHello(language: string): Promise<void> {
    const room = `it's "${language}" & <co>/1`
    const leto = await stage.person('leto', url, room)
    await leto.getByRole('tab', { name: language }).click()
    const end = programs[language]!((await leto.getByTestId('sample').textContent())!, leto)
    await message(leto, 'hello').waitFor()
    await expect.poll(() => message(leto, 'hello').locator('.author').textContent()).toBe(language.toLowerCase())
    end()
  }
})
