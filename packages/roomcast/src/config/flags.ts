// Flags of the command line: those with short names, and every key of the file by its own.

import { flagOf, LIMIT_NAMES, LIMITS } from '../limits.ts'
import { isToken } from '../token.ts'
import { isRedisUrl, PLACES } from './engine.ts'
import { KEYS, type Key, type Reader, readCount, readSwitch } from './keys.ts'
import { readOrigins } from './origins.ts'
import { readPem } from './pem.ts'
import { WrongSetting } from './wrong.ts'

/** Flags that take no value. */
export const SWITCHES = ['insecure', 'allow-anonymous-connect-without-token', 'require-redis'] as const

const redisUrl: Reader = (text, source) => {
  // Not quoted: it may hold a password.
  if (isRedisUrl(text as string)) return text
  throw new WrongSetting(`${source} must be redis:// or rediss:// with a host, or the path of a Unix socket`)
}

const token: Reader = (text, source) => {
  if (isToken(text as string)) return text
  throw new WrongSetting(`${source} must be visible ASCII characters without spaces`)
}

const host: Reader = (text, source) => {
  if (text === '') throw new WrongSetting(`${source} must be a host name or an IP address, not ""`)
  return KEYS.get('http_server.address')!.read(text, source)
}

const origin: Reader = (text, source) => readOrigins(text as string, source)

/** Every flag but --config, --help and --version. Of two for one option, the later one here wins. */
export const FLAG_KEYS: ReadonlyMap<string, Key> = new Map<string, Key>([
  ...KEYS,
  ['insecure', { read: readSwitch, option: 'insecure' }],
  ['allow-anonymous-connect-without-token', { read: readSwitch, option: 'allowAnonymousConnectWithoutToken' }],
  ['port', { read: readCount(0, 65_535), option: 'port' }],
  ['host', { read: host, option: 'host' }],
  ['token', { read: token, option: 'token' }],
  ['origin', { read: origin, option: 'origin' }],
  ['redis-url', { read: redisUrl, option: 'engine.url', rivals: PLACES }],
  ['prefix', KEYS.get('engine.redis.prefix')!],
  ['require-redis', KEYS.get('roomcast.require_redis')!],
  ['metrics-key', KEYS.get('roomcast.metrics_key')!],
  ['readiness', KEYS.get('roomcast.readiness')!],
  ['trust-proxy', KEYS.get('roomcast.trust_proxy')!],
  ['tls-cert', { read: readPem, option: 'tls.certFlag', rivals: ['tls.cert'] }],
  ['tls-key', { read: readPem, option: 'tls.keyFlag', rivals: ['tls.key'] }],
  ['log-level', KEYS.get('roomcast.log_level')!],
  ['log-format', KEYS.get('roomcast.log_format')!],
  ...LIMIT_NAMES.map((name): [string, Key] => [
    flagOf(name),
    { read: readCount(LIMITS[name].least, LIMITS[name].most), option: name },
  ]),
])
