// What the page says to people: one sentence for every error of the protocol and every way a connection can end.

const ERRORS = {
  not_a_member: 'You are not in this channel any more. Join it again.',
  full: 'You are in as many channels as this server allows. Leave one, then try again.',
  bad_name: 'This name cannot be used: a channel name has 1 to 200 bytes and no control characters.',
  busy: 'The server has too much to pass on at the moment. Try again later.',
  too_large: 'This is longer than the server allows in one message.',
  bad_request: 'The server did not understand this page. Reload it, as it may be out of date.',
}

const CLOSES = {
  1000: 'The server ended the connection.',
  1001: 'The server is shutting down.',
  1002: 'The server found a fault in what this page sent.',
  1003: 'The server does not take this kind of message.',
  1006: 'The connection was lost.',
  1007: 'The server found text that is not valid UTF-8.',
  1008: 'The server ended the connection, because a message broke one of its rules.',
  1009: 'A message was larger than this server allows.',
  1011: 'Something went wrong in the server.',
  1012: 'The server is restarting.',
  1013: 'The server is overloaded at the moment.',
  3000: 'The server could not read a message of this page.',
  4002: 'Messages were lost on their way between servers.',
  4008: 'This page fell too far behind and was disconnected; some messages may be missing.',
}

/** The server answers over HTTP but takes no WebSocket. */
export const REFUSED =
  'The server is there but takes no connection from this page: it is full, or does not know this address (--origin).'

/** A sentence for an `error` of the protocol. */
export function errorText(error) {
  return Object.hasOwn(ERRORS, error) ? ERRORS[error] : `The server refused: ${error}.`
}

/** A sentence for a close code. */
export function closeText(code) {
  return Object.hasOwn(CLOSES, code) ? CLOSES[code] : `The connection ended (code ${code}).`
}
