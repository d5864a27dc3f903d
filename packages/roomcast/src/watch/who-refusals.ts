// Refusals of those who decide over clients, in words: who may connect, and do what in which room.

import { quote } from '../config/wrong.ts'
import { SDK_PATH } from '../connections.ts'
import { type Asked, type Circumstances, type Reason, type Refused, SDKS, settingOf, whose } from './refusals.ts'
import { faultOfToken, roomsOf, untimely, userOf } from './token-fault.ts'

/** Who may not connect.
 * @param path where it wanted to; `''`: it is connected already. */
export function notAdmitted(
  around: Circumstances,
  code: number | undefined,
  token: string,
  asked: Asked,
  path = '',
): Refused {
  const { limits, hasAuthenticate, tokenRules } = around
  const issue = 'what issues tokens (its key, exp and clock)'
  const say = (reason: Reason, came: string, expected: string, setting: string): Refused => ({
    ...asked,
    ...{ reason, came, expected, setting },
  })
  const held = whose(asked)
  if (code === 3504) {
    const most = limits.maxConnectionsPerUser
    const setting = settingOf('maxConnectionsPerUser', limits)
    const user = asked.user ?? userOf(token)
    const came = `one more connection of ${user === undefined ? 'a user' : `user ${quote(user)}`}`
    return { ...say('too_many_connections_of_user', came, `at most ${most} of one`, setting), user }
  }
  if (code === 3503) {
    const user = asked.user ?? userOf(token)
    const came = `a connection of ${user === undefined ? 'a user' : `user ${quote(user)}`} that was sent away`
    return { ...say('user_blocked', came, 'none, for as long as it is blocked', 'whoever called disconnect'), user }
  }
  if (hasAuthenticate) {
    const came = `a client that authenticate refused${code === undefined ? '' : ` (${code})`}${held}`
    return say('refused_by_authenticate', came, 'what your authenticate function takes', 'that function')
  }
  if (code === 109) {
    const came = `a token that is not valid any more, or not yet: ${untimely(token, Date.now())}${held}`
    return say('token_expired', came, 'exp and nbf around now', issue)
  }
  if (code === 100) {
    return keyUnavailable(around, 'a token', asked)
  }
  if (code === 102 || code === 107) {
    const came = `a token that gives rooms that cannot be, among ${roomsOf(token)
      .map((room) => quote(room))
      .join(', ')}`
    return code === 102
      ? say('unknown_namespace', came, namespacesOf(around), 'channel.namespaces, or what issues tokens')
      : say('bad_request', came, 'legal names of rooms', 'what issues tokens (channels, subs), or channel_regex')
  }
  if (token !== '') {
    if (tokenRules === undefined) {
      return say('invalid_token', 'a token', 'none, as no token key is configured', `client.token.*, or ${issue}`)
    }
    const came = `a token that does not hold: ${faultOfToken(token, tokenRules)}${held}`
    const expected = 'a JWT signed with the key of this server, for its audience and issuer'
    return say('invalid_token', came, expected, `client.token.*, or ${issue}`)
  }
  return say(
    'no_token',
    `a client without a token${path && `, at ${quote(path)}`}`,
    'one, as a token key is configured',
    `--allow-anonymous-connect-without-token (client.allow_anonymous_connect_without_token)${path === SDK_PATH ? '' : `; ${SDKS}`}`,
  )
}

function namespacesOf({ namespaces = [] }: Circumstances): string {
  const known = namespaces.filter((name) => name !== '').map((name) => quote(name))
  return known.length === 0 ? 'a room without a namespace' : `one of the namespaces ${known.join(', ')}`
}

/** Keys of tokens could not be fetched: no token holds until they can. */
function keyUnavailable({ keyTrouble, tokenRules }: Circumstances, came: string, asked: Asked): Refused {
  const at = tokenRules?.keysAt === undefined ? '' : ` from ${tokenRules.keysAt}`
  return {
    ...asked,
    reason: 'token_key_unavailable',
    came: `${came}, whose key could not be fetched${at}: ${quote(keyTrouble() ?? 'nothing is known of it')}`,
    expected: 'a JWK Set',
    setting: 'client.token.jwks_public_endpoint, or what answers there',
  }
}

/** Somebody was put out of a room, or sent away, while it was decided whether it may be there. */
export function putOut({ room = '', ...asked }: Asked): Refused {
  return {
    ...asked,
    room,
    reason: 'user_blocked',
    came: `subscribe in ${quote(room)} of who was put out meanwhile${whose(asked)}`,
    expected: 'none',
    setting: 'whoever called unsubscribe or disconnect',
  }
}

/** What a client does in a room. */
export type Deed = 'subscribe' | 'publish' | 'presence' | 'history'

const SUFFIXES: Readonly<Record<Deed, string>> = {
  subscribe: 'allow_subscribe_for_client (…_for_anonymous), a subscription token',
  publish: 'allow_publish_for_client (…_for_subscriber, …_for_anonymous)',
  presence: 'allow_presence_for_client (…_for_subscriber, …_for_anonymous)',
  history: 'allow_history_for_client (…_for_subscriber, …_for_anonymous)',
}

/** What a client may not do in a room.
 * @param token the subscription token that it brought; `''`: none. */
export function notPermitted(
  around: Circumstances,
  deed: Deed,
  code: number,
  { room = '', ...asked }: Asked,
  token = '',
): Refused {
  const { limits } = around
  const who = asked.user ? `user ${quote(asked.user)}` : 'a client without a user'
  const came = `${deed} of ${who} in ${quote(room)}`
  const where = placeOf(room)
  const say = (reason: Reason, expected: string, setting: string): Refused => ({
    ...asked,
    ...{ room, reason, came, expected, setting },
  })
  if (code === 102) {
    return say('unknown_namespace', namespacesOf(around), 'channel.namespaces')
  }
  if (code === 106)
    return say(
      'too_many_rooms',
      `at most ${limits.maxRoomsPerClient} of one client`,
      settingOf('maxRoomsPerClient', limits),
    )
  if (code === 107)
    return say(
      'bad_request',
      'a legal name of a room, and data of its format',
      `${where}: channel_regex, publication_data_format`,
    )
  if (code === 108)
    return say(
      'not_available',
      `a room with ${deed}`,
      `${where}: ${deed === 'presence' ? 'presence' : 'history_size, history_ttl'}`,
    )
  if (code === 109) {
    const expected = 'a subscription token whose exp is to come, and whose nbf has passed'
    const late = say('token_expired', expected, 'what issues tokens (its clock)')
    return token === '' ? late : { ...late, came: `${came} with a token: ${untimely(token, Date.now())}` }
  }
  if (code === 110) {
    const expired = say(
      'grant_expired',
      'an end that is to come',
      'what grants it (expiresAt, expire_at), and the clocks',
    )
    return { ...expired, came: `${came}: what was granted had run out already` }
  }
  if (code === 100) return { ...keyUnavailable(around, `${came} with a token`, asked), room }
  if (token !== '' && around.tokenRules !== undefined && (code === 3500 || code === NOT_PERMITTED)) {
    const fault = faultOfToken(token, around.tokenRules, { room, user: asked.user ?? '' })
    return {
      ...say('invalid_token', 'a subscription token for this room and this user', 'what issues tokens'),
      came: `${came} with a token that does not hold: ${fault}`,
    }
  }
  if (room.startsWith('$') && deed === 'subscribe')
    return say('not_allowed', 'a subscription token, as the name begins with $', 'what issues tokens, or the name')
  if (around.isUserLimited(room) && deed === 'subscribe')
    return say('not_allowed', 'one of the users that the name tells after #', 'the name, or a subscription token')
  const hasHook = { subscribe: around.hasSubscribe, publish: around.hasPublish, presence: false, history: false }[deed]
  if (hasHook)
    return say(
      deed === 'publish' ? 'refused_by_publish' : 'refused_by_subscribe',
      `what your ${deed} function takes`,
      'that function',
    )
  return say('not_allowed', 'a permission', `${where}: ${SUFFIXES[deed]}`)
}

const NOT_PERMITTED = 103

/** Where the options of a room are configured. */
export function placeOf(room: string): string {
  const namespace = room.includes(':') ? room.replace(/^\$/, '').split(':', 1)[0]! : ''
  if (namespace === '') return 'channel.without_namespace'
  return `channel.namespaces[name=${LEGAL.test(namespace) ? namespace : quote(namespace)}]`
}

/** Names that can stand in a line as they are. */
const LEGAL = /^[\w.-]{1,100}$/

/** Data over the limit. */
export function dataTooLarge({ limits }: Circumstances, { room = '', ...asked }: Asked): Refused {
  return {
    ...asked,
    room,
    reason: 'data_too_large',
    came: `something larger to be said in ${quote(room)}`,
    expected: `at most ${limits.maxDataBytes} bytes of data`,
    setting: settingOf('maxDataBytes', limits),
  }
}
