// Asks servers one after the other until one answers, each for a limited time: of several Sentinels, or nodes of a
// cluster, the first may take connections and never say a word.

import type { Redis } from 'ioredis'
import { Attention } from '../bus/attention.ts'
import { realClock } from '../real-clock.ts'
import { hangUp } from './connection.ts'

/** In attended time: a process that blocks as it starts has given nobody the chance to answer. */
const ANSWER_MS = 2000

/** Asks until one answers; `answered` hears the answer, or why the last one gave none. Never within the call. The function
 * returned calls it off and lets go of the connection at once. */
export function askEach<Server, Answer>(
  servers: readonly Server[],
  ask: { connect(server: Server): Redis | Promise<Redis>; question(redis: Redis, server: Server): Promise<Answer> },
  answered: (answer: Answer | Error) => void,
): () => void {
  let over = false
  let hang: (() => void) | undefined

  async function askOne(server: Server): Promise<Answer> {
    const redis = await ask.connect(server)
    if (over) throw new Error('called off')
    let lastError: Error | undefined
    let unwatch: (() => void) | undefined
    redis.on('error', (error: Error) => {
      lastError = error
    })
    try {
      return await new Promise<Answer>((resolve, reject) => {
        hang = () => reject(new Error('called off'))
        redis.once('end', () => reject(lastError ?? new Error('the connection was closed')))
        const attention = new Attention(realClock)
        unwatch = attention.watch(() => {
          if (attention.now() > ANSWER_MS) reject(new Error('no answer in time'))
        })
        redis.connect().then(
          () => ask.question(redis, server).then(resolve, reject),
          // Told by 'error' and 'end'.
          () => {},
        )
      })
    } finally {
      unwatch?.()
      hangUp(redis)
    }
  }

  async function askAll(): Promise<void> {
    let why: unknown = new Error('there is nobody to ask')
    for (const server of servers) {
      try {
        const answer = await askOne(server)
        if (!over) answered(answer)
        return
      } catch (error) {
        why = error
      }
      if (over) return
    }
    answered(why instanceof Error ? why : new Error(String(why)))
  }

  setImmediate(() => {
    if (!over) void askAll()
  })
  return () => {
    over = true
    hang?.()
  }
}
