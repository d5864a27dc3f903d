// Whose name counts: where the server knows who somebody is, the page shows that name, and takes no other.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect } from '../roomcast/client.ts'
import { type Run, start } from '../roomcast/program.ts'
import { connected, delivered, describeBrowser, enter, message, say } from './stage.ts'

const KEY = 'a secret of thirty-two characters'
const CONFIG = {
  client: { token: { hmac_secret_key: KEY } },
  channel: {
    without_namespace: {
      presence: true,
      join_leave: true,
      force_push_join_leave: true,
      allow_subscribe_for_client: true,
      allow_publish_for_client: true,
      allow_presence_for_client: true,
    },
    namespaces: [
      {
        name: 'bare',
        allow_subscribe_for_client: true,
        allow_subscribe_for_anonymous: true,
        allow_publish_for_client: true,
        allow_publish_for_anonymous: true,
      },
    ],
  },
}

describeBrowser('the name on the page', (stage) => {
  let server: Run & { port: number }
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'roomcast-names-'))
    writeFileSync(join(folder, 'config.json'), JSON.stringify(CONFIG))
    server = await start(['--config', join(folder, 'config.json')])
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const tokenOf = (user: string, info?: object): Promise<string> =>
    new SignJWT({ sub: user, ...(info && { info }) }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(KEY))

  async function open(user: string, info?: object): Promise<Page> {
    const page = await (await stage.context()).newPage()
    await page.goto(`http://127.0.0.1:${server.port}/`)
    await page.getByTestId('name-note').filter({ hasText: 'unless your token says who you are' }).waitFor()
    // The field for the token waits to be filled.
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('token')
    await page.getByLabel('Your name').fill('typed')
    await page.getByTestId('token').fill(await tokenOf(user, info))
    await page.getByTestId('token').press('Enter')
    await connected(page)
    // The field is gone: the keyboard goes on where one comes in.
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('join-name')
    return page
  }

  const isGiven = async (page: Page, name: string): Promise<void> => {
    await page.getByTestId('name-note').filter({ hasText: 'The server knows you by this name' }).waitFor()
    expect(await page.getByLabel('Your name').inputValue()).toBe(name)
    expect(await page.getByLabel('Your name').isEditable()).toBe(false)
  }

  test('the name of the token is shown, cannot be changed, and is what others read', async () => {
    const leto = await open('42', { name: 'leto' })
    await enter(leto, 'lobby')
    await isGiven(leto, 'leto')
    const ghanima = await open('ghanima')
    await enter(ghanima, 'lobby')
    await isGiven(ghanima, 'ghanima')
    await say(leto, 'hello')
    await message(ghanima, 'hello').waitFor()
    expect(await message(ghanima, 'hello').locator('.byline').textContent()).toMatch(/^leto \D*\d/)
    await expect
      .poll(() => leto.getByTestId('members').locator('.member').allTextContents())
      .toEqual(['leto', 'ghanima'])
  })

  test('where nobody tells who is there, the first message of one’s own does', async () => {
    const leto = await open('leto')
    await enter(leto, 'bare:room')
    await say(leto, 'hello')
    await delivered(leto, 'hello')
    await isGiven(leto, 'leto')
  })

  test('who writes under another name is named beside it', async () => {
    const leto = await open('leto')
    await enter(leto, 'lobby')
    const client = await connect(server.port, { path: `/?token=${await tokenOf('duncan')}` })
    await client.ask({ join: 'lobby', meta: { name: 'leto' } })
    client.send({ say: { name: 'leto', text: 'I am leto' }, to: 'lobby' })
    client.send({ say: ['no chat'], to: 'lobby' })
    await message(leto, 'I am leto').waitFor()
    expect(await message(leto, 'I am leto').locator('.byline').textContent()).toMatch(/^leto sent by duncan /)
    expect(await message(leto, 'no chat').locator('.byline').textContent()).toMatch(/^JSON sent by duncan /)
    await expect.poll(() => leto.getByTestId('members').locator('.member').allTextContents()).toContain('duncan')
    client.socket.close()
  })

  test('a token that names nobody leaves the name to the person', async () => {
    const nobody = await open('')
    await enter(nobody, 'bare:nobody')
    await say(nobody, 'hello')
    await delivered(nobody, 'hello')
    await expect.poll(() => message(nobody, 'hello').locator('.author').textContent()).toBe('typed')
    expect(await nobody.getByLabel('Your name').isEditable()).toBe(true)
  })
})
