// Ids of publications. They are compared only under one number of one epoch, where two are rare, so they are short: one is
// kept with every publication.

/** So many have a prefix in common; with it an id has 12 characters at most. */
const IDS_PER_PREFIX = 36 ** 3

/** Makes ids.
 * @param newId makes what no other node makes: of that, 8 characters. */
export function draftIds(newId: () => string): () => string {
  let count = 0
  let prefix = ''
  return () => {
    const i = count++ % IDS_PER_PREFIX
    if (i === 0) prefix = newId().replaceAll('-', '').slice(0, 8)
    return `${prefix}.${i.toString(36)}`
  }
}
