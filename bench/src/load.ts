// The load generator, a process of its own: raw TCP sockets, handshakes by hand, every message that comes is counted and
// checked (frames.ts). It does little for each read, so that it is not what is measured; its own CPU use is reported.

import net from 'node:net'
import { answerParent, type Sample, sampleProcess } from './child.ts'
import { DeflatedChecker, jsonFramesOf } from './deflated.ts'
import { Checker, framesOf, type MessageChecker } from './frames.ts'
import { scenarioNamed } from './scenarios.ts'

/** What the load generator has seen so far. */
export interface LoadSample extends Sample {
  delivered: number
  bytesIn: number
  reads: number
}

interface Member {
  index: number
  socket: net.Socket
  /** The rest of a read that ended within a frame, or the response head so far. */
  rest: Buffer
  /** Ends the handshake; undefined once it did. */
  opened: (() => void) | undefined
  publisher: number | undefined
}

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
const NOTHING = Buffer.alloc(0)
const FINISH_TIMEOUT_MS = 10_000
/** What Chrome offers. */
const OFFER = 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n'
/** Sockets that connect at a time: stays under the usual listen backlog. */
const CONNECT_AT_ONCE = 100

const scenario = scenarioNamed(process.argv[2] ?? '')
const port = Number(process.argv[3])
const checker: MessageChecker = scenario.compression ? new DeflatedChecker(scenario) : new Checker(scenario)
const framesOfPublisher = scenario.compression ? jsonFramesOf : framesOf
const makeFrames = Array.from({ length: scenario.publishers }, (_, i) => framesOfPublisher(i, scenario.payloadBytes))
const sent = new Uint32Array(scenario.publishers)
const members: Member[] = []
/** One buffer for all sockets: a read is looked at before the next happens. */
const shared = Buffer.alloc(256 * 1024)
let bytesIn = 0
let reads = 0
let isPublishing = false
let failure: Error | undefined
let rejectFailed: (error: Error) => void
const failed = new Promise<never>((_, reject) => {
  rejectFailed = reject
})
failed.catch(() => {})

answerParent({ start, sample, finish })

async function start(): Promise<void> {
  while (members.length < scenario.sockets) {
    const batch = Math.min(CONNECT_AT_ONCE, scenario.sockets - members.length)
    await Promise.all(Array.from({ length: batch }, () => connect(members.length)))
  }
  isPublishing = true
  for (const member of members) {
    if (member.publisher !== undefined) publish(member, member.publisher, scenario.inFlight)
  }
}

function sample(): LoadSample {
  if (failure) throw failure
  return { ...sampleProcess(), delivered: checker.delivered, bytesIn, reads }
}

/** Stops publishing and waits until every member has everything that was sent, exactly once. */
async function finish(): Promise<{ published: number; delivered: number }> {
  isPublishing = false
  const published = sent.reduce((sum, count) => sum + count, 0)
  const due = scenario.kind === 'room' ? published * scenario.sockets : published
  for (let waited = 0; checker.delivered < due && !failure; waited += 20) {
    if (waited > FINISH_TIMEOUT_MS) throw new Error(`lost ${due - checker.delivered} of ${due} messages`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  if (failure) throw failure
  for (const { index, publisher: own } of members) {
    for (let publisher = 0; publisher < scenario.publishers; publisher++) {
      const isDue = scenario.kind === 'room' || own === publisher
      const got = checker.expected[index * scenario.publishers + publisher]!
      if (got !== (isDue ? sent[publisher] : 0)) throw new Error(`socket ${index} has ${got} messages of ${publisher}`)
    }
  }
  return { published, delivered: checker.delivered }
}

async function connect(index: number): Promise<void> {
  const publisher = publisherAt(index)
  const onread = { buffer: shared, callback: (size: number): boolean => receive(member, size) }
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true, onread })
  const member: Member = { index, socket, rest: NOTHING, opened: undefined, publisher }
  const opened = new Promise<void>((resolve) => {
    member.opened = resolve
  })
  members.push(member)
  socket.on('error', fail)
  socket.on('close', () => fail(new Error(`socket ${index} was closed`)))
  socket.write(
    `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n${scenario.compression ? OFFER : ''}\r\n`,
  )
  await Promise.race([opened, failed])
}

/** Publishers are spread over the members, in the middle of each stretch: nobody publishes from the front of the server's
 * loop. */
function publisherAt(index: number): number | undefined {
  if (scenario.publishers === 0) return undefined
  const stretch = Math.floor(scenario.sockets / scenario.publishers)
  const place = index - (stretch >> 1)
  return place % stretch === 0 && place / stretch < scenario.publishers ? place / stretch : undefined
}

function fail(error: unknown): void {
  failure ??= error instanceof Error ? error : new Error(String(error))
  rejectFailed(failure)
  isPublishing = false
}

function publish(member: Member, publisher: number, count: number): void {
  member.socket.write(makeFrames[publisher]!(sent[publisher]!, count))
  sent[publisher]! += count
}

function receive(member: Member, size: number): boolean {
  reads++
  bytesIn += size
  try {
    if (member.opened === undefined && member.rest.length === 0) takeFrames(member, shared, size)
    else takeRest(member, Buffer.concat([member.rest, shared.subarray(0, size)]))
  } catch (error) {
    fail(error)
  }
  return true
}

/** A read that goes on where the last one ended: rare, so it may copy. */
function takeRest(member: Member, bytes: Buffer): void {
  const frames = member.opened === undefined ? bytes : takeHead(member, bytes)
  if (frames === undefined) member.rest = bytes
  else takeFrames(member, frames, frames.length)
}

/** Checks the response head; returns what follows it, or undefined while it is not complete. */
function takeHead(member: Member, bytes: Buffer): Buffer | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const head = bytes.toString('latin1', 0, end)
  if (!head.startsWith('HTTP/1.1 101 ') || !head.includes(ACCEPT)) throw new Error(`handshake refused: ${head}`)
  // Each message is inflated by itself, so the server must have agreed to compress it by itself.
  const isAgreed = /^sec-websocket-extensions: *permessage-deflate;.*server_no_context_takeover/im.test(head)
  if (isAgreed !== (scenario.compression ?? false)) throw new Error(`not the wanted extensions: ${head}`)
  member.opened?.()
  member.opened = undefined
  return bytes.subarray(end + 4)
}

function takeFrames(member: Member, bytes: Buffer, end: number): void {
  const { index, publisher } = member
  const before = ownDelivered(member)
  let at = checker.walk(bytes, 0, end, index)
  while (at < end) {
    const after = takePing(member, bytes, at, end)
    if (after === at) break
    at = checker.walk(bytes, after, end, index)
  }
  member.rest = at === end ? NOTHING : Buffer.from(bytes.subarray(at, end))
  const back = ownDelivered(member) - before
  if (back > 0 && publisher !== undefined && isPublishing) publish(member, publisher, back)
}

/** How many of its own messages came back to a publisher. */
function ownDelivered({ index, publisher }: Member): number {
  return publisher === undefined ? 0 : checker.expected[index * scenario.publishers + publisher]!
}

/** A frame that is no message of ours: the beginning of one, or a ping, which is answered. Anything else fails the run. */
function takePing(member: Member, bytes: Buffer, at: number, end: number): number {
  if (bytes[at] === checker.firstByte && end - at < scenario.payloadBytes + 4) return at
  if (bytes[at] !== 0x89)
    throw new Error(`socket ${member.index}: unexpected frame ${bytes.toString('hex', at, at + 8)}`)
  const size = bytes[at + 1] ?? 0
  if (end - at < 2 + size) return at
  const mask = [0, 0, 0, 0]
  member.socket.write(Buffer.from([0x8a, 0x80 | size, ...mask, ...bytes.subarray(at + 2, at + 2 + size)]))
  return at + 2 + size
}
