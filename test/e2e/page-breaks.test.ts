// What becomes of a conversation on the page when something breaks: the network, the server, one of two servers, the tab.

import type { Page } from 'playwright-core'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { connect } from '../roomcast/client.ts'
import { type Run, start } from '../roomcast/program.ts'
import { connected, delivered, describeBrowser, enter, event, joined, message, say, texts } from './stage.ts'
import { Way } from './way.ts'

const urlOf = ({ port }: { port: number }): string => `http://127.0.0.1:${port}/`

describeBrowser('the page and what breaks', (stage) => {
  let server: Run & { port: number }
  const ways: Way[] = []
  beforeAll(async () => {
    server = await start()
  })
  afterEach(async () => {
    await Promise.all(ways.splice(0).map((way) => way.close()))
  })
  async function wayTo({ port }: { port: number }): Promise<Way> {
    const way = await Way.start(port)
    ways.push(way)
    return way
  }

  test('offline and back: what was missed is counted and shown in order, what was typed goes out', async () => {
    const leto = await stage.person('leto', urlOf(server), 'offline')
    const ghanima = await stage.person('ghanima', urlOf(server), 'offline')
    await say(ghanima, 'before')
    await message(leto, 'before').waitFor()

    await leto.context().setOffline(true)
    await connected(leto, 'waiting')
    await leto.getByTestId('banner').filter({ hasText: 'What you write is sent when it is back' }).waitFor()
    await say(leto, 'said while away')
    await message(leto, 'said while away').getByText('Not sent yet').waitFor()
    await leto.getByTestId('text').fill('half a sentence')
    for (const text of ['one', 'two', 'three']) {
      await say(ghanima, text)
      await delivered(ghanima, text)
    }

    await leto.context().setOffline(false)
    await event(leto, '3 messages while you were away').waitFor()
    await delivered(leto, 'said while away')
    await expect.poll(() => texts(leto)).toEqual(['before', 'one', 'two', 'three', 'said while away'])
    await expect.poll(() => leto.getByTestId('text').inputValue()).toBe('half a sentence')
    await expect.poll(() => leto.getByTestId('banner').isVisible()).toBe(false)
    await message(ghanima, 'said while away').waitFor()
  })

  test('nothing missed is said, too', async () => {
    const way = await wayTo(server)
    const leto = await stage.person('leto', urlOf(way), 'quiet')
    way.cut()
    await event(leto, 'You missed nothing').waitFor()
  })

  test('a network that is gone without a word is found out when somebody looks, and attempts do not last for ever', async () => {
    const way = await wayTo(server)
    const leto = await stage.person('leto', urlOf(way), 'silence')
    way.silence()
    // As when a laptop wakes up: the browser knows of nothing.
    await leto.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
    await connected(leto, 'waiting')
    const { taken } = way
    await say(leto, 'said into nothing')
    // The attempt that nobody answers is given up, and another one made.
    await expect.poll(() => way.taken, { timeout: 30_000 }).toBeGreaterThan(taken + 2)
    way.heal()
    await connected(leto)
    await delivered(leto, 'said into nothing')
  }, 60_000)

  test('a message of which no answer comes is sent once more, and shown once', async () => {
    const way = await wayTo(server)
    const leto = await stage.person('leto', urlOf(way), 'unanswered')
    const ghanima = await stage.person('ghanima', urlOf(server), 'unanswered')
    way.silence()
    await say(leto, 'said into nothing')
    await message(leto, 'said into nothing').getByText('Sending…').waitFor()
    way.heal()
    way.cut()
    await delivered(leto, 'said into nothing')
    await message(ghanima, 'said into nothing').waitFor()
    await say(leto, 'afterwards')
    await message(ghanima, 'afterwards').waitFor()
    for (const page of [leto, ghanima])
      await expect.poll(() => texts(page)).toEqual(['said into nothing', 'afterwards'])
  })

  test('killed and started again: both come back by themselves, and nothing that was typed is lost', async () => {
    const own = await start()
    const leto = await stage.person('leto', urlOf(own), 'lobby')
    const ghanima = await stage.person('ghanima', urlOf(own), 'lobby')
    // A server that froze takes a message and answers nothing.
    own.child.kill('SIGSTOP')
    await say(leto, 'said to nobody')
    await message(leto, 'said to nobody').getByText('Sending…').waitFor()
    own.child.kill('SIGKILL')
    await own.exit
    await message(leto, 'said to nobody').getByText('Perhaps not sent').waitFor()
    await leto.getByTestId('banner').filter({ hasText: 'Server out of reach' }).waitFor()
    await ghanima.getByText('Reconnecting…').waitFor()
    await say(leto, 'said while away')
    await message(leto, 'said while away').getByText('Not sent yet').waitFor()

    await start(['--port', `${own.port}`])
    for (const page of [leto, ghanima]) await event(page, 'The room began anew').waitFor()
    for (const text of ['said to nobody', 'said while away']) await delivered(leto, text)
    await say(ghanima, 'I hear you')
    await message(leto, 'I hear you').waitFor()
    await message(ghanima, 'said while away').waitFor()
    await expect.poll(() => leto.getByTestId('banner').isVisible()).toBe(false)
  }, 60_000)

  test('a server that drains lets the page go, and ends', async () => {
    const own = await start()
    const leto = await stage.person('leto', urlOf(own), 'lobby')
    own.child.kill('SIGTERM')
    await event(leto, 'Connection lost').waitFor()
    expect(await own.exit).toBe(0)
  })

  test('a message over a limit of the server is said to be unsent, once', async () => {
    const own = await start(['--max-message-bytes', '500', '--max-data-bytes', '300'])
    const leto = await stage.person('leto', urlOf(own), 'lobby')
    for (const length of [350, 600]) {
      await say(leto, `long ${length} ${'x'.repeat(length)}`)
      await message(leto, `long ${length}`)
        .getByText(/^Not sent. It is longer than the server allows in one message.* Send again$/)
        .waitFor()
    }
    await event(leto, 'You missed nothing').waitFor()
    await say(leto, 'short')
    await delivered(leto, 'short')
    const stats = await (await fetch(`${urlOf(own)}stats`)).json()
    expect(stats).toMatchObject({ closes: { 1009: 1 } })
  })

  test('a reload keeps the rooms, the one in front, what was typed in each, and what was not sent', async () => {
    const way = await wayTo(server)
    const leto = await stage.person('leto', urlOf(way), 'kept-1')
    await say(leto, 'in the first')
    await delivered(leto, 'in the first')
    await leto.getByTestId('text').fill('typed in the first')
    await enter(leto, 'kept-2')
    await leto.getByTestId('text').fill('typed in the second')
    await enter(leto, 'kept-3')
    await leto.getByRole('button', { name: 'kept-2' }).click()
    way.to = undefined
    way.cut()
    await connected(leto, 'waiting')
    await leto.getByRole('button', { name: 'kept-1' }).click()
    await say(leto, 'waits')
    await message(leto, 'waits').getByText('Not sent yet').waitFor()
    await leto.getByTestId('text').fill('typed in the first again')
    way.to = server.port

    // Chromium may first try a connection that has just been cut, and gives up; a person tries again.
    await leto.reload().catch(() => leto.reload())
    await joined(leto)
    await expect.poll(() => leto.locator('.tab-name').allTextContents()).toEqual(['kept-1', 'kept-2', 'kept-3'])
    await expect.poll(() => leto.getByTestId('room-title').textContent()).toBe('kept-1')
    await expect.poll(() => leto.getByLabel('Your name').inputValue()).toBe('leto')
    await expect.poll(() => leto.getByTestId('text').inputValue()).toBe('typed in the first again')
    await delivered(leto, 'waits')
    await expect.poll(() => texts(leto)).toEqual(['in the first', 'waits'])
    await expect.poll(() => leto.locator('.message.mine:visible').count()).toBe(2)
    await leto.getByRole('button', { name: 'kept-2' }).click()
    await expect.poll(() => leto.getByTestId('text').inputValue()).toBe('typed in the second')
  })

  test('a room that remembers nothing says so', async () => {
    const own = await start(['--insecure'])
    const way = await wayTo(own)
    const leto = await stage.person('leto', urlOf(way), 'lobby')
    await leto.getByText('This room does not tell who is in it.').waitFor()
    way.cut()
    await event(leto, 'this room forgets').waitFor()
    const client = await connect(own.port)
    await client.ask({ join: 'lobby' })
    await say(leto, 'heard')
    expect(await client.next()).toMatchObject({ said: { name: 'leto', text: 'heard' } })
    await delivered(leto, 'heard')
    client.socket.close()
  })

  test('a server that asks for a token: said so, and one can be pasted', async () => {
    const key = ['--client.token.hmac_secret_key', 'a secret of thirty-two characters']
    const own = await start(key)
    const page: Page = await (await stage.context()).newPage()
    await page.goto(urlOf(own))
    await connected(page, 'stopped')
    await page.getByTestId('banner').filter({ hasText: 'lets nobody in without a token' }).waitFor()
    await page.getByTestId('token').fill('not.a.token')
    await page.keyboard.press('Enter')
    await page.getByTestId('banner').filter({ hasText: 'does not accept this token' }).waitFor()
  })
})
