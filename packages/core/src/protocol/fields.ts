// The shape of an options object, for a caller whose compiler does not look: a name that is passed over could be the one
// that matters.

/** Checks the names and types of what `options` holds; undefined stands for a default.
 * @param what whose options they are, in words.
 * @param types what `typeof` says of each, or `'AbortSignal'`, of any realm or library.
 * @throws TypeError for what is no object, an unknown name, or a value of another type. */
export function checkFields(what: string, options: unknown, types: Readonly<Record<string, string>>): void {
  if (typeof options !== 'object' || !options || Array.isArray(options)) throw new TypeError(`${what} takes an object`)
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(types, name)) throw new TypeError(`${what} has no option ${name}, but ${Object.keys(types)}`)
    const is = types[name] === 'AbortSignal' ? isSignal(Object(value)) : typeof value === types[name]
    if (value !== undefined && !is) throw new TypeError(`${name} must be of type ${types[name]}`)
  }
}

const isSignal = ({ aborted, addEventListener }: Partial<AbortSignal>): boolean =>
  typeof aborted === 'boolean' && typeof addEventListener === 'function'

/** Checks that a caller gave no callback or options where none are taken, so that they are not passed over in silence. What
 * else a method is given, as the listener of an event or of a signal, says nothing.
 * @throws TypeError. */
export function checkNone(what: string, given: readonly unknown[]): void {
  const isMeant = (one: unknown): boolean => typeof one === 'function' || one?.constructor === Object
  if (given.some(isMeant)) throw new TypeError(`${what} was given a callback or options that it does not take`)
}
