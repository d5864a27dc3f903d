// GET /metrics as Prometheus reads it: every sample by its name and labels.

/** Samples by `name{label="value"}`, labels in the order of their names. */
export type Samples = ReadonlyMap<string, number>

const LINE = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/

/** Reads the text of metrics. */
export function readSamples(text: string): Samples {
  const samples = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const [, name, labels = '', value] = LINE.exec(line) ?? []
    if (name === undefined) throw new Error(`no sample: ${line}`)
    const sorted = [...labels.matchAll(/[a-z]+="(?:[^"\\]|\\.)*"/g)].map(([label]) => label).sort()
    samples.set(sorted.length === 0 ? name : `${name}{${sorted.join(',')}}`, Number(value))
  }
  return samples
}

/** Scrapes a server. */
export async function scrape(port: number, headers: Record<string, string> = {}): Promise<Samples> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`, { headers })
  if (response.status !== 200) throw new Error(`metrics: ${response.status}`)
  return readSamples(await response.text())
}
