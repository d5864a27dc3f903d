// What was said in one channel, as elements. Whatever comes from the network becomes text (textContent) and never
// markup; long values are cut and old messages go, so a busy channel cannot fill the browser's memory.

const MAX_MESSAGES = 500
const MAX_NAME = 60
const MAX_TEXT = 10_000
/** Messages of one author that follow each other within this time stand under one name. */
const TOGETHER_MS = 5 * 60_000
const COLOURS = 6

/** Makes an element: `element('p', 'class', 'text')`. */
export function element(tag, className = '', text = '') {
  const made = document.createElement(tag)
  made.className = className
  made.textContent = text
  return made
}

export class Log {
  #root = element('div', 'log')
  #last = { author: undefined, at: 0 }
  /** Whether the newest message is in sight: then the log follows what comes. */
  #follows = true
  #top = 0

  constructor(channel) {
    this.#root.setAttribute('role', 'log')
    this.#root.setAttribute('aria-live', 'polite')
    this.#root.setAttribute('aria-label', `Messages in ${channel}`)
    this.#root.tabIndex = 0
    this.#root.hidden = true
    this.#root.addEventListener('scroll', () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#root
      if (this.#root.hidden) return
      this.#top = scrollTop
      this.#follows = scrollHeight - scrollTop - clientHeight < 48
      if (this.#follows) this.onFollow?.()
    })
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

  /** Adds what somebody said: `{ name, text }`, or any other JSON, shown as it is.
   * @returns the element, for `setFate`. */
  addMessage(said, { mine = false } = {}) {
    const isChat = typeof said?.name === 'string' && typeof said.text === 'string'
    const author = isChat ? cut(said.name.trim() || 'nameless', MAX_NAME) : 'JSON'
    const text = cut(isChat ? said.text : JSON.stringify(said, null, 1), MAX_TEXT)
    const message = element('div', `message${mine ? ' mine' : ''}`)
    message.dataset.testid = 'message'
    message.append(this.#byline(author, { mine, isChat, message }), element('p', isChat ? 'text' : 'text json', text))
    message.lastElementChild.dir = 'auto'
    this.#append(message)
    return message
  }

  /** Adds a line about the channel itself. */
  addEvent(text) {
    this.#last.author = undefined
    this.#append(element('p', 'event', text))
  }

  /** Says under a message of one's own what became of it. `unsettled` messages stay, however old they are. */
  setFate(message, text, { kind = '', button } = {}) {
    message.querySelector('.fate')?.remove()
    message.classList.toggle('unsettled', kind !== '')
    const fate = element('p', `fate ${kind}`, text)
    fate.dataset.testid = 'fate'
    // What went well need not be read aloud.
    if (kind === '' || kind === 'sending') fate.ariaLive = 'off'
    if (button) fate.append(' ', button)
    message.append(fate)
    this.#keepUp()
  }

  #byline(author, { mine, isChat, message }) {
    const now = new Date()
    const key = `${mine}${isChat}${author}`
    if (this.#last.author === key && now - this.#last.at < TOGETHER_MS) message.classList.add('follow')
    this.#last = { author: key, at: now }
    const line = element('p', 'byline')
    const time = element('time', '', now.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }))
    time.dateTime = now.toISOString()
    time.title = now.toLocaleString()
    // <bdi>: a name with right-to-left characters must not reorder what stands beside it.
    line.append(element('bdi', isChat ? `author colour-${colourOf(author)}` : 'author', author), ' ')
    if (mine) line.append(element('span', 'you', 'you'), ' ')
    line.append(time)
    return line
  }

  #append(child) {
    this.#root.append(child)
    if (this.#root.childElementCount > MAX_MESSAGES) this.#root.querySelector(':scope > :not(.unsettled)')?.remove()
    this.#keepUp()
  }

  #keepUp() {
    if (this.#follows) this.#root.scrollTop = this.#root.scrollHeight
  }
}

function cut(text, length) {
  if (text.length <= length) return text
  return `${text.slice(0, length)}… (${text.length - length} more characters)`
}

function colourOf(name) {
  let hash = 0
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) % 9973
  return hash % COLOURS
}
