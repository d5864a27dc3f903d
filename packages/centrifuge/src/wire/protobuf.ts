// The protocol in Protobuf: each command and reply has its length before it, as a varint. The library knows how values
// lie on the wire; which fields there are is in schema.ts.

import { isUtf8 } from 'node:buffer'
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { bin } from '@roomcast/core'
import { codecOf, type Format, type Piece, type Raw } from './format.ts'
import { ofLastBodies } from './last-bodies.ts'
import { type Command, FIELDS, type Field, isMessage, type Name, type Scalar, type Wire } from './schema.ts'

const PUSH = FIELDS.Reply.find(({ key }) => key === 'push')!.no
const CHANNEL = FIELDS.Push.find(({ key }) => key === 'channel')!.no
const PUB = FIELDS.Push.find(({ key }) => key === 'pub')!.no

export const protobufFormat: Format = {
  name: 'protobuf',
  codec: codecOf(
    (publication) => encode('Publication', publication),
    push,
    (reply) => bin(join([encode('Reply', reply)])),
  ),
  ping: bin(Uint8Array.of(0)),
  split,
  isPong: (raw) => raw.length === 0,
  decode,
  encode: (reply) => encode('Reply', reply),
  join,
  joinWith: (pieces, reply) => join([...pieces, encode('Reply', reply)]),
}

/** A message that ends within a command is none. */
function split(message: Buffer): Raw[] | undefined {
  const commands: Raw[] = []
  let at = 0
  while (at < message.length) {
    let length = 0
    let scale = 1
    let byte: number
    do {
      if (at === message.length || scale > 2 ** 63) return undefined
      byte = message[at++]!
      length += (byte & 0x7f) * scale
      scale *= 0x80
    } while (byte >= 0x80)
    if (length > message.length - at) return undefined
    commands.push(message.subarray(at, at + length))
    at += length
  }
  return commands.length === 0 ? undefined : commands
}

function decode(raw: Raw): Command | undefined {
  try {
    return read(new BinaryReader(raw as Uint8Array), (raw as Uint8Array).length, 'Command') as Command
  } catch {
    return undefined
  }
}

const BY_NUMBER = Object.fromEntries(
  Object.entries(FIELDS).map(([name, fields]) => [name, new Map(fields.map((field) => [field.no, field]))]),
) as Record<Name, Map<number, Field>>

/** @throws Error for what is no message of that name. */
function read(reader: BinaryReader, end: number, name: Name): object {
  const message: Record<string, unknown> = {}
  while (reader.pos < end) {
    const [no, wireType] = reader.tag()
    const field = BY_NUMBER[name].get(no)
    if (field === undefined) {
      reader.skip(wireType, no)
      continue
    }
    const isVarint = field.many === undefined && isNumeric(field.type)
    if (wireType !== (isVarint ? WireType.Varint : WireType.LengthDelimited)) throw new Error('another wire type')
    if (field.many === 'map') {
      const map = (message[field.key] ??= Object.create(null)) as Record<string, unknown>
      const [key, value] = readEntry(reader, field.type)
      map[key] = value
    } else message[field.key] = readValue(reader, field.type)
  }
  if (reader.pos !== end) throw new Error('over its end')
  return message
}

function readValue(reader: BinaryReader, type: Field['type']): unknown {
  if (isMessage(type)) return read(reader, endOf(reader), type)
  if (type === 'bool') return reader.bool()
  if (type === 'uint32') return reader.uint32()
  if (type === 'int32') return reader.int32()
  // Greater than any position there is: exactness is of no use.
  if (type === 'uint64') return Number(reader.uint64())
  if (type === 'int64') return Number(reader.int64())
  const bytes = reader.bytes()
  if (type === 'bytes') return bytes
  if (!isUtf8(bytes)) throw new Error('not UTF-8')
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()
}

/** Where the message ends whose length comes next. */
function endOf(reader: BinaryReader): number {
  const length = reader.uint32()
  const end = reader.pos + length
  if (end > reader.len) throw new Error('over its end')
  return end
}

function readEntry(reader: BinaryReader, type: Field['type']): [key: string, value: unknown] {
  const end = endOf(reader)
  let key = ''
  let value: unknown = isMessage(type) ? {} : ''
  while (reader.pos < end) {
    const [no, wireType] = reader.tag()
    if (no > 2 || wireType !== WireType.LengthDelimited) reader.skip(wireType, no)
    else if (no === 1) key = readValue(reader, 'string') as string
    else value = readValue(reader, type)
  }
  if (reader.pos !== end) throw new Error('over its end')
  return [key, value]
}

function isNumeric(type: Field['type']): boolean {
  return !isMessage(type) && type !== 'string' && type !== 'bytes' && type !== 'body'
}

function encode<N extends Name>(name: N, message: Wire<N>): Uint8Array {
  const writer = new BinaryWriter()
  write(writer, name, message)
  return writer.finish()
}

function write<N extends Name>(writer: BinaryWriter, name: N, message: Wire<N>): void {
  for (const { key, no, type, many } of FIELDS[name]) {
    const value = (message as Record<string, unknown>)[key]
    if (value === undefined) continue
    if (many === undefined) writeValue(writer, no, type, value)
    else if (many === 'repeated') {
      const bodies = value as readonly Piece[]
      if (bodies.length > 0) writer.raw(BODIES.get(no)!(bodies))
    } else {
      for (const [entry, one] of Object.entries(value as object)) {
        writer.tag(no, WireType.LengthDelimited).fork()
        writer.tag(1, WireType.LengthDelimited).string(entry)
        writeValue(writer, 2, type, one)
        writer.join()
      }
    }
  }
}

/** By the number of their field. */
const BODIES = new Map(
  Object.values(FIELDS).flatMap((fields) =>
    fields.flatMap(({ no, many }) => (many === 'repeated' ? [[no, ofLastBodies(bodiesOf(no))] as const] : [])),
  ),
)

function bodiesOf(no: number) {
  return (bodies: readonly Piece[]): Uint8Array => {
    const writer = new BinaryWriter()
    for (const body of bodies) writeValue(writer, no, 'body', body)
    return writer.finish()
  }
}

function writeValue(writer: BinaryWriter, no: number, type: Field['type'], value: unknown): void {
  if (isMessage(type)) {
    writer.tag(no, WireType.LengthDelimited).fork()
    write(writer, type, value as Wire<Name>)
    writer.join()
  } else if (value) writeScalar(writer, no, type, value)
}

function writeScalar(writer: BinaryWriter, no: number, type: Scalar, value: unknown): void {
  writer.tag(no, isNumeric(type) ? WireType.Varint : WireType.LengthDelimited)
  if (type === 'bool') writer.bool(value as boolean)
  else if (type === 'uint32') writer.uint32(value as number)
  else if (type === 'int32') writer.int32(value as number)
  else if (type === 'uint64') writer.uint64(value as number)
  else if (type === 'int64') writer.int64(value as number)
  else if (typeof value === 'string') writer.string(value)
  else writer.bytes(value as Uint8Array)
}

function join(pieces: readonly Piece[]): Uint8Array {
  const writer = new BinaryWriter()
  for (const piece of pieces) writer.bytes(piece as Uint8Array)
  return writer.finish()
}

/** A publication whose body is there: what is before it is written, and the body copied once. */
function push(room: string, body: Piece): ReturnType<typeof bin> {
  const { length } = body
  const inner = new BinaryWriter().tag(CHANNEL, WireType.LengthDelimited).string(room)
  const head = inner.tag(PUB, WireType.LengthDelimited).uint32(length).finish()
  const reply = new BinaryWriter()
    .tag(PUSH, WireType.LengthDelimited)
    .uint32(head.length + length)
    .finish()
  const prefix = new BinaryWriter().uint32(reply.length + head.length + length).finish()
  return bin([prefix, reply, head, body as Uint8Array])
}
