// The healthy clients beside the attacks, in a process of their own, so that an attacker's work delays nothing here. Each
// sends a numbered message every 10 ms and expects each of them back, in order; the time each took is kept.

import { WebSocket } from 'ws'

const EVERY_MS = 10
/** How long the last echoes may take. */
const PATIENCE_MS = 20_000

export interface Command {
  id: number
  what: 'start' | 'attack' | 'stop'
  port: number
}

/** `alone`, `attacked`: round trips in ms before the attack and from its beginning, 99 of 100 at most. */
export interface Account {
  sent: number
  received: number
  alone: number
  attacked: number
  /** What ended the connection, if it was not us. */
  lost: string
}

const clients = new Map<number, Client>()

class Client {
  readonly #socket: WebSocket
  readonly #sentAt: number[] = []
  #received = 0
  #times: number[] = []
  #alone = 0
  #timer: NodeJS.Timeout | undefined
  #lost = ''
  #all = (): void => {}

  constructor(port: number) {
    this.#socket = new WebSocket(`ws://127.0.0.1:${port}/bystander`)
    this.#socket.on('message', (data) => {
      if (`${data}` !== `n${this.#received}`) this.#lost ||= `expected n${this.#received}, got ${data}`
      this.#times.push(performance.now() - this.#sentAt[this.#received++]!)
      if (this.#received === this.#sentAt.length) this.#all()
    })
    this.#socket.on('error', (error) => (this.#lost ||= `${error}`))
    this.#socket.on('close', (code) => {
      this.#lost ||= `closed with ${code}`
      this.#all()
    })
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.once('open', resolve)
      this.#socket.once('error', reject)
    })
    this.#timer = setInterval(() => {
      if (this.#socket.readyState !== WebSocket.OPEN) return
      this.#sentAt.push(performance.now())
      this.#socket.send(`n${this.#sentAt.length - 1}`)
    }, EVERY_MS)
  }

  attack(): void {
    this.#alone = p99(this.#times)
    this.#times = []
  }

  async stop(): Promise<Account> {
    clearInterval(this.#timer)
    if (this.#lost === '' && this.#received < this.#sentAt.length) {
      await Promise.race([
        new Promise<void>((resolve) => (this.#all = resolve)),
        new Promise((resolve) => setTimeout(resolve, PATIENCE_MS).unref()),
      ])
    }
    const account = {
      sent: this.#sentAt.length,
      received: this.#received,
      alone: this.#alone,
      attacked: p99(this.#times),
      lost: this.#lost,
    }
    this.#socket.terminate()
    return account
  }
}

function p99(times: number[]): number {
  const sorted = times.toSorted((a, b) => a - b)
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0
}

async function obey({ id, what, port }: Command): Promise<Account | null> {
  if (what === 'start') {
    const client = new Client(port)
    clients.set(id, client)
    await client.open()
    return null
  }
  const client = clients.get(id)!
  if (what === 'stop') {
    clients.delete(id)
    return client.stop()
  }
  client.attack()
  return null
}

process.on('message', (command: Command) => {
  obey(command).then(
    (account) => process.send?.({ id: command.id, account }),
    (error: unknown) => process.send?.({ id: command.id, error: `${error}` }),
  )
})
process.on('disconnect', () => process.exit())
