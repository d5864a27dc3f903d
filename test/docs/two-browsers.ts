// The private room of the first guide, as its reader sees it: two people in two browsers talk, and a third is told no.

import type { Browser, Page } from 'playwright-core'
import { expect } from 'vitest'
import { findChromium, launchChromium } from '../support/chromium.ts'

const BACKEND = 'http://localhost:3000'

/** Where to find a browser; undefined: there is none. */
export const CHROMIUM: string | undefined = findChromium()

/** @param placed makes an address of the guide that of the server which stands for it. The page keeps its own address, which is
 * the origin that the configuration allows. */
export async function talkInTwoBrowsers(placed: (address: string) => string): Promise<void> {
  const browser = await launchChromium(CHROMIUM!, { 'localhost:3000': new URL(placed(BACKEND)).host })
  try {
    const open = (user: string): Promise<Page> => visit(browser, `${BACKEND}/?user=${user}`)
    const [leto, ghanima, paul] = await Promise.all(['leto', 'ghanima', 'paul'].map(open))
    await paul!.waitForSelector('#state:text-is("permission denied")')
    for (const page of [leto!, ghanima!]) await page.waitForSelector('#state:text-is("subscribed")')
    await leto!.fill('#text', 'for you alone')
    await leto!.click('button')
    await ghanima!.waitForSelector('li:text-is("for you alone")')
    await leto!.waitForSelector('li:text-is("for you alone")')
    expect(await paul!.locator('li').count()).toBe(0)
  } finally {
    await browser.close()
  }
}

/** In a browser of its own. */
async function visit(browser: Browser, address: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage()
  await page.goto(address)
  return page
}
