// The page in a real browser against the real program: what a person sees, hears, types and does.

import type { Page } from 'playwright-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../roomcast/client.ts'
import { type Run, start } from '../roomcast/program.ts'
import { delivered, describeBrowser, enter, event, joined, message, say, texts } from './stage.ts'

const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }

describeBrowser('the page', (stage) => {
  let server: Run & { port: number }
  let url: string
  beforeAll(async () => {
    server = await start(['--token', 'secret'])
    url = `http://127.0.0.1:${server.port}/`
  })

  async function post(room: string, value: unknown): Promise<unknown> {
    const response = await fetch(`${url}channels/${room}`, {
      method: 'POST',
      headers: { authorization: 'Bearer secret', 'content-type': 'application/json' },
      body: JSON.stringify(value),
    })
    return response.json()
  }

  const members = (page: Page): Promise<string[]> => page.getByTestId('members').locator('.member').allTextContents()

  test('two people: history when one enters, who is there, who comes, goes and is renamed', async () => {
    const leto = await stage.person('leto', url, 'talk')
    await say(leto, 'hello from leto')
    await delivered(leto, 'hello from leto')
    const ghanima = await stage.person('ghanima', url, 'talk')
    await message(ghanima, 'hello from leto').waitFor()
    await expect.poll(() => message(ghanima, 'hello from leto').locator('.author').textContent()).toBe('leto')
    await expect.poll(() => message(ghanima, 'hello from leto').locator('time').getAttribute('datetime')).toMatch(/^20/)
    await expect.poll(() => message(leto, 'hello from leto').locator('.you').textContent()).toBe('you')
    await expect.poll(() => members(ghanima)).toEqual(['ghanima', 'leto'])
    await event(leto, 'ghanima came in').waitFor()
    await expect.poll(() => members(leto)).toEqual(['leto', 'ghanima'])

    await leto.getByLabel('Your name').fill('muad’dib')
    await leto.getByLabel('Your name').press('Enter')
    await event(ghanima, 'leto is now muad’dib').waitFor()
    await expect.poll(() => members(ghanima)).toEqual(['ghanima', 'muad’dib'])
    await say(leto, 'under another name')
    await message(ghanima, 'under another name').waitFor()
    await expect.poll(() => message(ghanima, 'under another name').locator('.author').textContent()).toBe('muad’dib')

    // A rename is no break.
    expect(await event(leto, 'missing').count()).toBe(0)
    await expect.poll(() => texts(leto)).toEqual(['hello from leto', 'under another name'])

    await leto.close()
    await event(ghanima, 'muad’dib left').waitFor()
    await expect.poll(() => members(ghanima)).toEqual(['ghanima'])
    await ghanima.getByText('Here now · 1').waitFor()
  })

  test('a round trip is told where one asks for it, and not under each message', async () => {
    const leto = await stage.person('leto', url, 'trips')
    await say(leto, 'quick')
    await delivered(leto, 'quick')
    expect(await message(leto, 'quick').textContent()).not.toMatch(/ms/)
    await leto.getByTestId('status').click()
    await expect.poll(() => leto.getByTestId('facts').textContent()).toMatch(/There and back[\d.]+ ms/)
    await leto.keyboard.press('Escape')
    await expect.poll(() => leto.getByTestId('facts').isVisible()).toBe(false)
  })

  test('hostile names and messages are shown as text', async () => {
    const hostile = '<img src=x onerror=alert(1)>'
    const ghanima = await stage.person(hostile, url, hostile)
    const client = await connect(server.port)
    await client.ask({ join: hostile, meta: { name: hostile } })
    const chat = { name: hostile, text: `evil ${hostile}` }
    for (const value of [
      chat,
      hostile,
      { [hostile]: hostile },
      null,
      7,
      [],
      { name: hostile, text: { not: 'text' } },
    ]) {
      client.send({ say: value, to: hostile })
    }
    client.send({ say: { name: 'x'.repeat(10_000), text: `huge ${'y'.repeat(50_000)}` }, to: hostile })
    await message(ghanima, 'huge').waitFor()
    await expect.poll(() => message(ghanima, 'evil').locator('.author').textContent()).toBe(hostile)
    await expect.poll(() => ghanima.getByTestId('room-title').textContent()).toBe(hostile)
    expect(await ghanima.locator('main img, main script, aside img, aside script').count()).toBe(0)
    await expect
      .poll(() => ghanima.locator('.json').allTextContents())
      .toEqual([
        JSON.stringify(hostile),
        JSON.stringify({ [hostile]: hostile }, null, 1),
        'null',
        '7',
        '[]',
        JSON.stringify({ name: hostile, text: { not: 'text' } }, null, 1),
      ])
    expect((await message(ghanima, 'huge').textContent())?.length).toBeLessThan(11_000)
    expect((await members(ghanima)).slice(0, 1)).toEqual([hostile])
    client.socket.close()
  })

  test('messages with one id are all shown, and so is what pretends to be ours', async () => {
    const leto = await stage.person('leto', url, 'ids')
    await say(leto, 'mine')
    await delivered(leto, 'mine')
    const client = await connect(server.port)
    await client.ask({ join: 'ids' })
    for (const status of ['paid', 'packed', 'shipped']) client.send({ say: { id: 'order-1', status }, to: 'ids' })
    const kept = JSON.parse((await leto.evaluate(() => sessionStorage.getItem('roomcast.tab')))!)
    for (const text of ['mine', 'again']) {
      client.send({ say: { name: 'leto', text, id: 'one id', client: kept.clients[0] }, to: 'ids' })
    }
    for (let i = 0; i < 2; i++) client.send({ say: { name: 'n', text: 'said twice', id: 'x' }, to: 'ids' })
    for (let i = 0; i < 2; i++) client.send({ say: { name: 'n', text: 'marked', id: 'y', again: true }, to: 'ids' })
    await message(leto, 'marked').waitFor()
    const found = await texts(leto)
    expect(found.slice(4)).toEqual(['mine', 'again', 'said twice', 'said twice', 'marked'])
    expect(found.slice(1, 4).map((text) => JSON.parse(text).status)).toEqual(['paid', 'packed', 'shipped'])
    await expect.poll(() => leto.locator('.message.mine').count()).toBe(1)
    client.socket.close()
  })

  test('several rooms: unread counts, drafts, leaving; a backend is heard', async () => {
    const leto = await stage.person('leto', url, 'one')
    await leto.getByTestId('text').fill('a draft')
    await enter(leto, 'two')
    await expect.poll(() => leto.getByTestId('text').inputValue()).toBe('')
    for (const text of ['first', 'second']) expect(await post('one', { name: 'api', text })).toEqual({ delivered: 1 })
    await leto.getByRole('button', { name: 'one 2 unread' }).waitFor()
    await expect.poll(() => leto.title()).toBe('(2) two · Roomcast')
    await leto.getByRole('button', { name: 'one 2 unread' }).click()
    await message(leto, 'second').waitFor()
    await expect.poll(() => leto.title()).toBe('one · Roomcast')
    expect(new URL(leto.url()).hash).toBe('#one')
    await expect.poll(() => leto.getByTestId('text').inputValue()).toBe('a draft')
    await leto.getByTestId('leave').click()
    await expect.poll(() => leto.getByTestId('room-title').textContent()).toBe('two')
    await enter(leto, 'one')
    await expect.poll(() => leto.getByTestId('text').inputValue()).toBe('a draft')
    for (let i = 0; i < 2; i++) await leto.getByTestId('leave').click()
    await leto.getByRole('heading', { name: 'Say it once' }).waitFor()
  })

  test('a name the server refuses is explained, and can be put right', async () => {
    const leto = await stage.tab(await stage.context(), url)
    await leto.getByTestId('join-name').fill('ü'.repeat(128))
    await leto.keyboard.press('Enter')
    await leto.getByTestId('join-error').filter({ hasText: 'This name cannot be used' }).waitFor()
    await expect.poll(() => leto.getByTestId('join-name').inputValue()).toBe('ü'.repeat(128))
    await leto.getByTestId('join-name').fill('ok')
    await leto.keyboard.press('Enter')
    await joined(leto)
    await expect.poll(() => leto.getByTestId('join-error').textContent()).toBe('')
  })

  test('a long log keeps its last 500 lines, the first of which has its author and time', async () => {
    const leto = await stage.person('leto', url, 'busy')
    const client = await connect(server.port)
    await client.ask({ join: 'busy' })
    for (let i = 1; i <= 600; i++) client.send({ say: { name: 'n', text: `number ${i}.` }, to: 'busy' })
    await message(leto, 'number 600.').waitFor()
    await expect.poll(() => leto.locator('.said > *').count()).toBe(500)
    expect(await message(leto, 'number 100.').count()).toBe(0)
    const [first, second] = [message(leto, 'number 101.'), message(leto, 'number 102.')]
    for (const [line, isShown] of [
      [first, true],
      [second, false],
    ] as const) {
      const box = await line.locator('.byline').boundingBox()
      expect(box!.width > 50).toBe(isShown)
    }
    await expect.poll(() => first.locator('.byline').textContent()).toMatch(/^n .*\d/)
    client.socket.close()
  })

  test.each([
    ['on a desk', {}],
    ['on a phone', PHONE],
  ])('what is written from right to left stays at its author: %s', async (_, options) => {
    const leto = await stage.person('leto', url, 'rtl', options)
    const long = `ארוך ${'שלום לכולם '.repeat(20)}`
    for (const text of ['שלום', long]) await post('rtl', { name: 'דוד', text })
    await message(leto, 'ארוך').first().waitFor()
    for (const text of ['שלום', 'ארוך']) {
      const one = message(leto, text).first()
      // The letters themselves, not the box that they stand in.
      const distance = await one.evaluate((line) => {
        const letters = document.createRange()
        letters.selectNodeContents(line.querySelector('.text')!)
        const { left } = line.querySelector('.author')!.getBoundingClientRect()
        return letters.getBoundingClientRect().left - left
      })
      expect(distance).toBeLessThan(30)
    }
    expect(
      await message(leto, 'ארוך')
        .first()
        .locator('.text')
        .evaluate((text) => getComputedStyle(text).direction),
    ).toBe('rtl')
  })

  test('the first view says what this is, has one way in, and shows how programs say something', async () => {
    const page = await stage.tab(await stage.context(), url)
    await expect.poll(() => page.locator('.lead').textContent()).toMatch(/a server for live rooms/)
    await expect.poll(() => page.getByRole('button', { name: /join/i }).count()).toBe(1)
    await expect.poll(() => page.getByRole('tab').allTextContents()).toEqual(['Browser', 'Node', 'Python', 'curl'])
    await page.getByRole('tab', { name: 'Browser' }).focus()
    for (const word of ['newSubscription("lobby")', 'Client("ws://', 'curl "http://', '<script']) {
      await page.keyboard.press('ArrowRight')
      await expect.poll(() => page.getByTestId('sample').textContent()).toContain(word)
    }
    await enter(page, 'a "room"')
    await expect.poll(() => page.getByRole('button', { name: /join/i }).count()).toBe(1)
    await expect
      .poll(() => page.getByTestId('sample').textContent())
      .toContain(String.raw`newSubscription("a \"room\"")`)
  })

  describe('on a phone', () => {
    test('one bar and the place to write; the name of the room once; nothing too wide, nothing too small', async () => {
      const phone = await stage.person('leto', url, 'a-long-name-for-a-room-on-a-phone-that-is-small', PHONE)
      await say(phone, `wide ${'w'.repeat(300)}`)
      await delivered(phone, 'wide')
      const log = await phone.locator('.log:visible').boundingBox()
      expect(844 - log!.height).toBeLessThan(130)
      const named = phone.getByText('a-long-name-for-a-room')
      const widths = await named.evaluateAll((all) => all.map((one) => one.getBoundingClientRect().width))
      expect(widths.filter((width) => width > 1)).toHaveLength(1)
      expect(await phone.evaluate(() => document.documentElement.scrollWidth)).toBe(390)
      expect(await phone.evaluate(smallControls)).toEqual([])
      await phone.getByRole('button', { name: 'Rooms' }).tap()
      await phone.getByLabel('Join a room').waitFor()
      expect(await phone.evaluate(smallControls)).toEqual([])
      await phone.getByTestId('join-name').fill('second')
      await phone.getByTestId('join').tap()
      await joined(phone)
      await expect.poll(() => phone.getByTestId('room-title').textContent()).toBe('second')
      await phone.getByRole('button', { name: /People and code/ }).tap()
      await phone.getByText('Here now · 1').waitFor()
      expect(await phone.evaluate(smallControls)).toEqual([])
      await phone.getByTestId('leave').tap()
      await expect
        .poll(() => phone.getByTestId('room-title').textContent())
        .toBe('a-long-name-for-a-room-on-a-phone-that-is-small')
    })

    test('a room that is refused opens the list with its reason', async () => {
      const phone = await stage.person('leto', url, 'fine', PHONE)
      await phone.getByRole('button', { name: 'Rooms' }).tap()
      await phone.getByTestId('join-name').fill('ü'.repeat(128))
      await phone.getByTestId('join').tap()
      await phone.getByTestId('join-error').filter({ hasText: 'This name cannot be used' }).waitFor()
    })
  })
})

/** Runs in the page: the visible controls that a finger misses. */
function smallControls(): string[] {
  return [...document.querySelectorAll('button, input, textarea, summary')]
    .filter((control) => control.checkVisibility())
    .filter((control) => control.getBoundingClientRect().height < 44)
    .map((control) => control.outerHTML)
}
