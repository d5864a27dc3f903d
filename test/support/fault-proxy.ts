// Stands between a node and its Redis and breaks the way: cuts it, stalls it without a word, delays it, closes half of
// it, for everything or for one leg (the connection that subscribes, the one that publishes) and one direction.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net'

/** Which of a node's connections: told apart by the commands that go over them. */
export type Leg = 'subscriber' | 'publisher'
/** `'up'`: from the node to Redis. `'down'`: back. */
export type Direction = 'up' | 'down'

interface Which {
  /** Default: every connection. */
  leg?: Leg
}

interface Way extends Which {
  /** Default: both. */
  direction?: Direction
}

const DIRECTIONS: readonly Direction[] = ['up', 'down']

export class FaultProxy {
  readonly #server: Server
  readonly #links = new Set<Link>()
  #target: NetConnectOpts
  /** What connections that come while it holds are met with. */
  #newcomers: 'pass' | 'stall' | 'refuse' = 'pass'
  #delayMs = 0
  /** Connections ever accepted. */
  accepted = 0

  private constructor(target: NetConnectOpts) {
    this.#target = target
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket))
  }

  /** @param target The path of Redis's Unix socket, or its port. */
  static async start(target: string | number): Promise<FaultProxy> {
    const proxy = new FaultProxy(address(target))
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** How many connections of a leg there are. */
  count(leg?: Leg): number {
    return this.#some({ leg }).length
  }

  /** Bytes that went a way since the proxy started, of connections that are still there. */
  bytes({ leg, direction }: Way = {}): number {
    const ways = direction ? [direction] : DIRECTIONS
    return this.#some({ leg }).reduce((sum, link) => sum + ways.reduce((all, way) => all + link.ways[way].bytes, 0), 0)
  }

  /** Ends connections on both sides: with a reset, or in order with a FIN. */
  cut({ leg, how = 'reset' }: Which & { how?: 'reset' | 'fin' } = {}): void {
    for (const link of this.#some({ leg })) link.cut(how)
  }

  /** Nothing passes any more, and neither side is told. New connections pass, unless `newcomers`. */
  stall({ leg, direction, newcomers = false }: Way & { newcomers?: boolean } = {}): void {
    if (newcomers) this.#newcomers = 'stall'
    for (const link of this.#some({ leg })) {
      for (const way of direction ? [direction] : DIRECTIONS) link.ways[way].stalled = true
    }
  }

  /** Connections that come are reset at once, until `heal`. */
  refuse(): void {
    this.#newcomers = 'refuse'
  }

  /** Everything passes again, what was held first. */
  heal(): void {
    this.#newcomers = 'pass'
    this.#delayMs = 0
    for (const link of this.#links) {
      for (const way of DIRECTIONS) {
        link.ways[way].delayMs = 0
        link.ways[way].stalled = false
      }
    }
  }

  /** What passes, passes so much later; on new connections too. */
  delay(ms: number): void {
    this.#delayMs = ms
    for (const link of this.#links) for (const way of DIRECTIONS) link.ways[way].delayMs = ms
  }

  /** One side hears FIN while the other direction stays: `'up'` tells Redis that the node is done, `'down'` the node. */
  halfClose({ leg, direction }: Which & { direction: Direction }): void {
    for (const link of this.#some({ leg })) link.ways[direction].finish()
  }

  /** Connections that come go to another Redis. Those that are there stay. */
  retarget(target: string | number): void {
    this.#target = address(target)
  }

  /** The connections of a leg that are there go on with another Redis, which is told what the first one was told. Neither
   * the node nor anything it could look at shows it. Connections that come go where they did. */
  async divert(leg: Leg, target: string | number): Promise<void> {
    await Promise.all(this.#some({ leg }).map((link) => link.divert(connect(address(target)))))
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.cut()
    await closed
  }

  #some({ leg }: { leg?: Leg | undefined }): Link[] {
    return [...this.#links].filter((link) => leg === undefined || link.leg === leg)
  }

  #accept(socket: Socket): void {
    this.accepted++
    if (this.#newcomers === 'refuse') {
      socket.on('error', () => {}).resetAndDestroy()
      return
    }
    const link = new Link(socket, connect({ ...this.#target, allowHalfOpen: true, noDelay: true } as NetConnectOpts))
    this.#links.add(link)
    link.closed = () => this.#links.delete(link)
    for (const way of DIRECTIONS) {
      link.ways[way].delayMs = this.#delayMs
      link.ways[way].stalled = this.#newcomers === 'stall'
    }
  }
}

function address(target: string | number): NetConnectOpts {
  return typeof target === 'string' ? { path: target } : { host: '127.0.0.1', port: target }
}

/** One connection of a node and the one to Redis that belongs to it. */
class Link {
  leg: Leg | undefined
  readonly ways: Record<Direction, Passage>
  closed: () => void = () => {}
  readonly #sockets: [Socket, Socket]
  /** All that the node said; tests are short. */
  readonly #said: Buffer[] = []

  constructor(node: Socket, redis: Socket) {
    this.#sockets = [node, redis]
    this.ways = { up: new Passage(node, redis), down: new Passage(redis, node) }
    for (const socket of this.#sockets) this.#watch(socket)
    node.on('data', (chunk: Buffer) => {
      this.#said.push(chunk)
      const words = this.leg === undefined ? chunk.toString('latin1') : ''
      if (/\bs?subscribe\r\n/i.test(words)) this.leg = 'subscriber'
      else if (/\bs?publish\r\n/i.test(words)) this.leg = 'publisher'
    })
  }

  cut(how: 'reset' | 'fin'): void {
    const [node, redis] = this.#sockets
    if (how === 'reset') node.resetAndDestroy()
    else node.destroy()
    // A Unix socket knows no reset.
    redis.destroy()
  }

  async divert(redis: Socket): Promise<void> {
    const [node, before] = this.#sockets
    before.removeAllListeners().on('error', () => {})
    before.destroy()
    redis.write(Buffer.concat(this.#said))
    // Its answers to that: a quarter of a second without any is the end of them.
    let quiet: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      const wait = (): void => {
        clearTimeout(quiet)
        quiet = setTimeout(resolve, 250)
      }
      wait()
      redis.on('data', wait)
    })
    redis.removeAllListeners('data')
    this.#sockets[1] = redis
    this.ways.up.redirect(redis)
    this.ways.down = new Passage(redis, node)
    this.#watch(redis)
  }

  #watch(socket: Socket): void {
    const broken = (): void => this.#broken()
    socket.on('error', broken).on('close', broken)
  }

  /** A side is gone. While the way is stalled the other is not told, as on a network that drops everything. */
  #broken(): void {
    const tell = (): void => {
      for (const socket of this.#sockets) socket.destroy()
      this.closed()
    }
    const stalled = DIRECTIONS.find((way) => this.ways[way].stalled)
    if (stalled) this.ways[stalled].whenFlowing = tell
    else tell()
  }
}

/** One direction of a link: what was read and may not pass yet, in its order. */
class Passage {
  delayMs = 0
  bytes = 0
  whenFlowing: () => void = () => {}
  readonly #from: Socket
  #to: Socket
  readonly #held: { piece: Buffer | 'end'; due: number }[] = []
  #stalled = false
  #timer: NodeJS.Timeout | undefined

  constructor(from: Socket, to: Socket) {
    this.#from = from
    this.#to = to
    from.on('data', (chunk: Buffer) => {
      this.bytes += chunk.length
      this.#take(chunk)
    })
    from.on('end', () => this.#take('end'))
    to.on('drain', () => from.resume())
  }

  get stalled(): boolean {
    return this.#stalled
  }

  set stalled(stalled: boolean) {
    this.#stalled = stalled
    if (stalled) return
    this.#flow()
    this.whenFlowing()
  }

  finish(): void {
    this.#to.end()
  }

  redirect(to: Socket): void {
    this.#to = to
    to.on('drain', () => this.#from.resume())
  }

  #take(piece: Buffer | 'end'): void {
    this.#held.push({ piece, due: performance.now() + this.delayMs })
    this.#flow()
  }

  #flow(): void {
    clearTimeout(this.#timer)
    while (!this.#stalled && this.#held.length > 0) {
      const waitMs = this.#held[0]!.due - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#flow(), waitMs)
        return
      }
      this.#pass(this.#held.shift()!.piece)
    }
  }

  #pass(piece: Buffer | 'end'): void {
    if (this.#to.writableEnded || this.#to.destroyed) return
    if (piece === 'end') this.#to.end()
    else if (!this.#to.write(piece)) this.#from.pause()
  }
}
