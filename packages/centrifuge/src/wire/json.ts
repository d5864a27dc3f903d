// The protocol in JSON: one object for each command and reply, with a line break between those of one message. Data is
// raw JSON within them.

import { isUtf8 } from 'node:buffer'
import { txt } from '@roomcast/core'
import { codecOf, type Format, type Piece, type Raw } from './format.ts'
import { jsonOf, memberAt, skipValue } from './json-text.ts'
import { ofLastBodies } from './last-bodies.ts'
import { type Command, FIELDS, type Field, isMessage, type Name, type Wire } from './schema.ts'

const RANGES: Readonly<Record<string, readonly [min: number, max: number]>> = {
  uint32: [0, 0xffff_ffff],
  int32: [-0x8000_0000, 0x7fff_ffff],
  uint64: [0, 2 ** 64],
  int64: [-(2 ** 63), 2 ** 63],
}

const WRONG = Symbol('wrong')

export const jsonFormat: Format = {
  name: 'json',
  codec: codecOf(
    (publication) => encode('Publication', publication),
    (room, body) => txt(`{"push":{"channel":${JSON.stringify(room)},"pub":${body}}}`),
    (reply) => txt(encode('Reply', reply)),
  ),
  ping: txt('{}'),
  split,
  isPong: (raw) => raw === '{}',
  decode,
  encode: (reply) => encode('Reply', reply),
  join,
  joinWith,
}

function join(pieces: readonly Piece[]): string {
  return pieces.length === 1 ? (pieces[0] as string) : pieces.join('\n')
}

/** Stands for bodies that are there as bytes. It occurs in no JSON, not even within a string. */
const BODIES = '\0'

function joinWith(pieces: readonly Piece[], reply: Wire<'Reply'>): ReturnType<typeof txt> | string {
  const cut: Buffer[] = []
  const text = join([...pieces, encode('Reply', reply, cut)])
  if (cut.length === 0) return text
  return txt(text.split(BODIES).flatMap((part, i) => (i < cut.length ? [part, cut[i]!] : part)))
}

/** One line break may end the last command; an empty line is no command. */
function split(message: Buffer, isText: boolean): Raw[] | undefined {
  if (!isText && !isUtf8(message)) return undefined
  const lines = message.toString().split('\n')
  if (lines.length > 1 && lines.at(-1) === '') lines.pop()
  return lines.includes('') ? undefined : lines
}

function decode(raw: Raw): Command | undefined {
  const text = raw as string
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  const command = read(value, 'Command') as Record<string, { data?: unknown }> | typeof WRONG
  if (command === WRONG) return undefined
  for (const { key } of METHODS_WITH_DATA) {
    const request = command[key]
    if (request?.data === undefined) continue
    // The parser's value of it is thrown away: it has forgotten how numbers were written.
    const at = memberAt(text, memberAt(text, 0, key)!, 'data')!
    request.data = text.slice(at, skipValue(text, at))
  }
  return command as Command
}

const METHODS_WITH_DATA = FIELDS.Command.filter(({ type }) => isMessage(type) && FIELDS[type].some(isBytes))

function isBytes({ type }: Field): boolean {
  return type === 'bytes'
}

/** Takes what the schema knows of a value. */
function read(value: unknown, name: Name): object | typeof WRONG {
  if (!isObject(value)) return WRONG
  const message: Record<string, unknown> = {}
  for (const field of FIELDS[name]) {
    const found = value[field.key]
    // null is as good as nothing.
    if (found === undefined || found === null) continue
    const taken = field.many === 'map' ? readMap(found, field.type) : readValue(found, field.type)
    if (taken === WRONG) return WRONG
    message[field.key] = taken
  }
  return message
}

function readMap(value: unknown, type: Field['type']): unknown {
  if (!isObject(value)) return WRONG
  const entries: [string, unknown][] = []
  for (const [key, inner] of Object.entries(value)) {
    const taken = inner === null ? undefined : readValue(inner, type)
    if (taken === WRONG) return WRONG
    if (taken !== undefined) entries.push([key, taken])
  }
  return Object.fromEntries(entries)
}

function readValue(value: unknown, type: Field['type']): unknown {
  if (type === 'bytes') return value
  if (type === 'string') return typeof value === 'string' ? value : WRONG
  if (type === 'bool') return typeof value === 'boolean' ? value : WRONG
  if (isMessage(type)) return read(value, type)
  const [min, max] = RANGES[type]!
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max ? value : WRONG
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** @param cut where bodies are put for which `BODIES` stands in what is returned; absent: all of it is returned. */
function encode<N extends Name>(name: N, message: Wire<N>, cut?: Buffer[]): string {
  let text = ''
  for (const { key, type, many, isWrittenEmpty } of FIELDS[name]) {
    const value = (message as Record<string, unknown>)[key]
    if (value === undefined && !isWrittenEmpty) continue
    let json = ''
    if (value === undefined) json = ''
    else if (many === undefined) json = encodeValue(value, type, cut)
    else if (many === 'map') json = encodeMap(value, type, cut)
    else json = encodeBodies(value as readonly string[], cut)
    if (json === '' && isWrittenEmpty) json = EMPTY[type]!
    if (json !== '') text += text === '' ? `"${key}":${json}` : `,"${key}":${json}`
  }
  return `{${text}}`
}

/** What a field is that is written although it is empty. */
const EMPTY: Readonly<Record<string, string>> = { string: '""', uint32: '0', uint64: '0', body: '[]', ClientInfo: '{}' }

/** `''`: it is empty. */
function encodeValue(value: unknown, type: Field['type'], cut?: Buffer[]): string {
  if (type === 'body') return value as string
  if (type === 'bytes') return (value as Piece).length === 0 ? '' : jsonOf(value as Piece)
  if (isMessage(type)) return encode(type, value as Wire<Name>, cut)
  return value ? JSON.stringify(value) : ''
}

function encodeMap(value: unknown, type: Field['type'], cut?: Buffer[]): string {
  const entries = Object.entries(value as object)
  const texts = entries.map(([key, inner]) => `${JSON.stringify(key)}:${encodeValue(inner, type, cut) || '""'}`)
  return texts.length === 0 ? '' : `{${texts.join(',')}}`
}

const bytesOf = ofLastBodies((bodies: readonly string[]) => Buffer.from(`[${bodies.join(',')}]`))

function encodeBodies(bodies: readonly string[], cut?: Buffer[]): string {
  if (bodies.length === 0) return ''
  if (cut === undefined) return `[${bodies.join(',')}]`
  cut.push(bytesOf(bodies))
  return BODIES
}
