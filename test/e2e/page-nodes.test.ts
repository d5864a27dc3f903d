// The page behind two servers with one Redis: one of them dies, and the conversation goes on at the other.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { start } from '../roomcast/program.ts'
import { describeRedis, RedisServer } from '../support/redis.ts'
import { connected, delivered, describeBrowser, event, message, say, texts } from './stage.ts'
import { Way } from './way.ts'

const EVERYTHING = ['subscribe', 'publish', 'presence', 'history']
const CONFIG = {
  client: { allow_anonymous_connect_without_token: true },
  channel: {
    without_namespace: {
      presence: true,
      join_leave: true,
      history_size: 100,
      history_ttl: '600s',
      ...Object.fromEntries(
        EVERYTHING.flatMap((deed) => [
          [`allow_${deed}_for_client`, true],
          [`allow_${deed}_for_anonymous`, true],
        ]),
      ),
    },
  },
}

describeRedis('the page on two nodes', () => {
  describeBrowser('with a browser', (stage) => {
    let redis: RedisServer
    let folder: string
    beforeAll(async () => {
      redis = await RedisServer.start()
      folder = mkdtempSync(join(tmpdir(), 'roomcast-page-'))
      writeFileSync(join(folder, 'config.json'), JSON.stringify(CONFIG))
    })
    afterAll(async () => {
      await redis?.stop()
      rmSync(folder, { recursive: true, force: true })
    })
    const node = () => start(['--config', join(folder, 'config.json')], { REDIS_URL: redis.path })

    test('one is killed: the session moves, what was missed is counted and in order', async () => {
      const [one, other] = await Promise.all([node(), node()])
      const way = await Way.start(one.port)
      try {
        const leto = await stage.person('leto', `http://127.0.0.1:${way.port}/`, 'lobby')
        const ghanima = await stage.person('ghanima', `http://127.0.0.1:${other.port}/`, 'lobby')
        await say(leto, 'across')
        await message(ghanima, 'across').waitFor()
        // The demo alone shows what clients call themselves.
        await leto.getByText('Here now · 2').waitFor()

        way.to = undefined
        one.child.kill('SIGKILL')
        await connected(leto, 'waiting')
        for (const text of ['one', 'two', 'three']) {
          await say(ghanima, text)
          await delivered(ghanima, text)
        }
        await say(leto, 'from the other side')
        way.to = other.port
        await event(leto, '3 messages while you were away').waitFor()
        await delivered(leto, 'from the other side')
        await message(ghanima, 'from the other side').waitFor()
        for (const page of [leto, ghanima]) {
          await expect.poll(() => texts(page)).toEqual(['across', 'one', 'two', 'three', 'from the other side'])
        }
      } finally {
        await way.close()
      }
    }, 60_000)
  })
})
