// Origins and hosts, with the status an upgrade gets by the default `'same'`, or by the list
// `https://shop.example`, `https://admin.shop.example:8443`.

interface OriginVector {
  origin: string | null
  host: string
  allowed: 101 | 400 | 403
  listed?: true
}

const same = (host: string, allowed: 101 | 400 | 403, origins: (string | null)[]): OriginVector[] =>
  origins.map((origin) => ({ origin, host, allowed }))

const listed = (allowed: 101 | 403, origins: (string | null)[]): OriginVector[] =>
  origins.map((origin) => ({ origin, host: 'shop.example', allowed, listed: true }))

export function originVectors(): OriginVector[] {
  return [
    // TLS may end at a proxy: the scheme does not count, the port does.
    ...same('shop.example', 101, [
      null,
      'http://shop.example',
      'https://shop.example',
      'https://shop.example:443',
      'http://shop.example:80',
      'https://SHOP.example',
    ]),
    ...same('shop.example', 403, [
      'null',
      'https://evil.example',
      'https://shop.example.evil.example',
      'https://evilshop.example',
      'https://www.shop.example',
      'https://shop.exampl',
      'https://shop.example.',
      'https://shop.example:8443',
      'https://shop.example:80',
      'https://shop.example/',
      'https://shop.example/path',
      'https://shop.example?',
      'https://shop.example@evil.example',
      'https://evil.example@shop.example',
      'https://user:pass@shop.example',
      'https://shop.example#@evil.example',
      'https://shop.example\\.evil.example',
      'https://shop.example evil.example',
      'https://*.shop.example',
      'https://*',
      '*',
      'shop.example',
      '//shop.example',
      'ftp://shop.example',
      'file://shop.example',
      'javascript://shop.example',
      'chrome-extension://shop.example',
      'https:shop.example',
      'https:///shop.example',
      'https://shop%2eexample',
      'https://xn--shp-zna.example',
      'https://sh\xf6p.example',
      'undefined',
      'https://shop.example, https://evil.example',
    ]),
    ...same('shop.example:8080', 101, ['http://shop.example:8080']),
    ...same('shop.example:8080', 403, ['http://shop.example', 'http://shop.example:80', 'http://shop.example:808']),
    ...same('[::1]:8080', 101, ['http://[::1]:8080']),
    ...same('[::1]:8080', 403, [
      'http://[::1]',
      'http://[::2]:8080',
      'http://::1:8080',
      'http://[::1]:8080.evil.example',
    ]),
    ...same('xn--shp-zna.example', 101, ['https://xn--shp-zna.example']),
    ...same('user@shop.example', 400, ['https://shop.example']),
    ...same('shop.example/path', 400, ['https://shop.example']),
    ...same('shop.example:99999', 400, ['https://shop.example']),
    ...listed(101, [null, 'https://shop.example', 'https://shop.example:443', 'https://admin.shop.example:8443']),
    ...listed(403, [
      'http://shop.example',
      'https://shop.example:8443',
      'https://admin.shop.example',
      'https://admin.shop.example:84433',
      'https://evil.example',
      'null',
    ]),
  ]
}
