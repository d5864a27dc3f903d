// The pictures of the page that the README shows, light and dark. The test plays the scene and checks that the pictures are
// there and small; with PICTURES=write (`pnpm pictures`) it takes them anew. They are not compared by pixel: fonts differ.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { start } from '../roomcast/program.ts'
import { delivered, describeBrowser, enter, event, message, say } from './stage.ts'

const workspace = fileURLToPath(new URL('../..', import.meta.url))
const folder = `${workspace}docs/images`
const SIZE = { width: 1120, height: 640 }
const MAX_BYTES = 150 * 1024
const NOW = new Date('2026-01-15T09:41:00')
const THEMES = ['light', 'dark'] as const

describeBrowser('the picture of the page', (stage) => {
  test.each(THEMES)('%s: three people, and a backend that is heard', async (theme) => {
    const { port } = await start(['--token', 'secret'])
    const url = `http://127.0.0.1:${port}/`
    const person = async (name: string): Promise<Page> => {
      const context = await stage.context({ viewport: SIZE, colorScheme: theme })
      await context.clock.setFixedTime(NOW)
      const page = await stage.tab(context, url)
      await page.getByLabel('Your name').fill(name)
      await enter(page, 'lobby')
      return page
    }
    const leto = await person('leto')
    await say(leto, 'Is anybody here yet?')
    await delivered(leto, 'Is anybody here yet?')
    const ghanima = await person('ghanima')
    await message(ghanima, 'anybody here').waitFor()
    await say(ghanima, 'Just came in, and I can read what you said before.')
    await delivered(ghanima, 'Just came in')
    await fetch(`${url}channels/lobby`, {
      method: 'POST',
      headers: { authorization: 'Bearer secret', 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'shop', text: 'Spice is sold out.' }),
    })
    await message(leto, 'sold out').waitFor()
    await person('duncan')
    await event(leto, 'duncan came in').waitFor()
    await say(leto, 'Welcome, duncan!')
    await delivered(leto, 'Welcome, duncan!')
    expect(await leto.getByTestId('members').locator('.member').count()).toBe(3)
    if (process.env.PICTURES === 'write') {
      await mkdir(folder, { recursive: true })
      await writeFile(`${folder}/page-${theme}.png`, await leto.screenshot({ animations: 'disabled', caret: 'hide' }))
    }
  })
})

describe('the pictures that are committed', () => {
  test.each(THEMES)(
    `page-%s.png is a PNG of ${SIZE.width} × ${SIZE.height}, at most ${MAX_BYTES} bytes`,
    async (theme) => {
      const png = await readFile(`${folder}/page-${theme}.png`)
      expect(png.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n')
      expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([SIZE.width, SIZE.height])
      expect(png.length).toBeLessThanOrEqual(MAX_BYTES)
    },
  )

  test('the README shows both', async () => {
    const readme = await readFile(`${workspace}README.md`, 'utf8')
    expect(readme).toMatch(/<source media="\(prefers-color-scheme: dark\)" srcset="docs\/images\/page-dark\.png">/)
    expect(readme).toMatch(/<img [^>]*src="docs\/images\/page-light\.png" alt="[^"]{20,}"/)
  })
})
