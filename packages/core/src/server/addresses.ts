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
    return this.#max === Number.POSITIVE_INFINITY || address === '' || this.#add(address, 1)
  }

  /** Gives back a place that was taken. */
  give(address: string): void {
    if (this.#counts.size > 0) this.#add(address, -1)
  }

  #add(address: string, places: 1 | -1): boolean {
    const network = networkOf(address)
    const count = (this.#counts.get(network) ?? 0) + places
    if (count > this.#max) return false
    if (count > 0) this.#counts.set(network, count)
    else this.#counts.delete(network)
    return true
  }
}

/** An IPv4 address, or the /64 network of an IPv6 address: the least that one customer gets is all his own. */
function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [head = [], tail = []] = address.split('::').map((part) => (part === '' ? [] : part.split(':')))
  return [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail].slice(0, 4).join(':')
}
