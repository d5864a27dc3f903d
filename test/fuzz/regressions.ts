// Inputs by name that a run found: with a fault that was there, or with one put in on purpose to see it found. The tests try
// every one of them, cut at every place. A failing run prints the row to add.

/** For the target `frames`. */
export const FRAMES: readonly {
  name: string
  wire: string
  maxMessageBytes: number
  deflate: boolean
  closeFirst: boolean
}[] = [
  {
    name: 'the key goes on over a cut payload',
    wire: '8882a1b2c3d4a244',
    maxMessageBytes: 1048576,
    deflate: false,
    closeFirst: false,
  },
  {
    name: 'a header that was cut',
    wire: '8198d05f744eab7d1e21b9315674f2331b2cb2265662f22d1128f2654533',
    maxMessageBytes: 400,
    deflate: false,
    closeFirst: false,
  },
  {
    name: 'the sum of fragments, not each of them',
    wire: '0284b6e301c1bd5b65ae0082',
    maxMessageBytes: 5,
    deflate: false,
    closeFirst: false,
  },
  {
    name: '125 bytes in 16 bits, from the header alone',
    wire: '81fe007d',
    maxMessageBytes: 1048576,
    deflate: false,
    closeFirst: false,
  },
  {
    name: '65,535 bytes in 64 bits, from the header alone',
    wire: '41ff000000000000ffff',
    maxMessageBytes: 1048576,
    deflate: true,
    closeFirst: false,
  },
  {
    name: 'a length of 2^63',
    wire: '81ff8000000000009bc1',
    maxMessageBytes: 1048576,
    deflate: false,
    closeFirst: false,
  },
  {
    name: 'a control frame of 126 bytes, from its second byte',
    wire: '8afe',
    maxMessageBytes: 1048576,
    deflate: false,
    closeFirst: false,
  },
  {
    name: 'a message inside a message',
    wire: '01807b0a40e081d0',
    maxMessageBytes: 1048576,
    deflate: false,
    closeFirst: false,
  },
  {
    name: 'text that ends within a character, in its last fragment',
    wire: '818500000000656c6cf483',
    maxMessageBytes: 1048576,
    deflate: false,
    closeFirst: false,
  },
  {
    name: 'a long text cut within a character',
    wire: '81f81123b54e70d32aeaa9e01c8db8c70dd8f59b23aaa9b551f687c711f6d28a45d1b59b45d1b59b45d1b59b76e7e1bc11f6704251f6874276e7e1bc11f6e1bc11f6e1bc11f6e1bc11',
    maxMessageBytes: 126,
    deflate: false,
    closeFirst: false,
  },
  {
    name: 'an overlong form of 3 bytes',
    wire: '81838d0390ee6d9c',
    maxMessageBytes: 60,
    deflate: false,
    closeFirst: false,
  },
  {
    name: 'a surrogate, from its second byte',
    wire: '0183d05f744e3df4',
    maxMessageBytes: 60,
    deflate: false,
    closeFirst: false,
  },
  {
    name: 'beyond the last code point, from its second byte',
    wire: '0184d05f744e24cf',
    maxMessageBytes: 60,
    deflate: false,
    closeFirst: false,
  },
  { name: 'a Close of one byte', wire: '8881d4a2888923', maxMessageBytes: 60, deflate: false, closeFirst: false },
  { name: 'a Close with 1004', wire: '8882a1b2c3d4a25e', maxMessageBytes: 60, deflate: false, closeFirst: false },
  {
    name: 'a Close whose reason is not UTF-8',
    wire: '8884a1b2c3d4a25a2156',
    maxMessageBytes: 60,
    deflate: false,
    closeFirst: false,
  },
  {
    name: 'a control frame that was cut',
    wire: '8882a1b2c3d4a244',
    maxMessageBytes: 1048576,
    deflate: false,
    closeFirst: false,
  },
  {
    name: 'the answer to our Close is not answered',
    wire: '8a83e2c8243183aa478886b6e301c1bd5b65aed886',
    maxMessageBytes: 60,
    deflate: false,
    closeFirst: true,
  },
  { name: 'nothing is read after a failure', wire: '5774a4', maxMessageBytes: 400, deflate: false, closeFirst: false },
  {
    name: 'a control frame counts as no fragment',
    wire: '018476b1dea710c3bfc08980cc2cbf120084',
    maxMessageBytes: 60,
    deflate: false,
    closeFirst: false,
  },
  {
    name: 'RSV1 on a continuation',
    wire: '428784650185e6610185849afec093',
    maxMessageBytes: 1048576,
    deflate: true,
    closeFirst: false,
  },
  {
    name: 'the limit is of inflated bytes',
    wire: 'c286f4310c3d5e991401f431',
    maxMessageBytes: 60,
    deflate: true,
    closeFirst: false,
  },
  {
    name: 'long payloads are unmasked by words',
    wire: '82fe0082c78bd97ac78adb79c38edf7dcf82d371cb86d775d79acb69d39ecf6ddf92c361db96c765e7aafb59e3aeff5defa2f351eba6f755f7baeb49f3beef4dffb2e341fbb6e74587ca9b3983ce9f3d8fc293318bc6973597da8b2993de8f2d9fd283219bd68725a7eabb19a3eebf1dafe2b311abe6b715b7faab09b3feaf0dbff2a301bbf6a705470a',
    maxMessageBytes: 400,
    deflate: false,
    closeFirst: false,
  },
]

/** For the targets `heads` and `wire-heads`: the head's bytes. */
export const HEADS: readonly { name: string; head: string }[] = [
  {
    name: 'a byte after the head is a frame’s, not the head’s',
    head: '474554202f20485454502f312e310d0a486f73743a206c6f63616c686f73740d0a557067726164653a20776562736f636b65740d0a436f6e6e656374696f6e3a20557067726164650d0a5365632d576562536f636b65742d56657273696f6e3a2031330d0a5365632d576562536f636b65742d4b65793a206447686c49484e68625842735a5342756232356a5a513d3d0d0a0d0a0a0d0a',
  },
  {
    name: 'a key with a bit to spare',
    head: '474554202f20485454502f312e310d0a486f73743a206c6f63616c686f73740d0a557067726164653a20776562736f636b65740d0a436f6e6e656374696f6e3a20557067726164650d0a5365632d576562536f636b65742d56657273696f6e3a2031330d0a5365632d576562536f636b65742d4b65793a206447686c49484e68625842735a5342756232356a5a523d3d0d0a0d0a',
  },
  {
    name: 'a byte over 0x7F in the target',
    head: '474554202fa020485454502f312e310d0a486f73743a206c6f63616c686f73740d0a557067726164653a20776562736f636b65740d0a436f6e6e656374696f6e3a20557067726164650d0a5365632d576562536f636b65742d56657273696f6e3a2031330d0a5365632d576562536f636b65742d4b65793a206447686c49484e68625842735a5342756232356a5a513d3d0d0a0d0a',
  },
  {
    name: 'bytes behind a request that is no upgrade get no answer of their own',
    head: '474554202f20485454502f312e310d0a486f73743a206c6f63616c686f73740d0a0d0a',
  },
  {
    name: 'Expect behind no upgrade: one answer',
    head: '474554202f20485454502f312e310d0a486f73743a206c6f63616c686f73740d0a4578706563743a203130302d636f6e74696e75650d0a0d0a',
  },
  {
    name: 'an expectation that node does not know',
    head: '474554202f20485454502f312e310d0a486f73743a206c6f63616c686f73740d0a4578706563743a20780d0a0d0a',
  },
]

/** For the target `header-values`. */
export const HEADERS: readonly { name: string; value: string }[] = [
  { name: 'an equals sign is in no token', value: 'a=b' },
  { name: 'a quoted value is a token without its quotes', value: 'permessage-deflate; server_max_window_bits="\\9"' },
  { name: 'a comma in quotes ends nothing', value: 'a; b="c,d"' },
]
