// Certificate and key: which of them is wrong, and how, before anything is started.

import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRoomcast } from 'roomcast'
import { expect, test } from 'vitest'
import { untimelyCertificate } from '../../../packages/roomcast/src/tls.ts'
import { ROOT } from '../program.ts'

const file = (name: string): string => readFileSync(`${ROOT}test/support/tls/test-only-${name}.pem`, 'utf8')
const CERT = file('cert')
const KEY = file('key')

function newKey(passphrase?: string): string {
  const format = { type: 'pkcs8', format: 'pem', ...(passphrase && { cipher: 'aes-128-cbc', passphrase }) } as const
  const spki = { type: 'spki', format: 'pem' } as const
  const options = { namedCurve: 'P-256', publicKeyEncoding: spki, privateKeyEncoding: format }
  return generateKeyPairSync('ec', options).privateKey
}

test.each([
  [{ cert: KEY, key: KEY }, /^tls: cert is no certificate in PEM$/],
  [{ cert: CERT, key: CERT }, /^tls: key is no private key in PEM$/],
  [{ cert: CERT, key: newKey() }, /^tls: key is not that of the certificate$/],
  [{ cert: CERT, key: newKey('s3cret') }, /^tls: key is encrypted; write it without its passphrase$/],
  [
    { cert: CERT, key: '-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n' },
    /^tls: key is encrypted; write it without its passphrase$/,
  ],
  [{ cert: CERT, key: KEY, ca: KEY }, /^tls: ca is no certificate in PEM$/],
])('case %#', (tls, message) => {
  expect(() => createRoomcast({ port: 0, tls })).toThrow(RangeError)
  expect(() => createRoomcast({ port: 0, tls })).toThrow(message)
})

test('key and certificate may be in one text', async () => {
  const roomcast = createRoomcast({ port: 0, tls: { cert: KEY + CERT, key: CERT + KEY } })
  await roomcast.close()
})

test('a certificate whose time is over, or to come, is told; one that cannot be read is told by others', () => {
  const year = 365 * 86_400_000
  expect(untimelyCertificate(CERT, Date.now())).toBeUndefined()
  expect(untimelyCertificate(CERT, Date.now() + 1000 * year)).toMatch(/^the certificate expired: \w+ /)
  expect(untimelyCertificate(CERT, 0)).toMatch(/^the certificate is not valid yet: \w+ /)
  expect(untimelyCertificate('none', 0)).toBeUndefined()
})
