// What the program writes to its terminal or log. Whoever reads that may go away (a log collector that restarts, a pipe
// that is closed, a terminal that hangs up) or have no room (a full disk): then lines are lost, and nothing else.
// All of it is printable, as others wrote some of it: rooms, origins, settings, what is said. Logs in JSON as well: for
// programs it is the same value, and people look at such logs by `cat` and `kubectl logs`.

import { closeSync } from 'node:fs'
import { isatty } from 'node:tty'
import { printable } from './printable.ts'

/** Keeps the process alive when a write to stdout or stderr fails, now or later, by whomever it was made: without a
 * listener node ends the process at the first failed write. */
export function surviveLostReaders(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  // At its end node sets terminals back to how it found them, and aborts when one has hung up meanwhile. It passes over
  // those that are closed.
  const terminals = [0, 1, 2].filter((fd) => isatty(fd))
  process.on('exit', () => {
    for (const fd of terminals) if (!isatty(fd)) closeSync(fd)
  })
}

/** Clears a terminal and goes to its beginning. */
const CLEAR = '\x1b[2J\x1b[H'

/** Writes to stdout. */
export function print(text: string): void {
  write(process.stdout, text)
}

/** Writes to the terminal that stdout is, in the place of what it shows. */
export function show(screen: string): void {
  write(process.stdout, screen, CLEAR)
}

/** Writes one line of the program to stderr. */
export function complain(line: string): void {
  write(process.stderr, `roomcast: ${line}\n`)
}

/** Writes whole lines to stderr. */
export function note(lines: string): void {
  write(process.stderr, lines)
}

/** So much waits for a reader that has stopped reading; node would keep everything. */
const MAX_UNREAD_BYTES = 2 ** 20

/** Streams whose reader has stopped, and how many writes were left out. */
const left = new Map<NodeJS.WritableStream, number>()

/** A file is written within the call, and some versions of node throw there when its disk is full. */
function write(stream: NodeJS.WriteStream, text: string, command = ''): void {
  try {
    if (stream.writableLength > MAX_UNREAD_BYTES) {
      if (!left.has(stream)) stream.once('drain', () => tellLeft(stream))
      left.set(stream, (left.get(stream) ?? 0) + 1)
    } else stream.write(command + printable(text))
  } catch {
    // There is nobody to tell.
  }
}

/** The reader goes on. */
function tellLeft(stream: NodeJS.WriteStream): void {
  const count = left.get(stream)
  left.delete(stream)
  write(stream, `roomcast: ${count} lines were left out, as nobody read them\n`)
}
