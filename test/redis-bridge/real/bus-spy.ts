// Listens to everything on the bus, past every proxy and without the bridge: which node id is whose, and how many
// envelopes of which kind there were. It reads what the package's README says of the envelope, and nothing else.

import type { Redis } from 'ioredis'

const HEADER_BYTES = 24

interface Envelope {
  redisChannel: string
  version: number
  kind: number
  node: string
  number: bigint
  age: number
  /** The payloads of its frames. */
  messages: Buffer[]
  bytes: Buffer
}

/** Reads an envelope, or gives undefined for what is none. */
function readEnvelope(redisChannel: string, bytes: Buffer): Envelope | undefined {
  if (bytes.length < HEADER_BYTES || bytes.toString('latin1', 0, 2) !== 'RC') return undefined
  const messages: Buffer[] = []
  for (let at = HEADER_BYTES; at < bytes.length; ) {
    const short = bytes[at + 1]!
    const header = short < 126 ? 2 : short === 126 ? 4 : 10
    const length =
      short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2))
    messages.push(bytes.subarray(at + header, at + header + length))
    at += header + length
  }
  return {
    redisChannel,
    version: bytes[2]!,
    kind: bytes[3]!,
    node: bytes.toString('hex', 4, 12),
    number: bytes.readBigUInt64BE(12),
    age: bytes.readUInt32BE(20),
    messages,
    bytes,
  }
}

export class BusSpy {
  readonly envelopes: Envelope[] = []
  /** Node id to the name it gives in its messages. */
  readonly nameOf: Map<string, string> = new Map()
  readonly #keep: boolean

  private constructor(keep: boolean) {
    this.#keep = keep
  }

  /** @param connection of its own. @param keep whether to keep every envelope. */
  static async start(connection: Redis, prefix: string, keep = true): Promise<BusSpy> {
    const spy = new BusSpy(keep)
    connection.on('pmessageBuffer', (_: unknown, channel: Buffer, bytes: Buffer) =>
      spy.#hear(channel.toString(), bytes),
    )
    await connection.psubscribe(`${prefix}:*`)
    return spy
  }

  #hear(channel: string, bytes: Buffer): void {
    const envelope = readEnvelope(channel, bytes)
    if (!envelope) return
    if (this.#keep) this.envelopes.push(envelope)
    const [name, , seq] = envelope.messages[0]?.toString().split('|') ?? []
    if (name !== undefined && seq !== undefined) this.nameOf.set(envelope.node, name)
  }
}
