// What --help prints.

import { flagOf, LIMIT_NAMES, LIMITS } from './limits.ts'
import { DEFAULT_PORT } from './options.ts'

/** Servers with one prefix on one Redis share their rooms. */
export const DEFAULT_PREFIX = 'roomcast'

const WIDTH = 40

function limitLine(name: keyof typeof LIMITS): string {
  const { what, default: standard } = LIMITS[name]
  return `  ${`--${flagOf(name)} <number>`.padEnd(WIDTH)} ${what} (default: ${Number.isFinite(standard) ? standard : 'no limit'})`
}

export const HELP: string = `Usage: roomcast [options]

Rooms over WebSockets: a JSON protocol, an HTTP API, and a page to try them in a browser.

  --port <number>               port to listen on; 0 takes a free one (default ${DEFAULT_PORT})
  --host <address>              address to listen on (default: 127.0.0.1 and ::1, for this machine only; any other asks
                                for a decision over who may connect, such as one of the next two)
  --insecure                    everybody who reaches the server may connect, join and say
  --allow-anonymous-connect-without-token
                                clients without a token may connect (there are no tokens yet: as --insecure)
  --token <secret>              secret of POST /channels/<name> (default: a random one, printed at start)
  --origin <origin>             who may connect from a browser: same (default), any, or an origin such as
                                https://chat.example or capacitor://localhost, or null; may be repeated, or a list
                                with commas
  --redis-url <url>             Redis that carries messages to other servers, redis:// or rediss:// or the path of a
                                Unix socket (variable: REDIS_URL; default: this server stands alone)
  --prefix <name>               what the names of its Redis channels begin with; servers with the same one share
                                their rooms (default ${DEFAULT_PREFIX})
  --version                     print the version
  --help                        print this

Limits:
${LIMIT_NAMES.map(limitLine).join('\n')}

Every option can be given as a variable too: ROOMCAST_PORT (or PORT), ROOMCAST_HOST, ROOMCAST_INSECURE=true and so on.
A flag wins over its variable. SIGTERM and SIGINT drain and exit with 0; a second one exits at once.
`
