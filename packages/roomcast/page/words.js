// What the page says to people: one sentence for every way in which something is refused or ends.

/** Errors of the SDK that tell that no answer came: whether the server did it is not known. */
const LOST = [1, 2, 3, 10, 11]

/** Refused for want of a token, or for one that is no good. */
const WITHOUT_TOKEN = [1, 101, 109, 3500, 3501, 3507]

const ERRORS = {
  100: 'The server cannot do this at the moment: it has lost its store, or found a fault of its own. Try again later.',
  102: 'This name belongs to no kind of room that the server has.',
  103: 'The server does not allow you this here.',
  106: 'You are in as many rooms as this server allows. Leave one, then try again.',
  107: 'It is longer than the server allows in one message, or not of the kind that it takes.',
  108: 'This room has no such thing.',
  109: 'Your token has expired.',
  111: 'The server has too much to pass on at the moment. Try again later.',
  2000: 'The server took you out of this room.',
  2500: 'You were out of this room for too long. Join it again.',
  2501: 'Your permission for this room has expired.',
}

const ENDS = {
  1: 'This server lets nobody in without a token.',
  3: 'A message was larger than this server allows.',
  109: 'Your token has expired.',
  3500: 'The server does not accept this token.',
  3501: 'This server lets nobody in without a token.',
  3503: 'The server sent you away.',
  3504: 'There are as many connections as this server allows. Close another tab, then try again.',
  3505: 'You are in as many rooms as this server allows.',
  3507: 'The server does not allow you to connect.',
}

/** The server answers over HTTP but takes no WebSocket. */
export const REFUSED =
  'The server is there but takes no connection from this page: it is full, or does not know this address (--origin).'

export function isLost(code) {
  return LOST.includes(code)
}

/** Would a token help? */
export function asksForToken(code) {
  return WITHOUT_TOKEN.includes(code)
}

/** A sentence for a refusal. */
export function errorText({ code, message }) {
  if (code === 107 && /too large/.test(message)) return 'It is longer than the server allows in one message.'
  return Object.hasOwn(ERRORS, code) ? ERRORS[code] : `The server refused: ${message || code}.`
}

/** A sentence for a room that cannot be joined. */
export function roomText(error) {
  if (error.code === 107)
    return 'This name cannot be used. A room’s name has 1 to 255 characters: A to Z, digits, spaces and signs, no accents, no other letters.'
  if (error.code === 103) return 'The server does not let you into this room.'
  return errorText(error)
}

/** A sentence for a connection that does not come back by itself. */
export function endText(code) {
  return Object.hasOwn(ENDS, code) ? ENDS[code] : `The server ended the connection (code ${code}).`
}
