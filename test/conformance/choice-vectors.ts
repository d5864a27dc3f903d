// Handshakes that are correct, and what the server chooses: a subprotocol, an extension, or to refuse the page, the path.

import type { HandshakeText } from '../support/raw-client.ts'
import { type HandshakeVector, heads } from './vector.ts'

function offers(name: string, ...values: string[]): HandshakeText {
  return { extra: values.map((value) => `${name}: ${value}`) }
}

const protocols = (...values: string[]): HandshakeText => offers('Sec-WebSocket-Protocol', ...values)
const extensions = (...values: string[]): HandshakeText => offers('Sec-WebSocket-Extensions', ...values)
const chosen = (name: string | null) => ({ 'sec-websocket-protocol': name })
const agreed = (answer: string | null) => ({ 'sec-websocket-extensions': answer })

const names = (count: number): string => Array.from({ length: count }, (_, i) => `x${i}`).join(',')

const subprotocols = heads('H-subprotocol', { clause: 'RFC 6455 §4.2.2 item 5.5, §11.3.4', server: 'rooms' }, [
  ['none offered', {}, 101, chosen(null)],
  ['one of ours', protocols('a'), 101, chosen('a')],
  ['both: ours goes first', protocols('a, b'), 101, chosen('b')],
  ['both in our order', protocols('b,a'), 101, chosen('b')],
  ['none of ours', protocols('c, d'), 101, chosen(null)],
  ['in another case', protocols('A'), 101, chosen(null)],
  ['in two cases', protocols('B, a'), 101, chosen('a')],
  ['a name that only begins so', protocols('a1, b.b'), 101, chosen(null)],
  ['in two lines', protocols('c', 'a'), 101, chosen('a')],
  ['in two lines, out of our order', protocols('a', 'c, b'), 101, chosen('b')],
  ['empty elements', protocols(',a,,'), 101, chosen('a')],
  ['tabs', protocols('c\t,\ta'), 101, chosen('a')],
  ['every sign of a token', protocols("!#$%&'*+-.^_`|~09AZaz, a"), 101, chosen('a')],
  ['128 of them', protocols(`${names(127)},a`), 101, chosen('a')],
  ['129 of them', protocols(`${names(128)},a`), 400, { error: 'invalid_subprotocols' }],
  ['an empty list', protocols(''), 400],
  ['commas alone', protocols(',,'), 400],
  ['a parameter', protocols('a;q=1'), 400],
  ['in quotes', protocols('"a"'), 400],
  ['a slash', protocols('a/b'), 400],
  ['a byte over 0x7F', protocols('\xe4'), 400],
  ['one three times among others', protocols('a, b, a'), 400],
  ['one twice, in two lines', protocols('a', 'a'), 400],
])

const DEFLATE = 'permessage-deflate; server_no_context_takeover'

const deflate = heads('H-extension', { clause: 'RFC 7692 §7.1, RFC 6455 §9.1', server: 'deflate' }, [
  ['no offer', {}, 101, agreed(null)],
  [
    'window bits of 10: ours are 9',
    extensions('permessage-deflate;server_max_window_bits=10'),
    101,
    agreed(`${DEFLATE}; server_max_window_bits=9`),
  ],
  [
    'window bits in quotes',
    extensions('permessage-deflate; server_max_window_bits="15"'),
    101,
    agreed(`${DEFLATE}; server_max_window_bits=15`),
  ],
  [
    'no context, where it is offered',
    extensions('permessage-deflate; client_no_context_takeover'),
    101,
    agreed(`${DEFLATE}; client_no_context_takeover`),
  ],
  [
    'a window of the client of our choice',
    extensions('permessage-deflate; client_max_window_bits'),
    101,
    agreed(`${DEFLATE}; client_max_window_bits=12`),
  ],
  ['the second of two offers', extensions('permessage-deflate; x, permessage-deflate'), 101, agreed(DEFLATE)],
  [
    'the second of two lines',
    extensions('permessage-deflate; server_max_window_bits=7', 'permessage-deflate'),
    101,
    agreed(DEFLATE),
  ],
  ['behind one that nobody knows', extensions('x-other; a="b"; c, permessage-deflate'), 101, agreed(DEFLATE)],
  [
    'a client that offers to keep no context',
    extensions('permessage-deflate; client_no_context_takeover'),
    101,
    agreed(`${DEFLATE}; client_no_context_takeover`),
  ],
  [
    'a client that lets us choose its window',
    extensions('permessage-deflate; client_max_window_bits'),
    101,
    agreed(`${DEFLATE}; client_max_window_bits=12`),
  ],
  [
    'a client with a small window',
    extensions('permessage-deflate; client_max_window_bits=9'),
    101,
    agreed(`${DEFLATE}; client_max_window_bits=9`),
  ],
  ['in another case', extensions('Permessage-Deflate'), 101, agreed(null)],
  ['the older name', extensions('x-webkit-deflate-frame'), 101, agreed(null)],
  ['a value for a flag', extensions('permessage-deflate; client_no_context_takeover=1'), 101, agreed(null)],
  ['server bits without a value', extensions('permessage-deflate; server_max_window_bits'), 101, agreed(null)],
  ['16 offers', extensions(Array(16).fill('x').join(',')), 101, agreed(null)],
  ['17 offers', extensions(Array(17).fill('x').join(',')), 400, { error: 'invalid_extensions' }],
  ['16 parameters', extensions(`x${';y'.repeat(16)}`), 101, agreed(null)],
  ['17 parameters', extensions(`x${';y'.repeat(17)}`), 400],
  ['an empty list', extensions(''), 400],
  ['a semicolon at the end', extensions('permessage-deflate;'), 400],
  ['a space for a comma', extensions('permessage-deflate x'), 400],
  ['a quote that does not end', extensions('permessage-deflate; server_max_window_bits="9'), 400],
  ['an empty quoted value', extensions('x; y=""'), 400],
  ['a quoted value that is no token', extensions('x; y="a b"'), 400],
  ['no name', extensions('; x'), 400],
])

const origin = (value: string, host = 'localhost'): HandshakeText => ({ headers: { Origin: value, Host: host } })
const NOT = { error: 'origin_not_allowed' }

const origins = heads('H-origin', { clause: 'RFC 6455 §4.2.2 item 4, RFC 6454 §7' }, [
  ['its own', origin('http://localhost'), 101],
  ['its own, with the default port', origin('http://localhost:80'), 101],
  ['its own, in upper case', origin('HTTP://LOCALHOST'), 101],
  ['its own, behind a proxy that speaks TLS', origin('https://localhost'), 101],
  ['its own port', origin('http://localhost:8080', 'localhost:8080'), 101],
  ['IPv6', origin('http://[::1]:8080', '[::1]:8080'), 101],
  ['another port', origin('http://localhost:81'), 403, NOT],
  ['no port, where the host has one', origin('http://localhost', 'localhost:8080'), 403, NOT],
  ['a host that begins so', origin('http://localhost.evil.example'), 403, NOT],
  ['a host that ends so', origin('http://evil-localhost'), 403, NOT],
  ['userinfo', origin('http://localhost@evil.example'), 403, NOT],
  ['a path', origin('http://localhost/'), 403, NOT],
  ['two in one line', origin('http://localhost http://localhost'), 403, NOT],
  ['no scheme', origin('localhost'), 403, NOT],
  ['another scheme', origin('ftp://localhost'), 403, NOT],
  ['a file', origin('file://'), 403, NOT],
  ['an extension of a browser', origin('chrome-extension://abcdefgh'), 403, NOT],
  ['empty', origin(''), 403, NOT],
  ['two lines', { extra: ['Origin: http://localhost', 'Origin: http://localhost'] }, 400, { error: 'invalid_origin' }],
  ['the host of an absolute target goes before Host', { ...origin('http://a.example'), url: 'http://a.example/' }, 101],
  ['and Host is not asked then', { ...origin('http://localhost'), url: 'http://a.example/' }, 403, NOT],
])

const paths = heads('H-path', { clause: 'RFC 6455 §4.2.2 item 4', server: 'path' }, [
  ['its own', { url: '/ws' }, 101],
  ['a query', { url: '/ws?a=/x' }, 101],
  ['an absolute target', { url: 'http://localhost/ws' }, 101],
  ['a slash more', { url: '/ws/' }, 404, { error: 'not_found' }],
  ['a slash before it', { url: '//ws' }, 404],
  ['in another case', { url: '/WS' }, 404],
  ['an escape', { url: '/%77s' }, 404],
  ['dots', { url: '/x/../ws' }, 404],
  ['the root', {}, 404],
])

export const CHOICE_VECTORS: readonly HandshakeVector[] = [...subprotocols, ...deflate, ...origins, ...paths]
