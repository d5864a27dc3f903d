// The page in a real browser against the real program: what a person sees, hears, types, and what survives a restart.

import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../roomcast/client.ts'
import { build, killAll, start } from '../roomcast/program.ts'
import { findChromium, launchChromium } from '../support/chromium.ts'

const executable = findChromium()

if (executable === undefined) {
  process.stderr.write(
    '\n*** NO CHROMIUM FOUND: the page is NOT tested. Install chromium, or set CHROMIUM to its path. ***\n\n',
  )
  if (process.env.CI) {
    test('a Chromium is there in CI', () => {
      expect.fail('no Chromium found: install chromium, or set CHROMIUM to its path')
    })
  }
}

describe.skipIf(executable === undefined)('the page', () => {
  let browser: Browser
  let server: Awaited<ReturnType<typeof start>>
  let url: string
  const contexts: BrowserContext[] = []
  const problems: string[] = []

  beforeAll(async () => {
    build()
    browser = await launchChromium(executable!)
    server = await start(['--token', 'secret'])
    url = `http://127.0.0.1:${server.port}/`
  })
  afterEach(async () => {
    await Promise.all(contexts.splice(0).map((context) => context.close()))
    expect(problems.splice(0)).toEqual([])
  })
  afterAll(async () => {
    await browser?.close()
    killAll()
  })

  async function context(options: BrowserContextOptions = {}): Promise<BrowserContext> {
    const made = await browser.newContext({ viewport: { width: 1100, height: 700 }, ...options })
    made.setDefaultTimeout(10_000)
    contexts.push(made)
    return made
  }

  /** Opens a tab of somebody. Errors on its console are problems, but for connections refused while there is no server. */
  async function tab(within: BrowserContext, name: string, hash = ''): Promise<Page> {
    const page = await within.newPage()
    page.on('pageerror', (error) => problems.push(String(error)))
    page.on('console', (line) => {
      if (line.type() === 'error' && !line.text().includes('ERR_CONNECTION_REFUSED')) problems.push(line.text())
    })
    page.on('dialog', (dialog) => {
      problems.push(`dialog: ${dialog.message()}`)
      dialog.dismiss().catch(() => {})
    })
    await page.goto(url + hash)
    await page.getByText('Connected', { exact: true }).waitFor()
    await page.getByLabel('Your name').fill(name)
    return page
  }

  async function say(page: Page, text: string): Promise<void> {
    await page.getByTestId('text').fill(text)
    await page.keyboard.press('Enter')
  }

  const message = (page: Page, text: string) => page.locator('[data-testid=message]:visible').filter({ hasText: text })

  const joined = (page: Page) => page.locator('.event:visible', { hasText: 'You joined' }).waitFor()

  test('two tabs join, say, hear and rename', async () => {
    const shared = await context()
    const leto = await tab(shared, 'leto')
    await leto.getByTestId('join-name').fill('lobby')
    await leto.getByTestId('join').click()
    await joined(leto)
    const ghanima = await tab(shared, 'ghanima', '#lobby')
    await joined(ghanima)

    await say(leto, 'hello from leto')
    await message(ghanima, 'hello from leto').waitFor()
    expect(await message(ghanima, 'hello from leto').locator('.author').textContent()).toBe('leto')
    expect(await message(ghanima, 'hello from leto').locator('time').count()).toBe(1)
    await message(leto, 'hello from leto')
      .getByText(/^✓ [\d.]+ ms$/)
      .waitFor()
    expect(await message(leto, 'hello from leto').locator('.you').textContent()).toBe('you')
    expect(await message(leto, 'hello from leto').count()).toBe(1)

    await leto.getByLabel('Your name').fill('muad’dib')
    await say(leto, 'under another name')
    expect(await message(ghanima, 'under another name').locator('.author').textContent()).toBe('muad’dib')
    await message(leto, 'under another name').getByText(/^✓/).waitFor()
    await leto.reload()
    expect(await leto.getByLabel('Your name').inputValue()).toBe('muad’dib')
    await joined(leto)
    expect(await leto.getByTestId('room-title').textContent()).toBe('lobby')
  })

  test('hostile names and messages are shown as text', async () => {
    const shared = await context()
    const hostile = '<img src=x onerror=alert(1)>'
    const leto = await tab(shared, hostile, `#${encodeURIComponent(hostile)}`)
    await joined(leto)
    const ghanima = await tab(shared, 'ghanima', `#${encodeURIComponent(hostile)}`)
    await joined(ghanima)
    await say(leto, `${hostile}<script>alert(2)</script>\u202Eevil`)
    await message(ghanima, 'evil').waitFor()
    const client = await connect(server.port)
    await client.ask({ join: hostile })
    for (const said of [hostile, { [hostile]: hostile }, null, 7, [], { name: hostile, text: { not: 'text' } }]) {
      client.send({ say: said, to: hostile })
    }
    for (let i = 0; i < 2; i++) client.send({ say: { name: 'n', text: 'sent twice', id: 'one id' }, to: hostile })
    client.send({ say: { name: 'x'.repeat(10_000), text: `huge ${'y'.repeat(50_000)}` }, to: hostile })
    await message(ghanima, 'huge').waitFor()
    expect(await message(ghanima, 'evil').locator('.author').textContent()).toBe(hostile)
    expect(await message(ghanima, 'sent twice').count()).toBe(1)
    expect(await ghanima.getByTestId('room-title').textContent()).toBe(hostile)
    expect(await ghanima.locator('main img, main script').count()).toBe(0)
    expect(await ghanima.locator('.json').allTextContents()).toEqual([
      JSON.stringify(hostile),
      JSON.stringify({ [hostile]: hostile }, null, 1),
      'null',
      '7',
      '[]',
      JSON.stringify({ name: hostile, text: { not: 'text' } }, null, 1),
    ])
    expect((await message(ghanima, 'huge').textContent())?.length).toBeLessThan(11_000)
    client.socket.close()
  })

  test('several channels: unread counts, drafts, leaving; the API is heard', async () => {
    const shared = await context()
    const leto = await tab(shared, 'leto', '#one')
    await joined(leto)
    await leto.getByTestId('text').fill('a draft')
    await leto.getByTestId('join-name').fill('two')
    await leto.getByTestId('join').click()
    await joined(leto)
    expect(await leto.getByTestId('text').inputValue()).toBe('')
    for (const text of ['first', 'second']) {
      const response = await fetch(`${url}channels/one`, {
        method: 'POST',
        headers: { authorization: 'Bearer secret', 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'api', text }),
      })
      expect(await response.json()).toEqual({ delivered: 1 })
    }
    await leto.getByRole('button', { name: 'one 2 unread' }).waitFor()
    expect(await leto.title()).toBe('(2) two · Roomcast')
    await leto.getByRole('button', { name: 'one 2 unread' }).click()
    await message(leto, 'second').waitFor()
    expect(await leto.title()).toBe('one · Roomcast')
    expect(new URL(leto.url()).hash).toBe('#one')
    expect(await leto.getByTestId('text').inputValue()).toBe('a draft')
    await leto.getByTestId('leave').click()
    expect(await leto.getByTestId('room-title').textContent()).toBe('two')
    await leto.getByTestId('leave').click()
    await leto.getByText('Join a channel to begin').waitFor()
  })

  test('a name the server refuses is explained, and can be put right', async () => {
    const leto = await tab(await context(), 'leto')
    await leto.getByTestId('join-name').fill('ü'.repeat(101))
    await leto.keyboard.press('Enter')
    await leto.getByTestId('join-error').filter({ hasText: 'This name cannot be used' }).waitFor()
    expect(await leto.getByTestId('join-name').inputValue()).toBe('ü'.repeat(101))
    await leto.getByTestId('join-name').fill('ok')
    await leto.keyboard.press('Enter')
    await joined(leto)
    expect(await leto.getByTestId('join-error').textContent()).toBe('')
  })

  test('a channel keeps its last 500 messages', async () => {
    const leto = await tab(await context(), 'leto', '#busy')
    await joined(leto)
    const client = await connect(server.port)
    await client.ask({ join: 'busy' })
    for (let i = 1; i <= 600; i++) client.send({ say: { name: 'n', text: `number ${i}.` }, to: 'busy' })
    await message(leto, 'number 600.').waitFor()
    expect(await leto.locator('.log > *').count()).toBe(500)
    expect(await message(leto, 'number 101.').count()).toBe(1)
    expect(await message(leto, 'number 100.').count()).toBe(0)
    client.socket.close()
  })

  test('killed and started again: both tabs come back by themselves, nothing said is lost', async () => {
    const own = await start()
    const { port } = own
    const shared = await context()
    const before = url
    url = `http://127.0.0.1:${port}/`
    const leto = await tab(shared, 'leto', '#lobby')
    const ghanima = await tab(shared, 'ghanima', '#lobby')
    url = before
    await Promise.all([joined(leto), joined(ghanima)])

    // A server that froze takes a message and answers nothing.
    own.child.kill('SIGSTOP')
    await say(leto, 'said to nobody')
    await message(leto, 'said to nobody').getByText('Sending…').waitFor()
    own.child.kill('SIGKILL')
    await own.exit
    await message(leto, 'said to nobody').getByText('Perhaps not sent').waitFor()
    await leto.getByTestId('banner').filter({ hasText: 'The connection was lost.' }).waitFor()
    await ghanima.getByText('Reconnecting…').waitFor()
    await say(leto, 'said while away')
    await message(leto, 'said while away').getByText('Not sent yet').waitFor()

    await start(['--port', `${port}`])
    const back = (page: Page) => page.locator('.event', { hasText: 'Back at' }).waitFor({ timeout: 40_000 })
    await Promise.all([back(leto), back(ghanima)])
    for (const text of ['said to nobody', 'said while away']) await message(leto, text).getByText(/^✓/).waitFor()
    expect(await leto.getByTestId('banner').isVisible()).toBe(false)
    await say(ghanima, 'I hear you')
    await message(leto, 'I hear you').waitFor()
    await say(leto, 'and I you')
    await message(ghanima, 'and I you').waitFor()
  }, 60_000)

  test('a restart that drains is called one', async () => {
    const own = await start()
    const before = url
    url = `http://127.0.0.1:${own.port}/`
    const leto = await tab(await context(), 'leto', '#lobby')
    url = before
    await joined(leto)
    own.child.kill('SIGTERM')
    await leto.getByTestId('banner').filter({ hasText: 'The server is restarting.' }).waitFor()
    expect(await own.exit).toBe(0)
  })

  test('a message over the limit of the server is said to be unsent, once', async () => {
    const own = await start(['--max-message-bytes', '500'])
    const before = url
    url = `http://127.0.0.1:${own.port}/`
    const leto = await tab(await context(), 'leto', '#lobby')
    url = before
    await joined(leto)
    await say(leto, `long ${'x'.repeat(600)}`)
    await message(leto, 'long')
      .getByText('Not sent. A message was larger than this server allows. Send again')
      .waitFor()
    await leto.locator('.event', { hasText: 'Back at' }).waitFor()
    await say(leto, 'short')
    await message(leto, 'short').getByText(/^✓/).waitFor()
    const stats = await (await fetch(`http://127.0.0.1:${own.port}/stats`)).json()
    expect(stats).toMatchObject({ closes: { 1009: 1 } })
  })

  test('by keyboard alone', async () => {
    const leto = await tab(await context(), 'leto')
    // A fresh load: nothing has the focus yet.
    await leto.reload()
    await leto.getByText('Connected', { exact: true }).waitFor()
    const focused = () => leto.evaluate(() => document.activeElement?.id)
    const order: (string | undefined)[] = []
    for (let i = 0; i < 3; i++) {
      await leto.keyboard.press('Tab')
      order.push(await focused())
      const style = await leto.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle)
      expect(style).toBe('solid')
    }
    expect(order).toEqual(['skip', 'name', 'join-name'])
    await leto.keyboard.press('Enter')
    await joined(leto)
    expect(await focused()).toBe('text')
    await leto.keyboard.type('typed')
    await leto.keyboard.press('Shift+Enter')
    await leto.keyboard.type('in two lines')
    await leto.keyboard.press('Enter')
    await message(leto, 'typed').getByText(/^✓/).waitFor()
    expect(await message(leto, 'typed').locator('.text').textContent()).toBe('typed\nin two lines')
    await leto.getByRole('link', { name: 'Skip to the conversation' }).focus()
    await leto.keyboard.press('Enter')
    expect(await focused()).toBe('main')
    expect(new URL(leto.url()).hash).toBe('#lobby')
  })

  test('on a phone: nothing is wider than the screen, targets are large', async () => {
    const phone = await tab(
      await context({ viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true }),
      'leto',
    )
    await phone.getByRole('button', { name: 'Join #lobby' }).tap()
    await joined(phone)
    await phone.getByRole('button', { name: '+ Join' }).tap()
    await phone.getByTestId('join-name').fill('a-long-name-for-a-channel-on-a-phone')
    await phone.getByTestId('join').tap()
    await joined(phone)
    await phone.getByTestId('text').fill(`wide ${'w'.repeat(300)}`)
    await phone.getByTestId('send').tap()
    await message(phone, 'wide').getByText(/^✓/).waitFor()
    expect(await phone.evaluate(() => document.documentElement.scrollWidth)).toBe(360)
    const small = await phone.evaluate(() =>
      [...document.querySelectorAll('button, input, textarea')]
        .filter((control) => control.checkVisibility())
        .filter((control) => control.getBoundingClientRect().height < 44)
        .map((control) => control.outerHTML),
    )
    expect(small).toEqual([])
  })

  test.each(['light', 'dark'] as const)('%s: every text has a contrast of 4.5', async (colorScheme) => {
    const leto = await tab(await context({ colorScheme, reducedMotion: 'reduce' }), 'leto', '#colours')
    await joined(leto)
    const client = await connect(server.port)
    await client.ask({ join: 'colours' })
    for (const name of 'abcdefghijkl') client.send({ say: { name, text: 'x' }, to: 'colours' })
    client.send({ say: ['no chat text'], to: 'colours' })
    await message(leto, 'no chat text').waitFor()
    await say(leto, 'mine')
    await message(leto, 'mine').getByText(/^✓/).waitFor()
    expect(await leto.evaluate(lowContrast)).toEqual([])
    expect(await leto.locator('[class*=colour-]').count()).toBe(13)
    client.socket.close()
  })

  test('a screen reader finds its way', async () => {
    const leto = await tab(await context(), 'leto', '#lobby')
    await joined(leto)
    for (const role of ['banner', 'navigation', 'main'] as const)
      expect(await leto.getByRole(role).count(), role).toBe(1)
    expect(await leto.getByRole('status').textContent()).toBe('Connected')
    const log = leto.getByRole('log', { name: 'Messages in lobby' })
    expect(await log.getAttribute('aria-live')).toBe('polite')
    for (const label of ['Your name', 'Join a channel', 'Message to lobby']) {
      expect(await leto.getByLabel(label, { exact: true }).count(), label).toBe(1)
    }
    expect(await leto.getByRole('button', { name: 'lobby', exact: true }).getAttribute('aria-current')).toBe('page')
    expect(await leto.getByRole('heading').allTextContents()).toEqual(['Roomcast', 'lobby'])
  })
})

/** Runs in the page: the visible texts whose colour stands out too little from what is behind them (WCAG 2, 1.4.3). */
function lowContrast(): string[] {
  const channels = (colour: string): number[] => (colour.match(/[\d.]+/g) ?? []).map(Number)
  const luminance = (colour: string): number => {
    const [r = 0, g = 0, b = 0] = channels(colour).map((value) => {
      const part = value / 255
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const background = (of: Element | null): string => {
    for (let element = of; element !== null; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor
      if (channels(colour)[3] !== 0) return colour
    }
    return 'rgb(255, 255, 255)'
  }
  const low: string[] = []
  for (const element of document.querySelectorAll('body *')) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.nodeValue?.trim())
    if (!hasText || !element.checkVisibility()) continue
    const [a, b] = [luminance(getComputedStyle(element).color), luminance(background(element))]
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    if (contrast < 4.5) low.push(`${contrast.toFixed(2)} ${element.outerHTML.slice(0, 80)}`)
  }
  return low
}
