// The load generator, a process of its own: clients by hand (client.ts), every message that comes is counted and checked
// (frames.ts). It does little for each read, so that it is not what is measured; its own CPU use is reported.

import { setPriority } from 'node:os'
import { answerParent, type Sample, sampleProcess } from './child.ts'
import { Client, traffic } from './client.ts'
import { DeflatedChecker, jsonFramesOf } from './deflated.ts'
import { DIALECTS } from './dialect.ts'
import { Checker, framesOf, type MessageChecker } from './frames.ts'
import { isSubject, subjectNamed } from './peers.ts'
import { type RoundTripMs, RoundTrips } from './round-trips.ts'
import { scenarioNamed } from './scenarios.ts'

/** What the load generator has seen so far. */
export interface LoadSample extends Sample {
  delivered: number
  bytesIn: number
  reads: number
}

/** What came of it all. */
export interface LoadResult {
  published: number
  delivered: number
  /** Of the messages that were sent at a pace: how long until each was back. */
  roundTripMs?: RoundTripMs
}

const FINISH_TIMEOUT_MS = 20_000
/** Sockets that connect at a time: stays under the usual listen backlog. */
const CONNECT_AT_ONCE = 100
/** Over so many sockets, an address of the loopback net each: the system has some 28,000 ports for one, and takes longer
 * and longer to find a free one among them. */
const SOCKETS_PER_ADDRESS = 1000
/** Until every node hears of the room what the others publish. If that were too short, messages would be lost and the run
 * fail. */
const SUBSCRIBE_MS = 1000
/** The load of many sockets must not be what the few beside it wait for. */
const LOW_PRIORITY = 19

const [, , subject = '', scenarioName = '', portText = '', socketsText] = process.argv
const scenario = { ...scenarioNamed(scenarioName), ...(socketsText && { sockets: Number(socketsText) }) }
if (!isSubject(subject)) throw new RangeError(`no server ${subject}`)
const dialect = DIALECTS[subjectNamed(subject).dialect]
const envelope = scenario.compression ? dialect.json : dialect.text
const checker: MessageChecker = new (scenario.compression ? DeflatedChecker : Checker)({ ...scenario, envelope })
const framesOfPublisher = scenario.compression ? jsonFramesOf : framesOf
const makeFrames = Array.from({ length: scenario.publishers }, (_, publisher) =>
  framesOfPublisher({ ...scenario, publisher, envelope }),
)
const sent = new Uint32Array(scenario.publishers)
const roundTrips = scenario.everyMs === undefined ? undefined : new RoundTrips(scenario.publishers)
const publishing: Client[] = []
const membersOfRoom = scenario.sockets / (scenario.rooms ?? 1)
const nodes = portText.split(',').map(Number)
const socketsOfNode = scenario.sockets / nodes.length
/** On the far node: a message is back when this one has it, too. */
const witness = nodes.length > 1 ? scenario.sockets - 1 : undefined
let connected = 0
let isPublishing = false
let failure: Error | undefined
let rejectFailed: (error: Error) => void
const failed = new Promise<never>((_, reject) => {
  rejectFailed = reject
})
failed.catch(() => {})

answerParent({ start, sample, finish, resetRoundTrips: () => roundTrips?.reset() })

async function start(): Promise<void> {
  while (connected < scenario.sockets) {
    const batch = Math.min(CONNECT_AT_ONCE, scenario.sockets - connected)
    const clients = Array.from({ length: batch }, () => connect(connected++))
    await Promise.race([Promise.all(clients.map((client) => client.opened)), failed])
  }
  if (witness !== undefined) await new Promise((resolve) => setTimeout(resolve, SUBSCRIBE_MS))
  if (scenario.beside) setPriority(LOW_PRIORITY)
  isPublishing = true
  if (scenario.everyMs !== undefined) return publishPaced(scenario.everyMs)
  for (let publisher = 0; publisher < scenario.publishers; publisher++) publishDue(publisher)
}

function sample(): LoadSample {
  if (failure) throw failure
  return { ...sampleProcess(), delivered: checker.delivered, ...traffic }
}

/** Stops publishing and waits until every member has everything that was sent, exactly once. */
async function finish(): Promise<LoadResult> {
  isPublishing = false
  const published = sent.reduce((sum, count) => sum + count, 0)
  const due = scenario.kind === 'room' ? published * membersOfRoom : published
  for (let waited = 0; checker.delivered < due && !failure; waited += 20) {
    if (waited > FINISH_TIMEOUT_MS) throw new Error(`lost ${due - checker.delivered} of ${due} messages`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  if (failure) throw failure
  for (let index = 0; index < scenario.sockets; index++) checkComplete(index)
  return { published, delivered: checker.delivered, ...(roundTrips && { roundTripMs: roundTrips.summary() }) }
}

function checkComplete(index: number): void {
  for (let publisher = 0; publisher < scenario.publishers; publisher++) {
    const isDue = scenario.kind === 'room' ? roomOf(indexOf(publisher)) === roomOf(index) : indexOf(publisher) === index
    const got = checker.expected[index * scenario.publishers + publisher]!
    if (got !== (isDue ? sent[publisher] : 0)) throw new Error(`socket ${index} has ${got} messages of ${publisher}`)
  }
}

function connect(index: number): Client {
  const publisher = publisherAt(index)
  const walk = (bytes: Buffer, start: number, end: number): number => checker.walk(bytes, start, end, index)
  const client: Client = new Client({
    port: nodes[Math.floor(index / socketsOfNode)]!,
    dialect,
    room: scenario.kind === 'room' ? `room-${roomOf(index)}` : 'echo',
    compression: scenario.compression ?? false,
    tls: scenario.tls ?? false,
    ...(scenario.sockets > SOCKETS_PER_ADDRESS && { localAddress: addressOf(index) }),
    walk: publisher !== undefined ? walkOfPublisher(index, publisher) : index === witness ? walkOfWitness(index) : walk,
    failed: (error) => fail(`socket ${index}: ${error.message}`),
  })
  if (publisher !== undefined) publishing[publisher] = client
  return client
}

/** Sees to it that a publisher goes on when its own messages come back. */
function walkOfPublisher(index: number, publisher: number) {
  const own = index * scenario.publishers + publisher
  return (bytes: Buffer, start: number, end: number): number => {
    const before = checker.expected[own]!
    const at = checker.walk(bytes, start, end, index)
    if (roundTrips) roundTrips.back(publisher, before, checker.expected[own]!)
    else publishDue(publisher)
    return at
  }
}

/** Sees to it that publishers go on when their messages came to the witness. */
function walkOfWitness(index: number) {
  return (bytes: Buffer, start: number, end: number): number => {
    const at = checker.walk(bytes, start, end, index)
    for (let publisher = 0; publisher < scenario.publishers; publisher++) publishDue(publisher)
    return at
  }
}

function roomOf(index: number): number {
  return Math.floor(index / membersOfRoom)
}

/** Publishers are spread over the members, in the middle of each stretch: nobody publishes from the front of the server's
 * loop. */
function indexOf(publisher: number): number {
  const stretch = Math.floor(socketsOfNode / scenario.publishers)
  return publisher * stretch + (stretch >> 1)
}

function publisherAt(index: number): number | undefined {
  if (scenario.publishers === 0) return undefined
  const publisher = Math.floor(index / Math.floor(socketsOfNode / scenario.publishers))
  return publisher < scenario.publishers && indexOf(publisher) === index ? publisher : undefined
}

/** The whole of 127.0.0.0/8 is this machine on Linux; elsewhere the one address must do. */
function addressOf(index: number): string {
  return process.platform === 'linux' ? `127.0.0.${2 + Math.floor(index / SOCKETS_PER_ADDRESS)}` : '127.0.0.1'
}

function fail(message: string): void {
  failure ??= new Error(message)
  rejectFailed(failure)
  isPublishing = false
}

/** As many messages as may be under way. */
function publishDue(publisher: number): void {
  const back = checker.expected[indexOf(publisher) * scenario.publishers + publisher]!
  const seen = witness === undefined ? back : checker.expected[witness * scenario.publishers + publisher]!
  const due = Math.min(back, seen) + scenario.inFlight - sent[publisher]!
  if (due > 0 && isPublishing) publish(publisher, due)
}

function publish(publisher: number, count: number): void {
  publishing[publisher]!.write(makeFrames[publisher]!(sent[publisher]!, count))
  sent[publisher]! += count
}

/** Every publisher once in `everyMs`, evenly spread over it. A timer that is late makes up for what it missed. */
function publishPaced(everyMs: number): void {
  const beganAt = performance.now()
  let total = 0
  const timer = setInterval(
    () => {
      if (!isPublishing) return clearInterval(timer)
      const due = ((performance.now() - beganAt) / everyMs) * scenario.publishers
      for (; total < due; total++) {
        const publisher = total % scenario.publishers
        roundTrips?.out(publisher, sent[publisher]!)
        publish(publisher, 1)
      }
    },
    Math.max(1, everyMs / scenario.publishers),
  )
}
