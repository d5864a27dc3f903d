// The protocol in Protobuf by another library, from a schema that was written down by itself: so that the package's own is
// not judged by itself.

import { Buffer } from 'node:buffer'
import { readFileSync } from 'node:fs'
import protobuf from 'protobufjs'

const { root } = protobuf.parse(readFileSync(new URL('client.proto', import.meta.url), 'utf8'), { keepCase: true })
export const COMMAND: protobuf.Type = root.lookupType('Command')
const REPLY: protobuf.Type = root.lookupType('Reply')

type Values = Record<string, unknown>

/** A command in JSON, in Protobuf with its length before it. */
export function protobufOf(json: string): Buffer {
  const value = JSON.parse(json) as Values
  return delimited(
    COMMAND,
    translate(value, COMMAND, (data) => Buffer.from(JSON.stringify(data))),
  )
}

export function delimited(type: protobuf.Type, value: Values): Buffer {
  return Buffer.from(type.encodeDelimited(type.fromObject(value)).finish())
}

/** What one WebSocket message says, reply by reply, as JSON. */
export function textsOf(message: string | Buffer): string[] {
  if (typeof message === 'string') return message.split('\n')
  const reader = protobuf.Reader.create(message)
  const texts: string[] = []
  while (reader.pos < reader.len) {
    const reply = REPLY.decodeDelimited(reader)
    const value = REPLY.toObject(reply, { longs: Number }) as Values
    texts.push(
      JSON.stringify(translate(value, REPLY, (data) => JSON.parse(Buffer.from(data as Uint8Array).toString()))),
    )
  }
  return texts
}

/** The same message, with what its `bytes` fields hold turned into something else. */
function translate(value: Values, type: protobuf.Type, turn: (data: unknown) => unknown): Values {
  const turned: Values = {}
  for (const [key, inner] of Object.entries(value)) {
    const field = type.fields[key]
    const kind = field?.resolve().resolvedType
    if (field?.type === 'bytes') turned[key] = turn(inner)
    else if (!(kind instanceof protobuf.Type)) turned[key] = inner
    else if (field instanceof protobuf.MapField) {
      turned[key] = Object.fromEntries(
        Object.entries(inner as Values).map(([name, one]) => [name, translate(one as Values, kind, turn)]),
      )
    } else if (field?.repeated) turned[key] = (inner as Values[]).map((one) => translate(one, kind, turn))
    else turned[key] = translate(inner as Values, kind, turn)
  }
  return turned
}
