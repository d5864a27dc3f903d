// A node as a process of its own: real channels over the real bridge, members that write down what they are given.
// It does what its parent says and ends with it.

import { openSync, writeSync } from 'node:fs'
import { createChannels } from '@roomcast/channels'
import type { Framed, Opcode, Payload, WriteResult } from '@roomcast/core'
import { createRedisBridge } from '@roomcast/redis-bridge'
import { FakeSocket, messageOf } from '../../support/fake-socket.ts'
import { type Command, clock, type NodeOptions, type NodeRecord, type NodeStats, randomOf } from './records.ts'

const TICK_MS = 10
const { name, url, prefix, file, lingerMs }: NodeOptions = JSON.parse(process.argv[2]!)
const fd = openSync(file, 'a')

/** At once, so that what was written outlives a kill. */
function write(record: NodeRecord): void {
  writeSync(fd, `${JSON.stringify(record)}\n`)
}

/** A member of one channel. */
class Member extends FakeSocket<string> {
  override write(data: Payload | Framed, opcode?: Opcode): WriteResult {
    const result = super.write(data, opcode)
    if (result !== 'ok') return result
    const message = messageOf(this.frames.pop()!).toString()
    const [from, channel, seq] = message.split('|')
    if (from !== undefined && channel === this.state) {
      write({ what: 'delivered', at: clock(), channel, from, seq: Number(seq) })
    } else write({ what: 'stray', at: clock(), channel: this.state, bytes: message.slice(0, 80) })
    return result
  }
}

process.on('warning', (warning) => write({ what: 'warning', at: clock(), text: String(warning) }))

const onError = (): void => {}
const bridge = createRedisBridge({ url, prefix, onError, ...(lingerMs === undefined ? {} : { lingerMs }) })
const channels = createChannels<undefined, string>({ broker: bridge })
const members = new Map<string, Member>()
const published = new Map<string, number>()

channels.on('gap', (gap) => write({ what: 'gap', at: clock(), ...gap }))

let status = bridge.status
write({ what: 'status', at: clock(), status })
setInterval(() => {
  if (bridge.status === status) return
  status = bridge.status
  write({ what: 'status', at: clock(), status })
}, 5)

function publish(channel: string, bytes = 0): void {
  const seq = (published.get(channel) ?? 0) + 1
  published.set(channel, seq)
  write({ what: 'published', at: clock(), channel, seq })
  channels.broadcast(channel, `${name}|${channel}|${seq}|${'x'.repeat(bytes)}`)
}

let traffic: NodeJS.Timeout | undefined

function startTraffic(to: readonly string[], perSecond: number, seed: number): void {
  const random = randomOf(seed)
  const began = clock()
  let sent = 0
  traffic = setInterval(() => {
    // A blocked loop does not have to make up for everything at once.
    const due = Math.min(((clock() - began) * perSecond) / 1000 - sent, 200)
    for (let i = 0; i < due; ) {
      const channel = to[Math.floor(random() * to.length)]!
      const burst = random() < 0.2 ? 3 : 1
      for (let j = 0; j < burst; j++) publish(channel)
      i += burst
      sent += burst
    }
  }, TICK_MS)
}

async function perform(command: Command): Promise<NodeStats | undefined> {
  switch (command.do) {
    case 'join':
      for (const channel of command.channels) {
        if (members.has(channel)) continue
        const member = new Member(channel)
        members.set(channel, member)
        write({ what: 'joined', at: clock(), channel })
        channels.join(channel, member)
      }
      return
    case 'ready':
      await Promise.all(
        command.channels.map(async (channel) => {
          const member = members.get(channel)
          await channels.ready(channel)
          // It resolves for who left meanwhile, too, and says nothing of the next who joins.
          if (member && members.get(channel) === member) write({ what: 'ready', at: clock(), channel })
        }),
      )
      return
    case 'leave':
      for (const channel of command.channels) {
        const member = members.get(channel)
        if (!member) continue
        members.delete(channel)
        member.close()
        write({ what: 'left', at: clock(), channel })
      }
      return
    case 'traffic':
      startTraffic(command.channels, command.perSecond, command.seed)
      return
    case 'quiet':
      clearInterval(traffic)
      return
    case 'publish':
      for (let i = 0; i < command.count; i++) publish(command.channel, command.bytes)
      return
    case 'block': {
      const end = clock() + command.ms
      while (clock() < end);
      return
    }
    case 'stats': {
      const { user, system } = process.cpuUsage()
      return {
        bridge: { ...bridge.stats() },
        status: bridge.status,
        cpuMs: (user + system) / 1000,
        rssBytes: process.memoryUsage.rss(),
      }
    }
    case 'close':
      clearInterval(traffic)
      await channels.close()
      return
  }
}

process.on('message', ({ id, command }: { id: number; command: Command }) => {
  void perform(command).then(
    (value) => process.send?.({ id, value }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  )
})
// SIGTERM is how a deploy ends a node: everything published goes out first.
process.on('SIGTERM', () => {
  clearInterval(traffic)
  void channels.close().then(() => process.exit(0))
})
process.on('disconnect', () => process.exit(0))
