// Text that others sent, for a terminal. There some characters are commands (they colour, erase, go back, or name the window),
// some end a line for those who read it, and some turn the order of what is shown around: such a line could say what it
// likes, or seem to be two.

/** C0 but for the end of a line, DEL, C1 (0x9b alone begins a command), the line ends of Unicode, and the marks that change the
 * direction of writing. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
const COMMANDS = /[\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** The same text with each of them as `\u009b`. Ends of lines (`\n`) stay. What was JSON is the same JSON: there such
 * characters are in strings alone, but for white space, which has to be taken out before. */
export function printable(text: string): string {
  return text.replace(COMMANDS, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
