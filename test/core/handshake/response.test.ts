// The bytes of a 101 and of a refusal, and that nothing a user passes can add a header line (threat H10).

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assertHeader, refusalResponse, switchingProtocols } from '../../../packages/core/src/handshake/response.ts'

function split(response: Buffer): { status: string; lines: string[]; body: string } {
  const text = response.toString('latin1')
  const end = text.indexOf('\r\n\r\n')
  const [status = '', ...lines] = text.slice(0, end).split('\r\n')
  return { status, lines, body: response.subarray(end + 4).toString('utf8') }
}

/** The response, or undefined when the call threw a RangeError. */
function attempt(make: () => Buffer): Buffer | undefined {
  try {
    return make()
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

describe('assertHeader', () => {
  const good: [name: string, value: string][] = [
    ['X-Trace', 'abc'],
    ["!#$%&'*+-.^_`|~09azAZ", 'every character of a token'],
    ['x', ''],
    ['x', ' inner  spaces\tand tabs '],
    ['x', 'caf\xe9 \x80\xff'],
    ['__proto__', 'x'],
  ]
  it.each(good)('allows %j: %j', (name, value) => {
    expect(() => assertHeader(name, value)).not.toThrow()
  })

  const badNames = [
    '',
    ' ',
    'a b',
    'a:',
    ':a',
    'a\r',
    'a\n',
    'a\r\nb',
    'a\0',
    'a\tb',
    'a(b',
    'a"',
    'a/b',
    'a{',
    'é',
    '\u212a',
  ]
  it.each(badNames)('refuses the name %j', (name) => {
    expect(() => assertHeader(name, 'x')).toThrow(RangeError)
  })

  const controls = Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)).filter((code) => code !== '\t')
  const badValues = [...controls, '\x7f', '\u0100', '\u010a', '\u010d', '\u560a', '\u{1f600}', '\ud800', 'a\r\nb: c']
  it.each(badValues)('refuses the value %j', (value) => {
    expect(() => assertHeader('x', value)).toThrow(RangeError)
    expect(() => assertHeader('x', `a${value}b`)).toThrow(RangeError)
  })

  it.each([undefined, null, 1, ['a'], {}, Buffer.from('a')])('refuses the type of %j', (value) => {
    expect(() => assertHeader('x', value as never)).toThrow(TypeError)
    expect(() => assertHeader(value as never, 'x')).toThrow(TypeError)
  })
})

describe('switchingProtocols', () => {
  const acceptKey = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='

  it('is exactly the response of RFC 6455 §1.3 when nothing else is asked for', () => {
    expect(switchingProtocols({ acceptKey }).toString('latin1')).toBe(
      'HTTP/1.1 101 Switching Protocols\r\n' +
        'Upgrade: websocket\r\n' +
        'Connection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${acceptKey}\r\n` +
        '\r\n',
    )
  })

  it('adds subprotocol, extensions and headers, in latin1', () => {
    const response = switchingProtocols({
      acceptKey,
      subprotocol: 'chat',
      extensions: 'permessage-deflate; server_no_context_takeover',
      headers: { 'X-Cafe': 'caf\xe9', 'Set-Cookie': 'a=b' },
    })
    expect(split(response).lines).toEqual([
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${acceptKey}`,
      'Sec-WebSocket-Protocol: chat',
      'Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover',
      'X-Cafe: caf\xe9',
      'Set-Cookie: a=b',
    ])
    expect(response.includes(0xe9)).toBe(true)
  })

  it('sends no empty subprotocol or extensions header', () => {
    const plain = switchingProtocols({ acceptKey })
    expect(switchingProtocols({ acceptKey, subprotocol: '', extensions: '', headers: {} })).toEqual(plain)
    expect(
      switchingProtocols({ acceptKey, subprotocol: undefined, extensions: undefined, headers: undefined }),
    ).toEqual(plain)
  })

  const ours = [
    'Connection',
    'UPGRADE',
    'Content-Length',
    'transfer-encoding',
    'Sec-WebSocket-Accept',
    'sec-websocket-extensions',
    'Sec-WebSocket-Protocol',
    'Sec-WebSocket-Version',
  ]
  it.each(ours)('keeps a custom %s out', (name) => {
    expect(switchingProtocols({ acceptKey, headers: { [name]: '5' } })).toEqual(switchingProtocols({ acceptKey }))
  })

  it.each(['a b', 'a,b', 'a\r\nX: y', 'é', 'a;b', '"a"', ' '])('throws for the subprotocol %j', (subprotocol) => {
    expect(() => switchingProtocols({ acceptKey, subprotocol })).toThrow(RangeError)
  })
})

describe('refusalResponse', () => {
  it('closes, and says what was wrong in a header and in plain text', () => {
    expect(refusalResponse({ status: 400, error: 'invalid_key' }, 'Bad Request').toString('latin1')).toBe(
      'HTTP/1.1 400 Bad Request\r\n' +
        'Connection: close\r\n' +
        'Content-Length: 11\r\n' +
        'Content-Type: text/plain; charset=utf-8\r\n' +
        'Error: invalid_key\r\n' +
        '\r\n' +
        'Bad Request',
    )
  })

  it('has no Error header for an empty error', () => {
    expect(split(refusalResponse({ status: 404, error: '' }, 'Not Found')).lines).toEqual([
      'Connection: close',
      'Content-Length: 9',
      'Content-Type: text/plain; charset=utf-8',
    ])
  })

  it('counts the body in bytes of UTF-8', () => {
    const { lines, body } = split(refusalResponse({ status: 401, error: '', body: 'nö 😀' }))
    expect(body).toBe('nö 😀')
    expect(lines).toContain('Content-Length: 8')
    expect(split(refusalResponse({ status: 401, error: '', body: '' }))).toMatchObject({ body: '' })
  })

  it('lets custom headers replace its own, whatever their case, save those that frame the message', () => {
    const headers = {
      'content-TYPE': 'application/json',
      error: 'mine',
      Location: '/login',
      connection: 'keep-alive',
      'CONTENT-LENGTH': '999',
      'Transfer-Encoding': 'chunked',
    }
    expect(split(refusalResponse({ status: 302, error: 'yours', headers, body: '{}' }, 'Found'))).toEqual({
      status: 'HTTP/1.1 302 Found',
      lines: [
        'Connection: close',
        'Content-Length: 2',
        'content-TYPE: application/json',
        'error: mine',
        'Location: /login',
      ],
      body: '{}',
    })
  })

  it('may have no reason phrase', () => {
    expect(split(refusalResponse({ status: 599, error: '' }))).toMatchObject({ status: 'HTTP/1.1 599 ', body: '' })
  })
})

describe('injection', () => {
  // Half of the characters are the ones that an attack is made of.
  const nasty = fc.oneof(
    fc.constantFrom(
      '\r',
      '\n',
      '\r\n',
      '\0',
      ':',
      ' ',
      '\t',
      ',',
      '\x85',
      '\u2028',
      '\u010d\u010a',
      '\r\n\r\n',
      'X: y',
    ),
    fc.string({ unit: 'binary', maxLength: 3 }),
    fc.constantFrom('a', 'Upgrade', 'chat', 'é'),
  )
  const text = fc.array(nasty, { maxLength: 4 }).map((parts) => parts.join(''))

  it('leaves a 101 with exactly the expected lines, or throws (H10)', () => {
    let built = 0
    let threw = 0
    fc.assert(
      fc.property(text, text, text, text, (subprotocol, extensions, name, value) => {
        const make = (): Buffer =>
          switchingProtocols({
            acceptKey: 'k',
            subprotocol,
            extensions,
            headers: { 'x-one': 'a', [`x${name}`]: value },
          })
        const response = attempt(make)
        if (response === undefined) {
          threw += 1
          return
        }
        built += 1
        const expected = 5 + (subprotocol === '' ? 0 : 1) + (extensions === '' ? 0 : 1)
        const { lines, body } = split(response)
        expect(lines).toHaveLength(expected)
        for (const line of lines) expect(line).toMatch(/^[^\s:]+: [^\r\n\0]*$/)
        expect(body).toBe('')
      }),
      { numRuns: 10_000 },
    )
    expect(built).toBeGreaterThan(0)
    expect(threw).toBeGreaterThan(1_000)
  })

  it('leaves each single way in shut for each of 10,000 strings', () => {
    let threw = 0
    fc.assert(
      fc.property(text, (input) => {
        const calls: [make: () => Buffer, lines: number][] = [
          [() => switchingProtocols({ acceptKey: 'k', subprotocol: input }), input === '' ? 3 : 4],
          [() => switchingProtocols({ acceptKey: 'k', extensions: input }), input === '' ? 3 : 4],
          [() => switchingProtocols({ acceptKey: input }), 3],
          [() => switchingProtocols({ acceptKey: 'k', headers: { [`x${input}`]: 'v' } }), 4],
          [() => switchingProtocols({ acceptKey: 'k', headers: { x: input } }), 4],
          [() => refusalResponse({ status: 400, error: input }), input === '' ? 3 : 4],
          [() => refusalResponse({ status: 400, error: '', headers: { [`x${input}`]: 'v' } }), 4],
          [() => refusalResponse({ status: 400, error: '', headers: { x: input } }), 4],
        ]
        for (const [make, lines] of calls) {
          const response = attempt(make)
          if (response === undefined) threw += 1
          else expect(split(response).lines).toHaveLength(lines)
        }
      }),
      { numRuns: 10_000 },
    )
    expect(threw).toBeGreaterThan(10_000)
  })
})
