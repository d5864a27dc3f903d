// What stands on the page can all be read: nothing is cut off, and nothing lies over what one reads or writes.

import type { Locator, Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { type Run, start } from '../roomcast/program.ts'
import { connected, delivered, describeBrowser, event, message, say } from './stage.ts'

const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }
const SIZES: [size: string, options: object][] = [
  ['desk', {}],
  ['phone', PHONE],
]

describeBrowser('what stands on the page', (stage) => {
  let server: Run & { port: number }
  let url: string
  beforeAll(async () => {
    server = await start(['--token', 'secret'])
    url = `http://127.0.0.1:${server.port}/`
  })

  async function post(room: string, text: string): Promise<void> {
    await fetch(`${url}channels/${room}`, {
      method: 'POST',
      headers: { authorization: 'Bearer secret', 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'api', text }),
    })
  }

  test.each(SIZES)('code is shown whole, and is what one copies: on a %s', async (size, options) => {
    const context = await stage.context(options)
    const page = await stage.tab(context, url)
    const wholeIn = async (): Promise<void> => {
      for (const language of ['Browser', 'Node', 'Python', 'curl']) {
        await page.getByRole('tab', { name: language }).click()
        const sample = page.getByTestId('sample')
        expect(await sample.evaluate((box) => box.scrollWidth - box.clientWidth), language).toBe(0)
        expect(await sample.evaluate((box) => box.scrollHeight - box.clientHeight), language).toBe(0)
        const [code, selected] = await sample.evaluate((box) => {
          getSelection()!.selectAllChildren(box)
          return [box.textContent, getSelection()!.toString()]
        })
        expect(selected.trim(), language).toBe(code)
      }
    }
    await wholeIn()
    await page.getByTestId('join-name').fill(`a-long-name-${'for-a-room-'.repeat(5)}`)
    await page.getByTestId('join').click()
    await event(page, 'You came in').waitFor()
    if (size === 'phone') await page.getByRole('button', { name: /People and code/ }).tap()
    await wholeIn()
  })

  test.each(SIZES)('a banner hides nothing of the conversation: on a %s', async (size, options) => {
    const leto = await stage.person('leto', url, `banner-${size}`, options)
    await say(leto, 'the first')
    await delivered(leto, 'the first')
    await leto.context().setOffline(true)
    await connected(leto, 'waiting')
    const banner = leto.locator('#banner')
    await banner.waitFor()
    for (const line of [event(leto, 'You came in').first(), message(leto, 'the first').locator('.byline')]) {
      expect(await overlap(banner, line)).toBe(false)
    }
  })

  test.each(SIZES)('the newest stays in sight when a banner takes its place: on a %s', async (size, options) => {
    const leto = await stage.person('leto', url, `in-sight-${size}`, options)
    for (let i = 0; i < 60; i++) await post(`in-sight-${size}`, `line ${i}.`)
    await message(leto, 'line 59.').waitFor()
    await leto.context().setOffline(true)
    await leto.locator('#banner').waitFor()
    await expect.poll(() => restBelow(leto)).toBeLessThan(2)
  })

  test.each(SIZES)('what is new is told above what one writes: on a %s', async (size, options) => {
    const leto = await stage.person('leto', url, `above-${size}`, options)
    await post(`above-${size}`, 'a line\n'.repeat(80))
    await message(leto, 'a line').waitFor()
    await leto.locator('.log:visible').evaluate(scrollUp)
    await post(`above-${size}`, 'one more')
    await leto.locator('#newest').waitFor()
    await leto.getByTestId('text').fill('a draft\n'.repeat(30))
    expect(await overlap(leto.locator('#newest'), leto.locator('#composer'))).toBe(false)
  })

  test('an empty room says what comes next, until something is said', async () => {
    const leto = await stage.person('leto', url, 'empty')
    await leto.getByText('What is said from now on stands here.').waitFor()
    await say(leto, 'something')
    await delivered(leto, 'something')
    expect(await leto.getByText('What is said from now on stands here.').isVisible()).toBe(false)
  })
})

async function overlap(one: Locator, other: Locator): Promise<boolean> {
  const [a, b] = [(await one.boundingBox())!, (await other.boundingBox())!]
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

/** Runs in the page; resolves when the page has heard of it. */
function scrollUp(log: Element): Promise<void> {
  return new Promise((resolve) => {
    log.addEventListener('scroll', () => resolve(), { once: true })
    log.scrollTo(0, 0)
  })
}

/** How far the conversation is from its end, in pixels. */
function restBelow(page: Page): Promise<number> {
  return page.locator('.log:visible').evaluate((log) => log.scrollHeight - log.scrollTop - log.clientHeight)
}
