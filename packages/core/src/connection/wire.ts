// The listeners of one TCP connection, attached once, in the very tick in which node lets go of it: no error of it ever
// goes unheard. What they tell goes to its sink: first the handshake, then the connection. They are plain functions,
// shared by all.

import { Buffer } from 'node:buffer'
import { Socket as TcpSocket } from 'node:net'
import { type Duplex, Readable } from 'node:stream'

/** Who is told what happens on a TCP connection. */
export interface Sink {
  /** It has had its share of this turn: nothing more is read until `readOn`. */
  readonly resting: boolean
  onBytes(chunk: Buffer): void
  /** The peer ended its side. */
  onStreamEnd(): void
  /** It is gone, whatever the cause.
   * @param error the system's, when there was one. */
  onStreamClose(error: Error | undefined): void
}

const SINK = Symbol('sink')
const NOBODY: Sink = { resting: false, onBytes() {}, onStreamEnd() {}, onStreamClose() {} }

interface Wired extends TcpSocket {
  [SINK]: Sink
}

/** Hears the errors of a stream, of which nothing else is known yet: one that nobody hears would end the process. */
export function hear(stream: Duplex): void {
  if (!stream.listeners('error').includes(onError)) stream.on('error', onError)
}

/** Leaves its errors to whoever uses it now, unless that is one of our servers. */
export function unhear(stream: Duplex): void {
  if (!isTaken(stream)) stream.off('error', onError)
}

/** Who hears a stream's errors, or reads it, beside us. */
export function listenersOf(stream: Duplex): readonly unknown[] {
  const events = ['error', 'data', 'readable']
  return events.flatMap((event) => stream.rawListeners(event)).filter((listener) => listener !== onError)
}

/** Does anybody use a stream that we only hear: one of our servers, or who listens to it since only `before` did? */
export function isUsed(stream: Duplex, before: readonly unknown[]): boolean {
  // The same function may listen once more, for somebody else.
  const times = (one: unknown, all: readonly unknown[]): number => all.filter((listener) => listener === one).length
  const now = listenersOf(stream)
  return stream.destroyed || isTaken(stream) || now.some((one) => times(one, now) > times(one, before))
}

/** Some server has answered this stream's request, or is about to: nobody else may. */
export function take(stream: Duplex): void {
  if (!isTaken(stream)) (stream as Wired)[SINK] = NOBODY
}

export function isTaken(stream: Duplex): boolean {
  return SINK in stream
}

/** Did the peer leave before anybody listened? It has ended its side, or is gone. */
export function hasLeft(stream: Duplex): boolean {
  // 'end' is told only once what came before it is read.
  const { ended = false } = (stream as { _readableState?: { ended?: boolean } })._readableState ?? {}
  return stream.destroyed || ended
}

/** Tells `sink` of what happens on `stream`, instead of whoever was told before. */
export function wire(stream: TcpSocket, sink: Sink): void {
  take(stream)
  const before = (stream as Wired)[SINK]
  ;(stream as Wired)[SINK] = sink
  if (before !== NOBODY) return
  hear(stream)
  // A peer that has ended its side after its Close still reads, and our end is ours to choose: of what is no plain TCP (TLS
  // above all) node would end it by itself, and what was accepted would be lost.
  stream.allowHalfOpen = true
  stream.on('close', onClose)
  stream.on('data', onData)
  if (isTcp(stream)) stream.push = push
  else stream.on('end', onEnd)
}

// What TCP brings goes to the sink past the stream's own queue, unless something waits there or somebody else listens: with
// no event, no tick to ask for more, and a sink that rests or pauses is heard at once, where the queue would take one more
// read, and keep it.
function push(this: TcpSocket, chunk: Buffer | null, encoding?: BufferEncoding): boolean {
  // Not before: node listens too, and a list of two listeners is memory of every idle connection.
  if (chunk === null) this.on('end', onEnd)
  if (chunk === null || !this.readableFlowing || this.readableLength > 0 || this.listenerCount('data') > 1) {
    return Readable.prototype.push.call(this, chunk, encoding)
  }
  ;(this as Wired)[SINK].onBytes(chunk)
  return this.readableFlowing && !(this as Wired)[SINK].resting
}

/** Reads on after a rest or a pause. */
export function readOn(stream: TcpSocket): void {
  stream.resume()
  // The stream's own queue does not know that its source was told to stop.
  if (isTcp(stream) && !stream.destroyed) stream._read(0)
}

/** A framework may hand over any Duplex. */
function isTcp(stream: Duplex): boolean {
  return stream instanceof TcpSocket
}

// Node's streams emit 'error' when they are gone, just before 'close'; others may never emit 'close'. So an error is the end
// of any stream, also of one with `autoDestroy: false`: it may have lost bytes, and nothing says whether it can go on.
function onError(this: Duplex, error: Error): void {
  if (!isTaken(this)) return
  ;(this as Wired)[SINK].onStreamClose(error)
  this.destroy()
}

// Whoever else has these bytes (another listener, the other end of a pair of streams) must not see them unmasked.
function onData(this: TcpSocket, chunk: Buffer): void {
  ;(this as Wired)[SINK].onBytes(Buffer.from(chunk))
}

function onEnd(this: TcpSocket): void {
  ;(this as Wired)[SINK].onStreamEnd()
}

function onClose(this: TcpSocket): void {
  ;(this as Wired)[SINK].onStreamClose(this.errored ?? undefined)
}
