// What was said in one room, as elements. Whatever comes from the network becomes text (textContent) and never markup;
// long values are cut and old messages go, so a busy room cannot fill the browser's memory.

import { clock, cut, element, shorten } from './dom.js'

const MAX_LINES = 500
const MAX_NAME = 60
const MAX_TEXT = 10_000
/** Messages of one author that follow each other within this time stand under one name. */
const TOGETHER_MS = 5 * 60_000
const COLOURS = 6
/** So near to the end counts as being there, in pixels. */
const NEAR = 48

export class Log {
  #root = element('div', 'log')
  #said = element('div', 'said')
  /** Messages of our own that the server has not taken yet: they stand below all that was said. */
  #pending = element('div', 'pending')
  #last = { author: undefined, at: 0 }
  /** Whether the newest message is in sight: then the log follows what comes. */
  #follows = true
  #top = 0
  #height = 0

  constructor(room) {
    this.#root.setAttribute('role', 'log')
    this.#root.setAttribute('aria-live', 'polite')
    this.#root.setAttribute('aria-label', `Messages in ${room}`)
    this.#root.tabIndex = 0
    this.#root.hidden = true
    const nothing = element(
      'p',
      'nothing',
      'What is said from now on stands here. Open this page in a second tab, and say something.',
    )
    this.#root.append(this.#said, this.#pending, nothing)
    this.#root.addEventListener('scroll', () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#root
      // Where the place itself shrank, nobody has scrolled.
      if (this.#root.hidden || clientHeight !== this.#height) return
      this.#top = scrollTop
      this.#follows = scrollHeight - scrollTop - clientHeight < NEAR
      if (this.#follows) this.onFollow?.()
    })
    // A banner, a keyboard, the text that is being written: whatever takes its place, the newest stays in sight.
    new ResizeObserver(() => {
      this.#height = this.#root.clientHeight
      this.keepUp()
    }).observe(this.#root)
  }

  get root() {
    return this.#root
  }

  get follows() {
    return this.#follows
  }

  show() {
    this.#root.hidden = false
    this.#root.scrollTop = this.#follows ? this.#root.scrollHeight : this.#top
  }

  hide() {
    this.#root.hidden = true
  }

  toEnd() {
    this.#follows = true
    this.#root.scrollTop = this.#root.scrollHeight
  }

  /** There is more to show, or less place for it. */
  keepUp() {
    if (this.#follows) this.#root.scrollTop = this.#root.scrollHeight
  }

  /** A screen reader need not read aloud what was said long ago. */
  quietly(act) {
    this.#root.setAttribute('aria-live', 'off')
    act()
    setTimeout(() => this.#root.setAttribute('aria-live', 'polite'), 500)
  }

  /** Adds what somebody said: `{ name, text }`, or any other JSON, shown as it is.
   * @param at when, a Date; undefined: not known. @param by what the server calls who said it; undefined: it does not know. */
  addMessage(said, { mine = false, at = new Date(), by } = {}) {
    const message = makeMessage(said, { mine, at, by })
    this.#place(message, at)
    return message
  }

  /** Adds a message of our own that is on its way; `settle` puts it among the others. */
  addPending(said) {
    const message = makeMessage(said, { mine: true, at: new Date() })
    message.classList.add('unsettled')
    this.#pending.append(message)
    this.keepUp()
    return message
  }

  /** What the room was given may be other than what was sent: a server may put the name of the user to it, or cut the text. */
  amend(message, said) {
    const given = makeMessage(said, { mine: true, at: undefined })
    for (const part of ['.author', '.text']) {
      if (given.querySelector(part).textContent === message.querySelector(part).textContent) continue
      message.querySelector(part).replaceWith(given.querySelector(part))
    }
    if (this.isLast(message)) this.#last.author = given.dataset.author
    message.dataset.author = given.dataset.author
  }

  /** The server has it. */
  settle(message) {
    message.querySelector('.fate')?.remove()
    message.classList.remove('unsettled')
    message.dataset.fate = 'delivered'
    this.#place(message, new Date())
  }

  /** Says under a message of one's own what became of it. */
  setFate(message, text, { kind, button }) {
    message.querySelector('.fate')?.remove()
    message.dataset.fate = kind
    const fate = element('p', `fate ${kind}`, text)
    fate.dataset.testid = 'fate'
    if (kind === 'sending') fate.ariaLive = 'off'
    if (button) fate.append(' ', button)
    message.append(fate)
    this.keepUp()
  }

  /** Adds a line about the room itself. @param kind 'event', or 'divider': where something begins. */
  addEvent(text, { kind = 'event', isNew = false } = {}) {
    const line = element('p', `event${kind === 'event' ? '' : ` ${kind}`}${isNew ? ' new' : ''}`)
    line.append(element('span', '', text))
    this.#last.author = undefined
    this.#append(line)
    return line
  }

  /** Is it the last line? */
  isLast(line) {
    return this.#said.lastElementChild === line
  }

  #place(message, at) {
    const time = at?.getTime() ?? 0
    const { author } = message.dataset
    if (this.#last.author === author && time - this.#last.at < TOGETHER_MS) message.classList.add('follow')
    this.#last = { author, at: time }
    this.#append(message)
  }

  #append(child) {
    this.#said.append(child)
    while (this.#said.childElementCount > MAX_LINES) {
      this.#said.firstElementChild.remove()
      // Its author and time stood on the line that is gone.
      this.#said.firstElementChild.classList.remove('follow')
    }
    this.keepUp()
  }
}

function makeMessage(said, { mine, at, by }) {
  const isChat = typeof said?.name === 'string' && typeof said.text === 'string'
  const author = isChat ? shorten(said.name.trim() || 'nameless', MAX_NAME) : 'JSON'
  const text = cut(isChat ? said.text : JSON.stringify(said, null, 1), MAX_TEXT)
  const message = element('div', `message${mine ? ' mine' : ''}`)
  message.dataset.testid = 'message'
  // A name in a message is what its author wrote there; whom the server knows by another is named beside it.
  const sender = mine || by === author ? undefined : by
  message.dataset.author = JSON.stringify([mine, isChat, author, sender])
  const line = element('p', 'byline')
  // <bdi>: a name with right-to-left characters must not reorder what stands beside it.
  line.append(element('bdi', isChat ? `author colour-${colourOf(author)}` : 'author kind', author), ' ')
  if (mine) line.append(element('span', 'you', 'you'), ' ')
  if (sender) line.append(element('span', 'kind', 'sent by '), element('bdi', 'kind', sender), ' ')
  line.append(timeOf(at))
  const body = element('p', isChat ? 'text' : 'text json', text)
  body.dir = 'auto'
  message.append(line, body)
  return message
}

function timeOf(at) {
  const time = element('time', '', at === undefined ? 'earlier' : clock(at))
  if (at !== undefined) {
    time.dateTime = at.toISOString()
    time.title = at.toLocaleString()
  }
  return time
}

function colourOf(name) {
  let hash = 0
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) % 9973
  return hash % COLOURS
}
