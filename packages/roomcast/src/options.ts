// What `createRoomcast` takes, and the checks that a caller's mistake fails at the call, before anything is started.

import type { Broker } from '@roomcast/channels'
import type { OriginPolicy } from '@roomcast/core'
import { type Decision, whyNot } from './access.ts'
import { LIMITS, type Limits, resolveLimits } from './limits.ts'
import { isToken, randomToken } from './token.ts'

/** The port unless another is given. */
export const DEFAULT_PORT = 4545

/** Options of `createRoomcast`; every one may be left out. The limits are in limits.ts, the decisions over who may
 * connect in access.ts. */
export interface RoomcastOptions extends Partial<Limits>, Decision {
  /** TCP port; 0 takes a free one. Default 4545. */
  port?: number
  /** Address to listen on. Default: 127.0.0.1 and ::1. Any address that is no loopback address needs a decision over who
   * may connect. */
  host?: string
  /** The secret of the HTTP API, visible ASCII. Default: a new random one, see `Roomcast.token`. */
  token?: string
  /** Who may connect from a browser. Default `'same'`: the page this server serves. */
  origin?: OriginPolicy
  /** Carries broadcasts between several servers. Default: this one stands alone. */
  broker?: CountingBroker
}

/** A broker; `/stats` shows what it counts. */
export interface CountingBroker extends Broker {
  stats?(): object
}

/** The options with their defaults. */
export interface Settled {
  decision: Decision
  port: number
  host: string | undefined
  token: string
  origin: OriginPolicy | undefined
  broker: CountingBroker | undefined
  limits: Limits
}

type Check = readonly [what: string, is: (value: unknown) => boolean]

const a = (type: string) => (value: unknown) => typeof value === type

const BROKER_METHODS = ['start', 'publish', 'join', 'leave', 'ready', 'close'] as const

/** What each option that is no limit must be, in words and as a test. */
const OPTIONS: Readonly<Record<Exclude<keyof RoomcastOptions, keyof Limits>, Check>> = {
  port: ['a number', a('number')],
  host: ['a string', a('string')],
  token: ['a string', a('string')],
  insecure: ['true or false', a('boolean')],
  allowAnonymousConnectWithoutToken: ['true or false', a('boolean')],
  // Its entries are core's to judge.
  origin: [
    `'same', 'any', a list or a function`,
    (value) => ['string', 'function'].includes(typeof value) || Array.isArray(value),
  ],
  broker: [
    'a broker',
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      BROKER_METHODS.every((method) => typeof (value as Broker)[method] === 'function'),
  ],
}

/** Checks the options and adds the defaults.
 * @throws TypeError for an unknown option or one of the wrong type, RangeError for a wrong value. */
export function settle(options: RoomcastOptions): Settled {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError('createRoomcast needs an options object')
  }
  for (const [name, value] of Object.entries(options)) {
    if (Object.hasOwn(LIMITS, name)) continue
    if (!Object.hasOwn(OPTIONS, name)) throw new TypeError(`unknown option: ${name}`)
    const [what, is] = OPTIONS[name as keyof typeof OPTIONS]
    if (value !== undefined && !is(value)) throw new TypeError(`${name} must be ${what}`)
  }
  const { port = DEFAULT_PORT, host, token = randomToken(), origin, broker } = options
  const { insecure, allowAnonymousConnectWithoutToken } = options
  const decision = { insecure, allowAnonymousConnectWithoutToken }
  if (!(Number.isInteger(port) && port >= 0 && port <= 65_535)) throw new RangeError(`port must be 0–65535: ${port}`)
  if (host !== undefined && !/^[\w.:%-]+$/.test(host)) throw new RangeError('host must be a name or an IP address')
  const why = whyNot(host, decision, {
    anonymous: 'allowAnonymousConnectWithoutToken (allow_anonymous_connect_without_token)',
    insecure: 'insecure (--insecure)',
  })
  if (why !== undefined) throw new RangeError(why)
  if (!isToken(token)) throw new RangeError('token must be visible ASCII without spaces')
  return { decision, port, host, token, origin, broker, limits: resolveLimits(options) }
}
