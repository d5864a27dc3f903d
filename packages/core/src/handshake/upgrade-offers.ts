// Which requests node takes for upgrades. A client may offer to go on in another protocol, as those that know HTTP/2 do
// with `Upgrade: h2c`; a server that does not take the offer answers as if there had been none (RFC 9110 §7.8). Node takes
// every offer for an upgrade as soon as somebody listens to 'upgrade', and the request would never get its answer.

import type { Server as HttpServer, IncomingMessage } from 'node:http'

type Decides = (request: IncomingMessage) => boolean
type RequestClass = typeof IncomingMessage

/** Is WebSocket among what a request offers? In whatever way: the handshake's rules judge it. So do they where so many
 * headers stand before the offer that node does not show it. */
export function offersWebSocket(request: IncomingMessage): boolean {
  const offer = offerOf(request)
  return offer === '' || /(?:^|[\s,])websocket(?:$|[\s,/])/i.test(offer)
}

/** Does a request offer to go on in another version of HTTP? */
export function offersHttp(request: IncomingMessage): boolean {
  return /(?:^|[\s,])(?:h2c|HTTP\/\d|TLS\/\d)/i.test(offerOf(request))
}

/** All lines, as they came: node leaves more of them out of `headers`, beyond a number that the application sets. */
function offerOf({ rawHeaders }: IncomingMessage): string {
  return rawHeaders.filter((_, i) => i % 2 === 1 && /^upgrade$/i.test(rawHeaders[i - 1]!)).join()
}

/** From now on `http` answers requests whose offer `isUpgrade` does not want as if they had made none. */
export function passOverOffers(http: HttpServer, isUpgrade: Decides): void {
  // Node 24.9 and 22.21 ask; the check before is node's own, or what the application set.
  const asking = http as { shouldUpgradeCallback?: Decides }
  const before = asking.shouldUpgradeCallback
  if (before !== undefined) {
    asking.shouldUpgradeCallback = (request) => before.call(http, request) && isUpgrade(request)
    return
  }
  // Before them node looks at `request.upgrade` alone. The class of requests is an option of `createServer`, kept in a
  // property that has no public name. (What came in one piece with such a request, behind it, node loses here.)
  const key = Object.getOwnPropertySymbols(http).find(({ description }) => description === 'IncomingMessage')
  if (key === undefined) return
  const classes = http as unknown as Record<symbol, RequestClass>
  classes[key] = withoutOffers(classes[key]!, isUpgrade)
}

/** A class of requests whose `upgrade` is true only for what is wanted, and for CONNECT. */
function withoutOffers(Request: RequestClass, isUpgrade: Decides): RequestClass {
  return class extends Request {
    /** What node's parser says. It is written within the constructor, before a private field would be there. */
    declare offered: boolean | null

    get upgrade(): boolean | null {
      return this.offered && (this.method === 'CONNECT' || isUpgrade(this))
    }

    set upgrade(offered: boolean | null) {
      this.offered = offered
    }
  }
}
