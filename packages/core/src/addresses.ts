// How many places each address holds, so that one client cannot take them all. Counted only where a limit is set.

/** The account of one server. */
export class AddressCounts {
  readonly #max: number
  readonly #counts = new Map<string, number>()

  constructor(max: number) {
    this.#max = max
  }

  /** Takes a place; false: this address has as many as it may. An unknown address (a unix socket) is not counted. */
  take(address: string): boolean {
    if (this.#max === Number.POSITIVE_INFINITY || address === '') return true
    const network = networkOf(address)
    const count = this.#counts.get(network) ?? 0
    if (count >= this.#max) return false
    this.#counts.set(network, count + 1)
    return true
  }

  /** Gives back a place that was taken. */
  give(address: string): void {
    const network = networkOf(address)
    const count = this.#counts.get(network) ?? 0
    if (count > 1) this.#counts.set(network, count - 1)
    else this.#counts.delete(network)
  }
}

/** An IPv4 address, or the /64 network of an IPv6 address: the least that one customer gets is all his own. */
function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [head = [], tail = []] = address.split('::').map((part) => (part === '' ? [] : part.split(':')))
  return [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail].slice(0, 4).join(':')
}
