// A client of the tests: a fake socket, what it speaks, and everything it was sent.

import type { EnterResult, Member, Rooms, Since } from '@roomcast/rooms'
import { FakeSocket } from '../support/fake-socket.ts'
import { type Heard, linesCodec, type Said, type TestCodec } from './codecs.ts'

export const lines: TestCodec = linesCodec()

export class Person implements Member<string> {
  readonly socket: FakeSocket = new FakeSocket()
  readonly client: string
  readonly user: string
  readonly info: string | undefined
  readonly codec: TestCodec
  readonly commands: unknown[] = []

  constructor(client: string, { user = client, codec = lines, info = undefined as string | undefined } = {}) {
    this.client = client
    this.user = user
    this.codec = codec
    this.info = info
  }

  readonly commanded = (command: unknown): void => {
    this.commands.push(command)
  }

  enter(rooms: Rooms, room: string, since?: Since): Promise<EnterResult> {
    return rooms.enter<string>(room, this, { since, reply: (entered) => this.codec.reply(room, entered) })
  }

  get heard(): Heard[] {
    return this.socket.frames.map((frame) => this.codec.hear(frame))
  }

  /** The replies it got. */
  get replies(): (Heard & { is: 'reply' })[] {
    return this.heard.filter((one) => one.is === 'reply')
  }

  /** What was said to it, missed or live, in the order of arrival. */
  get said(): Said[] {
    return this.heard.flatMap((one) => (one.is === 'said' ? [one] : one.is === 'reply' ? one.missed : []))
  }

  get data(): string[] {
    return this.said.map(({ data }) => data)
  }
}

/** Lets everything happen that waits for nothing but promises. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
