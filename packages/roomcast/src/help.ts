// What --help prints.

import { DEFAULT_PREFIX } from './config/engine.ts'
import { flagOf, LIMIT_NAMES, LIMITS } from './limits.ts'
import { DEFAULT_PORT } from './options.ts'

const WIDTH = 40

function limitLine(name: keyof typeof LIMITS): string {
  const { what, default: standard } = LIMITS[name]
  return `  ${`--${flagOf(name)} <number>`.padEnd(WIDTH)} ${what} (default: ${Number.isFinite(standard) ? standard : 'no limit'})`
}

export const HELP: string = `Usage: roomcast [options]
       roomcast check-config <file>
       roomcast top [--interval <seconds>] [--once]
       roomcast tail <room> [--jwt <token>]
       roomcast publish <room> <json>
       roomcast gen-token [--config <file>] --user <id> [--channel <room>] [--ttl <duration>]

Rooms over WebSockets for the SDKs of Centrifugo and for a JSON protocol of its own, an HTTP API, and a page to try them.

top, tail and publish ask a running server: --url <url> (default: the one that --config and the variables say), with its
key (--http_api.key, --token).

  --config <file>               settings as JSON, in the words of Centrifugo (client.token.hmac_secret_key,
                                channel.namespaces and so on); each is a flag, too: --client.channel_limit 50
  --port <number>               port to listen on; 0 takes a free one (default ${DEFAULT_PORT})
  --host <address>              address to listen on (default: 127.0.0.1 and ::1, for this machine only; any other asks
                                for a decision over who may connect, such as a token key or one of the next two)
  --insecure                    everybody who reaches the server may connect, join and say
  --allow-anonymous-connect-without-token
                                clients without a token may connect; namespaces say what they may do
  --token <secret>              secret of POST /channels/<name> (default: a random one, printed at start)
  --http_api.key <secret>       key of POST /api/<method>; without one nobody may
  --origin <origin>             who may connect from a browser: same (default), any, or an origin such as
                                https://chat.example or capacitor://localhost, or null; may be repeated, or a list
                                with commas
  --trust-proxy <proxies>       how many proxies are before it on every way, or their addresses and CIDR ranges with commas:
                                their X-Forwarded-For is believed (default: none)
  --redis-url <url>             Redis that keeps rooms and carries messages to other servers, redis:// or rediss:// or the
                                path of a Unix socket (variable: REDIS_URL; default: this server stands alone)
  --prefix <name>               what the names of its Redis channels and keys begin with; servers with the same one share
                                their rooms (default ${DEFAULT_PREFIX})
  --require-redis               no start without that Redis
  --readiness <local|store>     local: /readyz stays green when Redis is lost (default: store)
  --tls-cert <pem>, --tls-key <pem>
                                certificate and key, or the paths of their files: for https and wss
  --metrics-key <secret>        key of GET /metrics; without one it answers programs on this machine alone
  --log-level <level>           error, warn or info (default info)
  --log-format <format>         pretty or json (default pretty)
  --version                     print the version
  --help                        print this

Limits:
${LIMIT_NAMES.map(limitLine).join('\n')}

Every option can be given as a variable too: ROOMCAST_PORT (or PORT), ROOMCAST_CONFIG, ROOMCAST_INSECURE=true,
ROOMCAST_CLIENT_TOKEN_HMAC_SECRET_KEY and so on. A flag wins over its variable, a variable over the file. SIGTERM,
SIGINT and SIGHUP drain and exit with 0; a second one exits at once. All settings are read at the start alone.
`
