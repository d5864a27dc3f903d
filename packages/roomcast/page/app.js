// The page itself: which rooms are open, which of them is in front, and what the controls do.

import { showCode, showToken } from './code.js'
import { Connection } from './connection.js'
import { $, element, plural, randomId, setText } from './dom.js'
import { givenName } from './members.js'
import { createName } from './name.js'
import { showMembers } from './people.js'
import { fit, put } from './places.js'
import { Room } from './room.js'
import { Session } from './session.js'
import { createStatus } from './status.js'
import { asksForToken } from './words.js'

const session = new Session()
const rooms = new Map()
let current

const address = new URL('connection/websocket', new URL('./', location.href))
address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:'
const connection = new Connection(address.href, {
  state(state, code) {
    if (state === 'open') session.addClient(connection.id)
    if (state === 'stopped') stopped(code)
    status.show(state, code)
    if (current) showMembers(current, connection.id)
  },
  failed: (code) => status.failed(code),
})
const status = createStatus(connection, () => [...rooms.values()].reduce((sum, { outbox }) => sum + outbox.count, 0))
const nameField = createName(session, () => {
  for (const room of rooms.values()) room.rename()
})
const on = {
  refused,
  news,
  members: (room) => room === current && showMembers(room, connection.id),
  me(info) {
    session.given = givenName(info)
    nameField.show()
  },
}

/** The next token may be another person's. */
function stopped(code) {
  session.given = undefined
  nameField.show()
  if (!asksForToken(code)) return
  showToken()
  nameField.tokenAsked()
}

// --- rooms ----------------------------------------------------------------------------------------------------------

function join(name) {
  if (!rooms.has(name)) add(name)
  open(rooms.get(name))
}

function add(name) {
  const room = new Room(name, { connection, session, on })
  room.log.onFollow = () => read(room)
  room.item = element('li')
  room.tab = element('button', 'tab')
  room.tab.type = 'button'
  room.tab.title = name
  room.tab.onclick = () => {
    open(room)
    closeDrawers()
  }
  room.tab.append(element('span', 'tab-name', name), element('span', 'badge'))
  room.item.append(room.tab)
  rooms.set(name, room)
  $('rooms').append(room.item)
  $('logs').append(room.log.root)
  room.join()
}

/** A room that never was is forgotten, and its name stays in the form to be put right. */
function refused(room, text) {
  if (rooms.get(room.name) !== room) return
  forget(room)
  if (current && $('side').popover) $('side').showPopover()
  $('join-name').value = room.name
  $('join-name').focus()
  setText($('join-error'), text)
}

function leave(room) {
  const { count } = room.outbox
  if (count && !confirm(`${plural(count, 'message')} of yours did not arrive. Leave all the same?`)) return
  forget(room)
  session.setUnsent(room.name, [])
  closeDrawers()
  const next = current?.tab ?? $('join-name')
  next.focus()
}

function forget(room) {
  room.leave()
  rooms.delete(room.name)
  room.item.remove()
  room.log.root.remove()
  if (current === room) open([...rooms.values()].at(-1))
  keepRooms()
}

/** Brings a room to the front; without one, the welcome. */
function open(room) {
  if (current !== room) {
    if (current) {
      current.log.hide()
      current.tab.removeAttribute('aria-current')
    }
    current = room
    $('text').value = room ? session.draft(room.name) : ''
    warn('')
  }
  setText($('join-error'), '')
  put(room !== undefined)
  history.replaceState(null, '', room ? `#${encodeURIComponent(room.name)}` : location.pathname + location.search)
  $('room-title').textContent = room?.name ?? ''
  if (room) {
    $('text-label').textContent = `Message to ${room.name}`
    room.tab.setAttribute('aria-current', 'page')
    room.item.scrollIntoView({ block: 'nearest' })
    grow()
    room.log.show()
    if (room.log.follows) read(room)
    showMembers(room, connection.id)
  }
  showCode(room?.name)
  showUnread()
  keepRooms()
}

function keepRooms() {
  session.setRooms([...rooms.keys()], current?.name ?? '')
}

function news(room) {
  if (room !== current || document.hidden || !room.log.follows) room.unread++
  showUnread()
}

function read(room) {
  if (room !== current || document.hidden) return
  room.unread = 0
  showUnread()
}

function showUnread() {
  let total = 0
  let elsewhere = 0
  for (const room of rooms.values()) {
    const { unread, tab } = room
    total += unread
    if (room !== current) elsewhere += unread
    tab.lastElementChild.replaceChildren(...unreadOf(unread))
  }
  $('elsewhere').replaceChildren(...unreadOf(elsewhere))
  document.title = `${total ? `(${shown(total)}) ` : ''}${current ? `${current.name} · ` : ''}Roomcast`
  const isBehind = current && !current.log.follows && current.unread > 0
  $('newest').hidden = !isBehind
  if (isBehind) setText($('newest'), `↓ ${plural(current.unread, 'new message')}`)
}

function unreadOf(count) {
  return count ? [shown(count), element('span', 'sr', ' unread')] : []
}

function shown(count) {
  return count > 99 ? '99+' : `${count}`
}

function closeDrawers() {
  for (const drawer of document.querySelectorAll(':popover-open')) drawer.hidePopover()
}

function joinHash() {
  try {
    const name = decodeURIComponent(location.hash.slice(1))
    if (name) join(name)
  } catch {
    setText($('join-error'), 'What stands after # in the address is not the name of a room.')
  }
}

$('join').onsubmit = (event) => {
  event.preventDefault()
  const name = $('join-name').value.trim()
  if (!name) return setText($('join-error'), 'Type the name of a room.')
  $('join-name').value = ''
  join(name)
  closeDrawers()
  $('text').focus()
}
$('leave').onclick = () => leave(current)
$('newest').onclick = () => {
  current.log.toEnd()
  read(current)
  $('text').focus()
}
// Not by the link itself: what stands after # in the address is the room.
$('skip').onclick = (event) => {
  event.preventDefault()
  $('main').focus()
}
addEventListener('hashchange', joinHash)
// A network may go without a word while nobody looks: phones sleep, laptops move.
document.addEventListener('visibilitychange', () => {
  if (document.hidden) return
  void connection.doubt()
  if (current?.log.follows) read(current)
})

// --- messages -------------------------------------------------------------------------------------------------------

$('composer').onsubmit = (event) => {
  event.preventDefault()
  const text = $('text').value.trim()
  if (!text) return
  if (current.outbox.isFull)
    return warn(`${plural(current.outbox.count, 'message')} wait to be sent. Let some of them go first.`)
  warn('')
  current.say({ name: session.shownName, text, id: randomId(), at: Date.now() })
  $('text').value = ''
  session.setDraft(current.name, '')
  grow()
}
$('text').onkeydown = (event) => {
  // isComposing: Enter also picks a word in the input methods of many languages.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  $('composer').requestSubmit()
}
$('text').oninput = () => {
  session.setDraft(current.name, $('text').value)
  grow()
}

// A reload keeps what waits; a tab that is closed does not.
addEventListener('beforeunload', (event) => {
  if ([...rooms.values()].some(({ outbox }) => outbox.count > 0)) event.preventDefault()
})

function grow() {
  $('text').style.height = 'auto'
  $('text').style.height = `${$('text').scrollHeight + 2}px`
  current?.log.keepUp()
}

function warn(text) {
  setText($('text-error'), text)
}

// --- the beginning --------------------------------------------------------------------------------------------------

fit()
connection.connect()
const last = session.current
for (const name of session.rooms) if (!rooms.has(name)) add(name)
if (rooms.has(last)) open(rooms.get(last))
else if (rooms.size > 0) open([...rooms.values()].at(-1))
else showCode(undefined)
joinHash()
// A room to begin with is proposed to those who have none.
if (current) $('join-name').value = ''
