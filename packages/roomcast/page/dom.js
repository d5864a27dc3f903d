// Small things that every part of the page uses: elements, texts, times, counts.

export const $ = (id) => document.getElementById(id)

/** Makes an element: `element('p', 'class', 'text')`. Text is never markup. */
export function element(tag, className = '', text = '') {
  const made = document.createElement(tag)
  made.className = className
  made.textContent = text
  return made
}

/** Live regions speak whenever their text is set, even to what it was. */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text
}

export function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** Hours and minutes; with the day when it is another. */
export function clock(date = new Date()) {
  const time = { hour: '2-digit', minute: '2-digit' }
  const isToday = date.toDateString() === new Date().toDateString()
  return date.toLocaleString([], isToday ? time : { ...time, month: 'short', day: 'numeric' })
}

/** Random bits in hex. Not crypto.randomUUID: over plain HTTP a browser has it on localhost only. */
export function randomId(bytes = 12) {
  const drawn = crypto.getRandomValues(new Uint8Array(bytes))
  return Array.from(drawn, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export function cut(text, length) {
  if (text.length <= length) return text
  return `${text.slice(0, length)}… (${plural(text.length - length, 'more character')})`
}

/** For names, of which the beginning is enough. */
export function shorten(text, length) {
  return text.length <= length ? text : `${text.slice(0, length)}…`
}
