// Every relative link in the Markdown of the repository leads to a file, and to a heading that is there.

import { existsSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'
import { markdownFiles, parse, ROOT, readPage } from './markdown.ts'

const pages = markdownFiles().map((file) => readPage(file))

/** Why a link leads nowhere; undefined: it does not, or to another site. */
function flawOf(file: string, target: string): string | undefined {
  if (/^[a-z][a-z+.-]*:/i.test(target)) return undefined
  const [path = '', anchor] = decodeURI(target).split('#')
  const to = path === '' ? file : normalize(join(dirname(file), path))
  if (to.startsWith('..') || !existsSync(join(ROOT, to))) return `no such file: ${to}`
  if (anchor === undefined) return undefined
  const page = statSync(join(ROOT, to)).isDirectory() ? join(to, 'README.md') : to
  if (!page.endsWith('.md')) return `an anchor of what is no Markdown: ${to}`
  return readPage(page).anchors.has(anchor) ? undefined : `no such heading: ${page}#${anchor}`
}

test('every link leads somewhere', () => {
  const links = pages.flatMap(({ file, links }) => links.map((link) => ({ file, ...link })))
  expect(links.length).toBeGreaterThan(80)
  const broken = links.flatMap(({ file, line, target }) => {
    const flaw = flawOf(file, target)
    return flaw === undefined ? [] : [`${file}:${line}: ${flaw}`]
  })
  expect(broken).toEqual([])
})

test('every guide is in the index, and leads back to it', () => {
  const guides = pages.filter(({ file }) => /^docs\/(?!README)/.test(file))
  const listed = readPage('docs/README.md').links.map(({ target }) => join('docs', target))
  expect(guides.map(({ file }) => file).filter((file) => !listed.includes(file))).toEqual([])
  expect(
    guides.filter(({ links }) => !links.some(({ target }) => target === 'README.md')).map(({ file }) => file),
  ).toEqual([])
})

test('links and headings are found', () => {
  const { anchors, links } = parse(
    'x.md',
    '# A `b.c` (d)\n\n## A `b.c` (d)\n\n[x](y.md#z) `[no](no)` ![i](i.svg "t")\n',
  )
  expect([...anchors]).toEqual(['a-bc-d', 'a-bc-d-1'])
  expect(links.map(({ target }) => target)).toEqual(['y.md#z', 'i.svg'])
  expect(flawOf('README.md', 'nothing.md')).toContain('no such file')
  expect(flawOf('README.md', 'packages/core#nothing')).toContain('no such heading')
  expect(flawOf('README.md', 'https://example.com/')).toBeUndefined()
})
