// `pnpm bench:chart [report.json…]`: draws bench/speed.json into docs/images, for light pages and for dark ones. With files
// that `bench --json` printed, their medians become speed.json first.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { drawChart, type Theme } from './chart.ts'
import { type Report, type Speed, speedOf, speedRows } from './speed.ts'

const workspace = new URL('../../', import.meta.url)
const figures = new URL('bench/speed.json', workspace)
const images = new URL('docs/images/', workspace)

const files = process.argv.slice(2)
if (files.length > 0) {
  const reports = await Promise.all(files.map(async (file) => JSON.parse(await readFile(file, 'utf8')) as Report))
  await writeFile(figures, `${JSON.stringify(speedOf(reports), null, 2)}\n`)
}
const speed = JSON.parse(await readFile(figures, 'utf8')) as Speed
await mkdir(images, { recursive: true })
for (const theme of ['light', 'dark'] satisfies Theme[]) {
  const file = new URL(`speed-${theme}.svg`, images)
  await writeFile(file, drawChart(speed, theme))
  console.log(fileURLToPath(file))
}
// The rows of the table in bench/README.md.
for (const cells of speedRows(speed)) console.log(`| ${cells.join(' | ')} |`)
