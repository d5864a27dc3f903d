// The listeners of one TCP connection, attached once, in the very tick of its upgrade: no error of it ever goes unheard.
// What they tell goes to its sink: first the handshake, then the connection. They are plain functions, shared by all.

import type { Buffer } from 'node:buffer'
import type { Socket as TcpSocket } from 'node:net'

/** Who is told what happens on a TCP connection. */
export interface Sink {
  onBytes(chunk: Buffer): void
  /** The peer ended its side. */
  onStreamEnd(): void
  /** It is gone, whatever the cause. */
  onStreamClose(): void
}

const SINK = Symbol('sink')

interface Wired extends TcpSocket {
  [SINK]: Sink
}

/** Tells `sink` of what happens on `stream`, instead of whoever was told before. */
export function wire(stream: TcpSocket, sink: Sink): void {
  const first = !(SINK in stream)
  ;(stream as Wired)[SINK] = sink
  if (!first) return
  stream.on('error', onError)
  stream.on('close', onClose)
  stream.on('end', onEnd)
  stream.on('data', onData)
}

// 'close' follows, and that is what counts.
function onError(): void {}

function onData(this: TcpSocket, chunk: Buffer): void {
  ;(this as Wired)[SINK].onBytes(chunk)
}

function onEnd(this: TcpSocket): void {
  ;(this as Wired)[SINK].onStreamEnd()
}

function onClose(this: TcpSocket): void {
  ;(this as Wired)[SINK].onStreamClose()
}
