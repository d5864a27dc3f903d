// The load generator of the SDK scenarios, a process of its own: clients by hand (sdk-client.ts); every message that comes
// is counted, and must be the next of its publisher.

import { createHmac } from 'node:crypto'
import { answerParent, type Sample, sampleProcess } from './child.ts'
import { SdkClient } from './sdk-client.ts'
import {
  MISSED,
  RECOVERED_ROOM,
  SDK_SCENARIOS,
  type SdkScenario,
  type SdkScenarioName,
  SECRET,
} from './sdk-scenarios.ts'

export interface SdkLoadSample extends Sample {
  delivered: number
}

const CONNECT_AT_ONCE = 100
const SOCKETS_PER_ADDRESS = 1000
const FINISH_TIMEOUT_MS = 20_000

const [, , name = '', portText = ''] = process.argv
const scenario: SdkScenario = SDK_SCENARIOS[name as SdkScenarioName]
const port = Number(portText)
const room = scenario.recovers ? RECOVERED_ROOM : 'room'
/** A token costs a signature: all are made before anything is measured. */
const tokens = Array.from({ length: scenario.clients }, (_, index) => tokenOf(`user-${index}`))
const heard = new Uint32Array(scenario.clients * Math.max(scenario.publishers, 1))
const sent = new Uint32Array(scenario.publishers)
let clients: SdkClient[] = []
let since: { offset: number; epoch: string } | undefined
let delivered = 0
let isPublishing = false
let failure: Error | undefined
let rejectFailed: (error: Error) => void
const failed = new Promise<never>((_, reject) => {
  rejectFailed = reject
})
failed.catch(() => {})

answerParent({ prepare, connect, leave, publish, sample, finish })

/** Something is said that nobody has heard yet. */
async function prepare(): Promise<void> {
  if (!scenario.recovers) return
  const all = { heard: 0, resolve: (): void => {} }
  const said = (): void => {
    if (++all.heard === MISSED) all.resolve()
  }
  const client = new SdkClient({ port, token: tokens[0]!, room, said, failed: fail })
  const answer = await client.subscribed
  const epoch = /"epoch":"([^"]+)"/.exec(answer)?.[1]
  if (epoch === undefined) throw new Error(`no position: ${answer}`)
  since = { offset: Number(/"offset":(\d+)/.exec(answer)?.[1] ?? 0), epoch }
  const done = new Promise<void>((resolve) => {
    all.resolve = resolve
  })
  for (let number = 0; number < MISSED; number++) client.publish(0, number)
  await Promise.race([done, failed])
  client.end()
}

/** Everybody comes in, and has what it missed. */
async function connect(): Promise<void> {
  heard.fill(0)
  for (let from = 0; from < scenario.clients; from += CONNECT_AT_ONCE) {
    const batch = Array.from({ length: Math.min(CONNECT_AT_ONCE, scenario.clients - from) }, (_, i) => open(from + i))
    clients.push(...batch)
    await Promise.race([Promise.all(batch.map((client) => client.subscribed)), failed])
  }
  if (scenario.recovers) await until(() => heard.every((count) => count === MISSED), 'what was missed')
}

async function leave(): Promise<void> {
  for (const client of clients) client.end()
  clients = []
}

function publish(): void {
  isPublishing = true
  for (let publisher = 0; publisher < scenario.publishers; publisher++) publishNext(publisher)
}

function sample(): SdkLoadSample {
  if (failure) throw failure
  return { ...sampleProcess(), delivered }
}

/** Everybody has everything. */
async function finish(): Promise<void> {
  isPublishing = false
  const due = sent.reduce((sum, count) => sum + count, 0) * scenario.clients
  await until(() => delivered === due, `${due} messages`)
  for (let i = 0; i < heard.length; i++) {
    if (heard[i] !== sent[i % scenario.publishers]) throw new Error('somebody has not heard all of it')
  }
}

function open(index: number): SdkClient {
  const publisher = publisherAt(index)
  const first = index * Math.max(scenario.publishers, 1)
  return new SdkClient({
    port,
    token: tokens[index]!,
    room,
    ...(since && { since }),
    ...(scenario.clients > SOCKETS_PER_ADDRESS && { localAddress: addressOf(index) }),
    said(by, number) {
      const at = first + by
      if (heard[at] !== number) throw new Error(`client ${index} heard ${number} of ${by}, and not ${heard[at]}`)
      heard[at]!++
      delivered++
      if (by === publisher && isPublishing) publishNext(by)
    },
    failed: fail,
  })
}

function publishNext(publisher: number): void {
  clients[indexOf(publisher)]!.publish(publisher, sent[publisher]!++)
}

/** Publishers are spread over the members. */
function indexOf(publisher: number): number {
  const stretch = Math.floor(scenario.clients / scenario.publishers)
  return publisher * stretch + (stretch >> 1)
}

function publisherAt(index: number): number | undefined {
  for (let publisher = 0; publisher < scenario.publishers; publisher++)
    if (indexOf(publisher) === index) return publisher
  return undefined
}

/** The whole of 127.0.0.0/8 is this machine on Linux. */
function addressOf(index: number): string {
  return `127.0.0.${2 + Math.floor(index / SOCKETS_PER_ADDRESS)}`
}

function tokenOf(user: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: user, exp: Math.floor(Date.now() / 1000) + 3600 })}`
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`
}

async function until(done: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !done(); waited += 20) {
    if (failure) throw failure
    if (waited > FINISH_TIMEOUT_MS) throw new Error(`not within ${FINISH_TIMEOUT_MS} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function fail(error: Error): void {
  failure ??= error
  rejectFailed(failure)
}
