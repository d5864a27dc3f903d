// Many come back at once, and missed the same: rooms give them one list of bodies, and what one format made of it is there for
// the next of them. It goes with the list, so that nothing of a room that is gone, or of a long history, stays in memory.

/** Remembers what was made of one list, the last.
 * @param make the list is not changed afterwards. */
export function ofLastBodies<B, T>(make: (bodies: readonly B[]) => T): (bodies: readonly B[]) => T {
  let last = new WeakMap<readonly B[], { readonly made: T }>()
  return (bodies) => {
    let known = last.get(bodies)
    if (known === undefined) {
      known = { made: make(bodies) }
      last = new WeakMap([[bodies, known]])
    }
    return known.made
  }
}
