// A client that behaves, on every place all the time: what it says must come back, whatever the others do.

import { setTimeout as wait } from 'node:timers/promises'
import { clientFrame, Op } from '../support/client-frames.ts'
import { Peer } from './peer.ts'
import { type Address, nameOf, type Place } from './place.ts'
import { Requests } from './requests.ts'

const PAUSE_MS = 100

export class Bystander {
  readonly #peer: Peer
  readonly #name: string
  #said = 0
  #stopped = false
  #talk: Promise<void> = Promise.resolve()
  /** What went wrong first; null: nothing. */
  wrong: string | null = null

  private constructor(peer: Peer, name: string) {
    this.#peer = peer
    this.#name = name
  }

  /** @param n its number, below zero. */
  static async connect(place: Place, address: Address, n: number): Promise<Bystander> {
    const peer = await Peer.connect(address, place.endpoint === 'tls' ? 'tls' : 'plain')
    peer.write(new Requests(n).upgrade())
    await peer.expect(101)
    const bystander = new Bystander(peer, nameOf(place))
    bystander.#talk = bystander.#keepTalking()
    return bystander
  }

  /** Says one thing more, now, and waits for it. */
  async check(): Promise<void> {
    this.#stopped = true
    await this.#talk
    await this.#say()
    this.#stopped = false
    this.#talk = this.#keepTalking()
  }

  async end(): Promise<void> {
    this.#stopped = true
    await this.#talk
    await this.#peer.reset()
  }

  async #keepTalking(): Promise<void> {
    while (!this.#stopped && this.wrong === null) {
      await this.#say()
      await wait(PAUSE_MS)
    }
  }

  async #say(): Promise<void> {
    const payload = `bystander ${this.#said++}`
    // A ping may have come right behind it.
    const heard = (): boolean => this.#peer.frames.some((frame) => frame.payload.toString() === payload)
    this.#peer.frames.length = 0
    this.#peer.write(clientFrame({ opcode: Op.TEXT, payload }))
    try {
      await this.#peer.until(heard, `the echo of ${this.#name}’s bystander`)
    } catch (error) {
      this.wrong ??= (error as Error).message
    }
  }
}
