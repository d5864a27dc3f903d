// What a newcomer does with the README alone: the program that it prints is run as it is, and two people in two browsers are
// in a private room, a third is not.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { afterAll, expect, test } from 'vitest'
import { connected, describeBrowser, event, message, say } from './stage.ts'

const workspace = fileURLToPath(new URL('../..', import.meta.url))
/** In reach of the packages as they are built, like a program in the folder of the repository. */
const folder = `${workspace}node_modules/.cache/readme`
const ROOM = 'dialog:#leto,ghanima'

describeBrowser('the program of the README', (stage) => {
  const started: ChildProcess[] = []
  afterAll(async () => {
    for (const program of started) if (program.exitCode === null && program.kill()) await once(program, 'exit')
  })

  /** Runs it on a free port, and returns what it prints to be opened. */
  async function run(): Promise<string> {
    const readme = await readFile(`${workspace}README.md`, 'utf8')
    const [, sample] = /```js\n(import { createRoomcast }.*?)```/s.exec(readme)!
    expect(sample).toContain('port: 4545,')
    expect(sample!.split('\n').length).toBeLessThan(40)
    await mkdir(folder, { recursive: true })
    await writeFile(`${folder}/room.mjs`, sample!.replace('port: 4545,', 'port: 0,'))
    const program = spawn(process.execPath, [`${folder}/room.mjs`], { stdio: ['ignore', 'pipe', 'inherit'] })
    started.push(program)
    for await (const line of createInterface({ input: program.stdout })) return line.replace(/^open /, '')
    throw new Error('it ended before it printed what to open')
  }

  /** Opens it in a browser of their own, and gives the page the token that it asks for. */
  async function open(url: string, user: string): Promise<Page> {
    const context = await stage.context()
    const page = await context.newPage()
    await page.goto(url)
    await page.getByTestId('token').fill(`token-of-${user}`)
    await page.getByTestId('token').press('Enter')
    await connected(page)
    return page
  }

  test('two browsers in a private room, with what was said before and who is there; a third stays out', async () => {
    const url = await run()
    expect(url).toMatch(/^http:\/\/localhost:\d+\/#dialog:#leto,ghanima$/)
    const leto = await open(url, 'leto')
    await message(leto, 'Only you two.').waitFor()
    expect(await leto.evaluate(() => document.activeElement?.id)).toBe('text')
    expect(await leto.getByTestId('room-title').textContent()).toBe(ROOM)
    const ghanima = await open(url, 'ghanima')
    await message(ghanima, 'Only you two.').waitFor()
    await event(leto, 'ghanima came in').waitFor()
    await say(leto, 'hello, ghanima')
    // Under the name that the program gives, to who said it, too.
    await expect.poll(() => message(leto, 'hello, ghanima').locator('.author').textContent()).toBe('leto')
    // No field for a name of one's own: it would be heard by nobody.
    expect(await leto.getByLabel('Your name').inputValue()).toBe('leto')
    expect(await leto.getByLabel('Your name').isEditable()).toBe(false)
    expect(await leto.getByTestId('sample').textContent()).toContain('/connection/websocket", { token: "…" })')
    await message(ghanima, 'hello, ghanima').waitFor()
    expect(await message(ghanima, 'hello, ghanima').locator('.author').textContent()).toBe('leto')
    expect(await ghanima.getByTestId('members').locator('.member').count()).toBe(2)

    const duncan = await open(url, 'duncan')
    await duncan.getByText('The server does not let you into this room.').waitFor()
    expect(await duncan.locator('[data-testid=message]').count()).toBe(0)
  })
})
