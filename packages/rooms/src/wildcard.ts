// Names of rooms by a pattern: `*` stands for any characters, `?` for one. In steps of at most name × pattern: whoever asks
// cannot make a node think for long, as a regular expression can.

/** Does a name fit a pattern? */
export function matches(pattern: string, name: string): boolean {
  let [p, n] = [0, 0]
  /** Where the last star was, and what of the name it stands for so far. */
  let [star, taken] = [-1, 0]
  while (n < name.length) {
    if (pattern[p] === '*') {
      star = p++
      taken = n
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === name[n])) {
      p++
      n++
    } else if (star >= 0) {
      p = star + 1
      n = ++taken
    } else {
      return false
    }
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}
