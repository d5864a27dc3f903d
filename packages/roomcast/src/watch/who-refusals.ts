// Refusals of those who decide over clients, in words: who may connect, and do what in which room.

import { quote } from '../config/wrong.ts'
import { SDK_PATH } from '../connections.ts'
import { type Asked, type Circumstances, type Refused, SDKS, settingOf } from './refusals.ts'
import { faultOfToken, untimely, userOf } from './token-fault.ts'

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
  const say = (reason: string, came: string, expected: string, setting: string): Refused => ({
    ...asked,
    ...{ reason, came, expected, setting },
  })
  if (code === 3504) {
    const most = limits.maxConnectionsPerUser
    const setting = settingOf('maxConnectionsPerUser', limits)
    const user = asked.user ?? userOf(token)
    const came = `one more connection of ${user === undefined ? 'a user' : `user ${quote(user)}`}`
    return { ...say('too_many_connections_of_user', came, `at most ${most} of one`, setting), user }
  }
  if (hasAuthenticate) {
    const came = `a client that authenticate refused${code === undefined ? '' : ` (${code})`}`
    return say('refused_by_authenticate', came, 'what your authenticate function takes', 'that function')
  }
  if (code === 109) {
    const came = `a token that is not valid any more, or not yet: ${untimely(token, Date.now())}`
    return say('token_expired', came, 'exp and nbf around now', issue)
  }
  if (code === 100) {
    return say('token_key_unavailable', 'a token', 'its key to be found', 'client.token.jwks_public_endpoint')
  }
  if (token !== '') {
    if (tokenRules === undefined) {
      return say('invalid_token', 'a token', 'none, as no token key is configured', `client.token.*, or ${issue}`)
    }
    const came = `a token that does not hold: ${faultOfToken(token, tokenRules)}`
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
  const { limits, namespaces = [] } = around
  const who = asked.user ? `user ${quote(asked.user)}` : 'a client without a user'
  const came = `${deed} of ${who} in ${quote(room)}`
  const prefix = room.replace(/^\$/, '').split(':', 1)[0]!
  const namespace = room.includes(':') ? prefix : ''
  const where =
    namespace === ''
      ? 'channel.without_namespace'
      : `channel.namespaces[name=${LEGAL.test(namespace) ? namespace : quote(namespace)}]`
  const say = (reason: string, expected: string, setting: string): Refused => ({
    ...asked,
    ...{ room, reason, came, expected, setting },
  })
  if (code === 102) {
    const known = namespaces.filter((name) => name !== '').map((name) => quote(name))
    const expected = known.length === 0 ? 'a room without a namespace' : `one of the namespaces ${known.join(', ')}`
    return say('unknown_namespace', expected, 'channel.namespaces')
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
  if (code === 109)
    return say('token_expired', 'a subscription token whose exp is to come', 'what issues tokens (its clock)')
  if (code === 100)
    return say('token_key_unavailable', 'the key of the token to be found', 'client.token.jwks_public_endpoint')
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
  if (hasHook) return say(`refused_by_${deed}`, `what your ${deed} function takes`, 'that function')
  return say('not_allowed', 'a permission', `${where}: ${SUFFIXES[deed]}`)
}

const NOT_PERMITTED = 103

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
