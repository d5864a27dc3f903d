// Handshake heads by the byte, and the status that answers each: request line, header syntax, Host, Upgrade and Connection,
// version, key and body. What test/core/handshake-io.test.ts asks is not asked here again.

import { type HandshakeText, KEY } from '../support/raw-client.ts'
import { type HandshakeVector, heads } from './vector.ts'

/** A correct head with this first line. */
function line(first: string, end = '\r\n'): string {
  const lines = ['Host: localhost', 'Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Key: ${KEY}`]
  return [first, ...lines, 'Sec-WebSocket-Version: 13', '', ''].join(end)
}

function header(name: string, value: string): HandshakeText {
  return { headers: { [name]: value } }
}

const BAD = { error: 'bad_request' }

const requestLines = heads('H-line', { clause: 'RFC 9112 §3' }, [
  ['a method in lower case', line('get / HTTP/1.1'), 400, BAD],
  ['a method that nobody knows', line('FROB / HTTP/1.1'), 400, BAD],
  ['PATCH', { method: 'PATCH' }, 405, { allow: 'GET', error: 'method_not_allowed' }],
  ['TRACE', { method: 'TRACE' }, 405, { allow: 'GET' }],
  ['PROPFIND', { method: 'PROPFIND' }, 405, { allow: 'GET' }],
  ['HTTP/2.0, which is higher than 1.1', { version: 'HTTP/2.0' }, 101],
  ['HTTP/1.2', { version: 'HTTP/1.2' }, 400, BAD],
  ['HTTP/0.9', { version: 'HTTP/0.9' }, 400],
  ['a version in lower case', { version: 'http/1.1' }, 400, BAD],
  ['a version of three numbers', { version: 'HTTP/1.1.1' }, 400, BAD],
  ['no version', line('GET /'), 400, { error: 'invalid_http_version' }],
  ['no target', line('GET HTTP/1.1'), 400, BAD],
  ['an empty line before it', `\r\n${line('GET / HTTP/1.1')}`, 101],
  ['three empty lines before it', `\r\n\r\n\r\n${line('GET / HTTP/1.1')}`, 101],
  ['a space before it', ` ${line('GET / HTTP/1.1')}`, 400, BAD],
  ['lines that end in LF alone', line('GET / HTTP/1.1', '\n'), 400, BAD],
  ['lines that end in CR alone', line('GET / HTTP/1.1', '\r'), 400, BAD],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, BAD],
  ['a TLS ClientHello', '\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03', 400, BAD],
  ['a frame instead of a head', '\x81\x82\x00\x00\x00\x00hi', 400, BAD],
])

const targets = heads('H-target', { clause: 'RFC 9112 §3.2' }, [
  ['a query', { url: '/?a=b&c' }, 101],
  ['an escaped space', { url: '/a%20b' }, 101],
  ['an escape that is none', { url: '/%zz' }, 101],
  ['two slashes', { url: '//' }, 101],
  ['dots', { url: '/a/../b' }, 101],
  ['bytes over 0x7F', { url: '/\xc3\xbc' }, 400, BAD],
  ['brackets and braces', { url: '/[a]{b}|' }, 101],
  ['8,000 bytes', { url: `/${'a'.repeat(8000)}` }, 101],
  ['17,000 bytes', { url: `/${'a'.repeat(17_000)}` }, 431, { error: 'headers_too_large' }],
  ['an absolute https URI', { url: 'https://localhost/x' }, 101],
  ['an absolute URI without a path', { url: 'http://localhost' }, 101],
  ['an absolute URI of IPv6', { url: 'http://[::1]:80/x' }, 101],
  ['an absolute ws URI', { url: 'ws://localhost/' }, 400],
  ['an absolute URI with userinfo', { url: 'http://user@localhost/' }, 400, { error: 'invalid_url' }],
  ['an absolute URI without a host', { url: 'http:///x' }, 400],
  ['an absolute URI with a fragment', { url: 'http://localhost/#x' }, 400],
  ['no slash before it', { url: 'x' }, 400],
  ['a NUL in it', { url: '/a\0b' }, 400, BAD],
  ['a tab in it', { url: '/a\tb' }, 400, BAD],
  ['a space in it', { url: '/a b' }, 400, BAD],
])

const syntax = heads('H-syntax', { clause: 'RFC 9112 §5' }, [
  ['a space before the colon', { extra: ['X : y'] }, 400, BAD],
  ['a line that begins with a space', { extra: ['X: y', ' z'] }, 400, BAD],
  ['a line that begins with a tab', { extra: ['X: y', '\tz'] }, 400, BAD],
  ['no name', { extra: [': y'] }, 400, BAD],
  ['no colon', { extra: ['X'] }, 400, BAD],
  ['a name with a parenthesis', { extra: ['X(): y'] }, 400, BAD],
  ['a name with a space', { extra: ['X Y: z'] }, 400, BAD],
  ['a name with a byte over 0x7F', { extra: ['\xfc: y'] }, 400, BAD],
  ['a NUL in a value', { extra: ['X: a\0b'] }, 400, BAD],
  ['a CR in a value', { extra: ['X: a\rb'] }, 400, BAD],
  ['a LF in a value', { extra: ['X: a\nb'] }, 400, BAD],
  ['a control character in a value', { extra: ['X: a\x01b'] }, 400, BAD],
  ['DEL in a value', { extra: ['X: a\x7fb'] }, 400, BAD],
  ['a tab in a value', { extra: ['X: a\tb'] }, 101],
  ['bytes over 0x7F in a value', { extra: ['X: \x80\xff'] }, 101],
  ['no value', { extra: ['X:'] }, 101],
  ['a value of spaces', { extra: ['X:    '] }, 101],
  ['no space after the colon', line('GET / HTTP/1.1').replaceAll(': ', ':'), 101],
  [
    'spaces and tabs around every value',
    line('GET / HTTP/1.1').replaceAll(': ', ': \t ').replaceAll('\r\nU', ' \t\r\nU'),
    101,
  ],
  [
    'names in upper case',
    line('GET / HTTP/1.1').replace(/^Sec[\w-]+|^Host|^Upgrade|^Connection/gm, (name) => name.toUpperCase()),
    101,
  ],
  [
    'names in lower case',
    line('GET / HTTP/1.1').replace(/^Sec[\w-]+|^Host|^Upgrade|^Connection/gm, (name) => name.toLowerCase()),
    101,
  ],
  ['names that objects of JavaScript have', { extra: ['__proto__: x', 'constructor: y', 'toString: z'] }, 101],
  ['one name three times', { extra: ['X: 1', 'X: 2', 'x: 3'] }, 101],
])

const hosts = heads('H-host', { clause: 'RFC 9112 §3.2, RFC 3986 §3.2.2' }, [
  ...[
    'LOCALHOST',
    '127.0.0.1',
    '[::1]',
    '[::1]:8080',
    'a.b.c:1',
    'xn--bcher-kva.example',
    'a_b',
    '%41',
    'localhost:',
    'a,b',
  ].map((host) => [host, header('Host', host), 101] as const),
  ...[
    'a b',
    'a/b',
    'user@host',
    '[::1',
    '::1',
    'host:port',
    'host:65536',
    'host:-1',
    'a?b',
    'a#b',
    '[]',
    ':80',
    '%4',
    '\xfc',
  ].map((host) => [host, header('Host', host), 400, { error: 'invalid_host' }] as const),
])

const upgrades = heads('H-upgrade', { clause: 'RFC 6455 §4.2.1 items 3, 4' }, [
  ['websocket among others', header('Upgrade', 'h2c, websocket'), 101],
  ['websocket before others', header('Upgrade', 'websocket,h2c'), 101],
  ['empty elements', header('Upgrade', ',, websocket ,'), 101],
  ['two Upgrade lines', { headers: { Upgrade: 'h2c' }, extra: ['Upgrade: websocket'] }, 101],
  ['with a version', header('Upgrade', 'websocket/13'), 400, { error: 'invalid_upgrade' }],
  ['a name that only begins so', header('Upgrade', 'websockets'), 400],
  ['two words', header('Upgrade', 'web socket'), 400],
  ['in quotes', header('Upgrade', '"websocket"'), 400],
  ['no Upgrade', { headers: { Upgrade: null } }, 426, { upgrade: 'websocket' }],
  ['Connection of several', header('Connection', 'keep-alive , Upgrade,x'), 101],
  ['two Connection lines', { headers: { Connection: 'keep-alive' }, extra: ['Connection: upgrade'] }, 101],
  ['Connection: a name that only ends so', header('Connection', 'x-upgrade'), 426, { upgrade: 'websocket' }],
  ['no Connection', { headers: { Connection: null } }, 426, { upgrade: 'websocket' }],
  ['Connection: close', header('Connection', 'close'), 426],
])

const versions = heads('H-version', { clause: 'RFC 6455 §4.2.1 item 6, §4.4' }, [
  ['with spaces around it', header('Sec-WebSocket-Version', ' \t13\t '), 101],
  ...['013', '+13', '-13', '13.0', '13;', '1 3', '13,13', '0x0d', '255', '1', '7', 'thirteen', '\xb9\xb3'].map(
    (version) =>
      [
        version,
        header('Sec-WebSocket-Version', version),
        426,
        { 'sec-websocket-version': '13', error: 'unsupported_version' },
      ] as const,
  ),
  ['two lines', { extra: ['Sec-WebSocket-Version: 13'] }, 426, { 'sec-websocket-version': '13' }],
])

const A21 = 'A'.repeat(21)

const keys = heads('H-key', { clause: 'RFC 6455 §4.2.1 item 5, RFC 4648 §3.5' }, [
  ...['A', 'Q', 'g', 'w'].map(
    (last) => [`ends in ${last}`, header('Sec-WebSocket-Key', `${A21}${last}==`), 101] as const,
  ),
  ['every sign of base64', header('Sec-WebSocket-Key', '+/+/+/+/+/+/+/+/+/+/+w=='), 101],
  ['with spaces around it', header('Sec-WebSocket-Key', `  ${KEY} \t`), 101],
  ...['B', 'P', 'R', 'f', 'h', 'x', '/', '9'].map(
    (last) =>
      [
        `ends in ${last}: bits to spare`,
        header('Sec-WebSocket-Key', `${A21}${last}==`),
        400,
        { error: 'invalid_key' },
      ] as const,
  ),
  ...(
    [
      ['without padding', `${A21}A`],
      ['one sign of padding', `${A21}A=`],
      ['three signs of padding', `${A21}A===`],
      ['15 bytes', 'A'.repeat(20)],
      ['17 bytes', `${'A'.repeat(22)}A=`],
      ['24 bytes', 'A'.repeat(32)],
      ['base64url', '-_-_-_-_-_-_-_-_-_-_-w=='],
      ['a space within', `AAAA ${'A'.repeat(16)}A==`],
      ['padding first', `==${A21}A`],
      ['a byte over 0x7F', `${'A'.repeat(20)}\xc3A==`],
      ['in quotes', `"${KEY}"`],
      ['two keys in one line', `${KEY},${KEY}`],
    ] as const
  ).map(([what, key]) => [what, header('Sec-WebSocket-Key', key), 400, { error: 'invalid_key' }] as const),
])

const bodies = heads('H-body', { clause: 'RFC 9110 §7.8, RFC 9112 §6' }, [
  ['Content-Length: 0', header('Content-Length', '0'), 101],
  ['Content-Length: 1', header('Content-Length', '1'), 400],
  ['Content-Length: 2^63', header('Content-Length', '9223372036854775808'), 400],
  ['a length that overflows', header('Content-Length', '99999999999999999999999'), 400, BAD],
  ['a negative length', header('Content-Length', '-1'), 400, BAD],
  ['a length with a sign', header('Content-Length', '+0'), 400, BAD],
  ['a length in hexadecimal', header('Content-Length', '0x0'), 400, BAD],
  ['a list of lengths', header('Content-Length', '0, 0'), 400, BAD],
  ['two lengths', { extra: ['Content-Length: 0', 'Content-Length: 0'] }, 400],
  ['two lengths that differ', { extra: ['Content-Length: 0', 'Content-Length: 5'] }, 400],
  ['Transfer-Encoding: identity', header('Transfer-Encoding', 'identity'), 400],
  ['Transfer-Encoding: gzip, chunked', header('Transfer-Encoding', 'gzip, chunked'), 400],
  ['Transfer-Encoding: chunked, with a length', { extra: ['Transfer-Encoding: chunked', 'Content-Length: 0'] }, 400],
  ['an empty Transfer-Encoding', header('Transfer-Encoding', ''), 400],
])

export const HANDSHAKE_VECTORS: readonly HandshakeVector[] = [
  ...requestLines,
  ...targets,
  ...syntax,
  ...hosts,
  ...upgrades,
  ...versions,
  ...keys,
  ...bodies,
]
