// What real clients sent, as it was recorded on loopback: whole sessions after the handshake, in hexadecimal, and the heads
// of their handshakes. Each client sent text, binary, an empty message and a Close, and answered a ping; the two that can
// also pinged and sent messages in fragments. This is what the fuzzer starts from.

import { Buffer } from 'node:buffer'

/** A session: the client, whether permessage-deflate was negotiated, and its bytes. */
export interface Session {
  readonly client: string
  readonly deflate: boolean
  readonly wire: Buffer
}

function session(client: string, lines: readonly string[], deflate = false): Session {
  return { client, deflate, wire: Buffer.from(lines.join(''), 'hex') }
}

export const SESSIONS: readonly Session[] = [
  session('ws 8.23', [
    '8a83542fcc3b354daf81851f1822d7577d4ebb7081801123b54e818f22907accec2ab540ed13b470ec255a3cbd34c282e4d9',
    '68db5bd969d958dd6ddd5cd161d150d565d554c979c948cd7dcd4cc171c140c575c544f949f978fd4dfd7cf141f170f545f5',
    '74e959e968ed5ded6ce151e160e555e564992999189d2d9d1c9121911095259514893989088d3d8d0c8131810085358504b9',
    '09b938898d4f6c60cf2e1e05ef360315ef3b0405bd2a8a80e58a7239018476b1dea710c3bfc08980cc2cbf120084a0acc481',
    'cdc9aaf58080eacdeffe82fe008c4bf07896338800ee338800ee338800ee338800ee338800ee338800ee338800ee338800ee',
    '338800ee338800ee338800ee338800ee338800ee338800ee338800ee338800ee338800ee338800ee338800ee338800ee3388',
    '00ee338800ee338800ee338800ee338800ee338800ee338800ee338800ee338800ee338800ee338800ee338800ee338800ee',
    '338800ee338800ee88851466ef1c178e8d6571',
  ]),
  session('undici 7.30', [
    '8185a1f84e2ae99d2246ce81807b0a40e08198d05f744eab7d1e21b9315674f2331b2cb2265662f22d1128f2654533818d8d',
    '0390eee5c03982e16cb00a3595777b0182bc48f3073d2c96615a209a6d56249e69523882754e3c86714a308a7d46348e7942',
    'c87285becc7681bac07a8db6c47e89b2d86295aedc6691aad06a9da6d46e99a28a83e2c8243183aa478886b6e301c1bd5b65',
    'aed886',
  ]),
  session('Chromium', [
    '8185d7d2b0659fb7dc09b881a8751586950e37f5f40c37bcb71d7ca665ea840db75937f2fa572fa4f91a77e4ec5739a4e710',
    '73a4af5774a4e881809812d10b82fe0082c78bd97ac78adb79c38edf7dcf82d371cb86d775d79acb69d39ecf6ddf92c361db',
    '96c765e7aafb59e3aeff5defa2f351eba6f755f7baeb49f3beef4dffb2e341fbb6e74587ca9b3983ce9f3d8fc293318bc697',
    '3597da8b2993de8f2d9fd283219bd68725a7eabb19a3eebf1dafe2b311abe6b715b7faab09b3feaf0dbff2a301bbf6a70547',
    '0a81fe008c9bc1691c587daaa0587daaa0587daaa0587daaa0587daaa0587daaa0587daaa0587daaa0587daaa0587daaa058',
    '7daaa0587daaa0587daaa0587daaa0587daaa0587daaa0587daaa0587daaa0587daaa0587daaa0587daaa0587daaa0587daa',
    'a0587daaa0587daaa0587daaa0587daaa0587daaa0587daaa0587daaa0587daaa0587daaa0587daaa0587daaa0587daaa08a',
    '839aa5ec4ffbc78f888a97eb05d0846c51a3f483c66c5474',
  ]),
  session('Python websockets 10.4', [
    '8a834ebd66ef2fdf0581856e23a6102646ca7c0182834ba0d6dd4ba1290184820c2462e47e45050084de26761bb343186f00',
    '822915f9d2eabc80803e9ccda002819c6d00be9d00803711653e00814fa6b4fb4d808026eff88a89842799d0d646fbb3b281',
    'fe007e3af836cb42804eb342804eb342804eb342804eb342804eb342804eb342804eb342804eb342804eb342804eb342804e',
    'b342804eb342804eb342804eb342804eb342804eb342804eb342804eb342804eb342804eb342804eb342804eb342804eb342',
    '804eb342804eb342804eb342804eb342804eb342804eb342804eb342804eb342808887235669e820bf0e874a380e',
  ]),
  session(
    'ws 8.23',
    [
      '8a83e63c2d26875e4ec187f592e2c607da2f0f3c95e2c181002f8c0500c193770bd9074dbc327bb8f23f740cc5b4528f3ba6',
      'ce790bd9c2e635c4dda057a4b9c253a5b8c3d2243942d325384322d4c9b223d5c8b3a2544932a3554833629489f2639588f3',
      'e2140972e315087302f4e99203f5e893827469128375681342b4a9d243b5a8d3c2342952c33528533accd1aa3bcdd0abba4c',
      '512abb4d502b7a8c91ea33c4898d1416e338756486186d799618607e864a718a802b397f68418ac966e41b834dae57ce66e4',
      '1b36998980d63b19ac008a44e3a9b68eae649d45e3a9b6bb1c8081feedc45dfec286f4310c3d5e991401f4318885d9f43eee',
      'da1c5c97bc',
    ],
    true,
  ),
  session(
    'undici 7.30',
    [
      '818521b9640769dc086b4e818058c89ece8198f2508f528972e53d9b3ead68d03ce0309029ad7ed022ea34d06abe2f818d0e',
      '070cc666c4a5aa62682c22b691eb538282bc902bdbf7f44ebd90f842b19cfc46b598e05aa984e45ead80e852a18cec56a588',
      '10aa597414ae5d7018a2517c1ca6557800ba496404be4d6008b2416c0cb645688a8344ea79da25881a88865ce94fcd57512b',
      'a2328c',
    ],
    true,
  ),
  session(
    'Chromium',
    [
      '8a83fe83325f9fe151c187afd492995d9c5f5066d392c1a78c54bc562602961820000e04469ce8aebc2bdee11edaee1fb2c4',
      '27c513c0e85f684019f08d2d351c3954bcc1818e3d35e18ec2fe0084f6986a3894f80e5a90f90f5b11788eda10798fdbe188',
      '7e2ae0897f2b6108feaa6009ffaba1c83e6aa0c93f6b2148beea2049bfebc1a85e0ac0a95f0b4128de8a4029df8b81e81e4a',
      '80e91f4b01689eca00699fcbf9906632f89167337910e6b27811e7b3b9d02672b8d127733950a6f23851a7f3d9b04612d8b1',
      '47135930c6925831c79399f06e38c1885f6d2f0265d1c8f2ffec2f02888a580a04bd4b8d50ce3b62c7019b95',
    ],
    true,
  ),
  session(
    'Python websockets 10.4',
    [
      '8a83b02f4b72d14d28c18797ff073565b7cafc5ef807c285b642df0ad4222305b6418a4068d7050a439d494768d705bf9700',
      '8a25ec2ce3efa1e1c824ec2ce3da13008898aed920a212cb2098ae26df808132c1e26732428784650185e6610185849afe00',
      '85e4502df4e4502d0b1b0087dcab2f39bea92f39dc54d08081817cce89818984e8021db889607edcc1863cd2422e967a5a66',
      '3cd288870936e1a00adf86cf605886',
    ],
    true,
  ),
  session(
    'zlib, with its context kept from message to message',
    [
      'c1abd25293d4d69312ddd2729bd01207ed5444284194c6573e2969592ed10c048049d72b3d7c519f33e41346234fbca192c187d2',
      '5293d41873c9715043934185525293d4f804b99a9e89829a5293d4f23b808a915293d4dd032186b30c0086bc528185925293d4e2',
      '3ef2bdfcc284d35293d4f10cbed48882995293d49aba',
    ],
    true,
  ),
]

function head(...lines: readonly string[]): string {
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** The heads of handshakes, with the Origin that goes with a Host of localhost. */
export const HEADS: readonly string[] = [
  head(
    'GET /chat?room=lobby HTTP/1.1',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: F+C92+DcIdyaO1GOMNpN8g==',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Protocol: roomcast.v1,json',
    'Origin: http://localhost',
    'Host: localhost',
  ),
  head(
    'GET / HTTP/1.1',
    'host: localhost',
    'connection: upgrade',
    'upgrade: websocket',
    'sec-websocket-key: UTRQedPmyNiSdAdNrUT3yA==',
    'sec-websocket-version: 13',
    'sec-websocket-extensions: permessage-deflate; client_max_window_bits',
    'accept: */*',
    'accept-language: *',
    'sec-fetch-mode: websocket',
    'user-agent: undici',
    'pragma: no-cache',
    'cache-control: no-cache',
    'accept-encoding: gzip, deflate',
  ),
  head(
    'GET /page HTTP/1.1',
    'Host: localhost',
    'Connection: Upgrade',
    'Pragma: no-cache',
    'Cache-Control: no-cache',
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36',
    'Upgrade: websocket',
    'Origin: http://localhost',
    'Sec-WebSocket-Version: 13',
    'Accept-Encoding: gzip, deflate, br, zstd',
    'Accept-Language: en-US,en;q=0.9',
    'Sec-WebSocket-Key: cfCkH5GbR7ea97uF0zsZZg==',
    'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
    'Sec-WebSocket-Protocol: json',
  ),
  head(
    'GET /py HTTP/1.1',
    'Host: localhost',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Key: WKBOXlEGVMk/2VGnVRskWQ==',
    'Sec-WebSocket-Version: 13',
    'User-Agent: Python/3.11 websockets/10.4',
  ),
  head(
    'GET /chat?room=lobby HTTP/1.1',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: aOwbACTts3sSh3SEA0McPA==',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
    'Sec-WebSocket-Protocol: roomcast.v1,json',
    'Origin: http://localhost',
    'Host: localhost',
  ),
  head(
    'GET /py HTTP/1.1',
    'Host: localhost',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Key: Lb6o5sMe8zQ8jvzmxGRFIw==',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
    'User-Agent: Python/3.11 websockets/10.4',
  ),
]
