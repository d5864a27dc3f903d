// Certificates and keys, of this server and for its Redis: what is wrong with them, before anything is started.

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'

/** What https and wss need, in PEM. */
export interface Tls {
  cert: string
  key: string
  /** Clients need a certificate of it. */
  ca?: string | undefined
}

/** Checks that they can be used together. What OpenSSL says of a wrong key is not for a line.
 * @param where what they are called, in an error.
 * @throws RangeError that says which of them is wrong. */
export function checkTls({ cert, key, ca }: Partial<Tls>, where = 'tls: '): void {
  if ((cert === undefined) !== (key === undefined)) throw new RangeError(`${where}cert and key go together`)
  if (cert !== undefined && key !== undefined) checkPair(cert, key, where)
  if (ca !== undefined && attempt(() => new X509Certificate(ca)) === undefined) {
    throw new RangeError(`${where}ca is no certificate in PEM`)
  }
  const given = Object.entries({ cert, key, ca }).filter(([, pem]) => pem !== undefined)
  if (attempt(() => createSecureContext(Object.fromEntries(given))) === undefined) {
    throw new RangeError(`${where}cert, key and ca cannot be used together, or are too weak`)
  }
}

function checkPair(cert: string, key: string, where: string): void {
  const certificate = attempt(() => new X509Certificate(cert))
  if (certificate === undefined) throw new RangeError(`${where}cert is no certificate in PEM`)
  if (/^-----BEGIN ENCRYPTED |^Proc-Type: 4,ENCRYPTED/m.test(key)) {
    throw new RangeError(`${where}key is encrypted; write it without its passphrase`)
  }
  const secret = attempt(() => createPrivateKey(key))
  if (secret === undefined) throw new RangeError(`${where}key is no private key in PEM`)
  if (!certificate.checkPrivateKey(secret)) throw new RangeError(`${where}key is not that of the certificate`)
}

/** Why clients will not take a certificate now, in words; undefined: its dates are right.
 * @param now in ms since 1970. */
export function untimelyCertificate(cert: string, now: number): string | undefined {
  const certificate = attempt(() => new X509Certificate(cert))
  if (certificate === undefined) return undefined
  const { validFrom, validTo } = certificate
  if (Date.parse(validTo) < now) return `the certificate expired: ${validTo}`
  return Date.parse(validFrom) > now ? `the certificate is not valid yet: ${validFrom}` : undefined
}

function attempt<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}
