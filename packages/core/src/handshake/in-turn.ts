// RFC 9112 §9.3.2: answers go out in the order of their requests. Behind one that node's http has not answered, ours would
// be taken for that one's answer, and that one's for frames.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** Calls `work` when the answer is done that must go out before the one to `request`.
 * @returns false: there is none, and `work` is not called. */
export function mustWait(request: IncomingMessage, stream: Duplex, work: () => void): boolean {
  // A stream before node's socket is what a framework may hand over, and node itself for a request with a body.
  const socket = ((request as Partial<IncomingMessage>).socket ?? stream) as Duplex & { _httpMessage?: ServerResponse }
  const earlier = socket._httpMessage
  // Frameworks make a response for an upgrade, too, to route it like any request.
  if (!earlier || earlier.req === request) return false
  // Node took all its listeners off. One of them told an answer that was too long to be written at once to go on, and noted
  // in a property of its own that nothing of it waits any more.
  const goOn = (): void => {
    if (!earlier.writableNeedDrain) return
    const waits = Object.getOwnPropertySymbols(earlier).find(({ description }) => description === 'kNeedDrain')
    if (waits !== undefined) Object.assign(earlier, { [waits]: false })
    earlier.emit('drain')
  }
  socket.on('drain', goOn)
  earlier.once('close', () => socket.off('drain', goOn)).once('close', work)
  return true
}
