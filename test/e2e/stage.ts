// A browser for tests of the page: people in contexts of their own, what they see, and what went wrong on their consoles.

import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { build, killAll } from '../roomcast/program.ts'
import { findChromium, launchChromium } from '../support/chromium.ts'

const executable = findChromium()

/** A `describe` whose tests need a Chromium: without one they are skipped loudly, and under CI fail. */
export function describeBrowser(name: string, body: (stage: Stage) => void): void {
  if (executable === undefined) {
    process.stderr.write(
      `\n*** NO CHROMIUM FOUND: ${name} is NOT tested. Install it, or set CHROMIUM to its path. ***\n\n`,
    )
    if (process.env.CI) {
      test(`a Chromium is there in CI for ${name}`, () => {
        expect.fail('no Chromium found: install chromium, or set CHROMIUM to its path')
      })
    }
  }
  describe.skipIf(executable === undefined)(name, () => {
    const stage = new Stage()
    beforeAll(() => stage.open())
    afterEach(() => stage.clear())
    afterAll(() => stage.close())
    body(stage)
  })
}

/** What a browser says of servers that are away, and of a connection that was cut before it used it again, is no problem of
 * the page's. */
const EXPECTED =
  /ERR_(CONNECTION_|SOCKET_NOT_CONNECTED|INTERNET_DISCONNECTED|EMPTY_RESPONSE|ABORTED)|closed before the connection|WebSocket is closed/

export class Stage {
  #browser: Browser | undefined
  readonly #contexts: BrowserContext[] = []
  readonly #problems: string[] = []

  async open(): Promise<void> {
    build()
    this.#browser = await launchChromium(executable!)
  }

  async clear(): Promise<void> {
    await Promise.all(this.#contexts.splice(0).map((context) => context.close()))
    expect(this.#problems.splice(0)).toEqual([])
  }

  async close(): Promise<void> {
    await this.#browser?.close()
    killAll()
  }

  async context(options: BrowserContextOptions = {}): Promise<BrowserContext> {
    const made = await this.#browser!.newContext({ viewport: { width: 1280, height: 800 }, ...options })
    made.setDefaultTimeout(15_000)
    this.#contexts.push(made)
    return made
  }

  /** Opens a tab of somebody, and waits until it is connected. */
  async tab(within: BrowserContext, url: string): Promise<Page> {
    const page = await within.newPage()
    page.on('pageerror', (error) => this.#problems.push(String(error)))
    page.on('console', (line) => {
      if (line.type() === 'error' && !EXPECTED.test(line.text())) this.#problems.push(line.text())
    })
    page.on('dialog', (dialog) => {
      // Asked when a tab closes in which something waits.
      if (dialog.type() !== 'beforeunload') this.#problems.push(`dialog: ${dialog.message()}`)
      dialog.accept().catch(() => {})
    })
    await page.goto(url)
    await connected(page)
    return page
  }

  /** Somebody with a browser of their own, in a room. */
  async person(name: string, url: string, room: string, options: BrowserContextOptions = {}): Promise<Page> {
    const page = await this.tab(await this.context(options), url)
    await page.getByLabel('Your name').fill(name)
    await enter(page, room)
    return page
  }
}

/** The name of a connection's state is seen on a wide screen, and heard everywhere. */
export function connected(page: Page, state = 'open'): Promise<void> {
  return page.locator(`[data-testid=status][data-state=${state}]`).waitFor({ state: 'attached' })
}

export async function enter(page: Page, room: string): Promise<void> {
  await page.getByTestId('join-name').fill(room)
  await page.getByTestId('join').click()
  await joined(page)
}

export function joined(page: Page): Promise<void> {
  return event(page, 'You came in').first().waitFor()
}

export function event(page: Page, text: string): Locator {
  return page.locator('.event:visible', { hasText: text })
}

export async function say(page: Page, text: string): Promise<void> {
  await page.getByTestId('text').fill(text)
  await page.keyboard.press('Enter')
}

export function message(page: Page, text: string): Locator {
  return page.locator('[data-testid=message]:visible').filter({ hasText: text })
}

export function delivered(page: Page, text: string): Promise<void> {
  return page.locator('[data-fate=delivered]:visible').filter({ hasText: text }).waitFor()
}

/** The texts of all messages, as they stand. */
export function texts(page: Page): Promise<string[]> {
  return page.locator('[data-testid=message]:visible .text').allTextContents()
}
