// A client's mark on a request, given back exactly as it was written. A number of another language may have more digits
// than a double holds (an id of 64 bits), and would come back as another one once it has been parsed.

/** The ref that ends a message, as most clients write it: nothing but the message's own brace can follow. */
const AT_THE_END = /"ref"\s*:\s*(-?\d[\d.eE+-]*)\s*\}\s*$/

/** How much of the end is looked at. */
const END_LENGTH = 64

/** A string, a bracket, colon or comma, or anything else that stands alone. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:,]|[^\s"{}[\]:,]+/g

/** The number that is the `ref` of a message, as it is written there.
 * @param text JSON: an object whose `ref` is a number. */
export function numberRef(text: string): string {
  return AT_THE_END.exec(text.slice(-END_LENGTH))?.[1] ?? findRef(text)
}

function findRef(text: string): string {
  let [depth, found] = [0, '']
  let before: [key: string, colon: string] = ['', '']
  for (const [token] of text.matchAll(TOKEN)) {
    // Keys may be written with escapes; of several the last one counts.
    if (depth === 1 && before[1] === ':' && before[0].startsWith('"') && JSON.parse(before[0]) === 'ref') found = token
    if (token === '{' || token === '[') depth++
    else if (token === '}' || token === ']') depth--
    before = [before[1], token]
  }
  return found
}
