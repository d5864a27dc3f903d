// The page itself: which channels are open, which of them is in front, and what the controls do.

import { Connection } from './connection.js'
import { element } from './log.js'
import { Room } from './room.js'
import { errorText } from './words.js'

const $ = (id) => document.getElementById(id)
const rooms = new Map()
let current
let hasConnected = false

const address = new URL('./', location.href)
address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:'
address.hash = address.search = ''
const connection = new Connection(address.href, {
  state: showState,
  said: hear,
  error: (error) => warn(errorText(error)),
})

// --- the connection -------------------------------------------------------------------------------------------------

function showState(state, why) {
  const words = { open: 'Connected', stopped: 'Disconnected' }
  $('status').dataset.state = state === 'connecting' && hasConnected ? 'waiting' : state
  setText($('status'), words[state] ?? (hasConnected ? 'Reconnecting…' : 'Connecting…'))
  $('retry').disabled = state === 'connecting'
  if (why) setText($('banner-text'), state === 'stopped' ? why : `${why} Trying again; what you write is sent later.`)
  if (why) $('banner').hidden = false
  if (state !== 'open') {
    for (const room of rooms.values()) room.connectionLost()
    return
  }
  hasConnected = true
  $('banner').hidden = true
  $('banner-text').textContent = ''
  for (const room of rooms.values()) room.join()
}

$('retry').onclick = () => connection.connect()
addEventListener('online', () => connection.state === 'waiting' && connection.connect())

// --- channels -------------------------------------------------------------------------------------------------------

function join(name) {
  if (!rooms.has(name)) add(name)
  open(rooms.get(name))
}

function add(name) {
  const room = new Room(name, connection, { refused })
  room.log.onFollow = () => read(room)
  room.item = element('li')
  room.tab = element('button', 'tab')
  room.tab.type = 'button'
  room.tab.onclick = () => open(room)
  room.tab.append(element('span', 'tab-name', name), element('span', 'badge'))
  room.item.append(room.tab)
  rooms.set(name, room)
  $('channels').append(room.item)
  $('logs').append(room.log.root)
  if (connection.isOpen) room.join()
}

/** A channel that never was is forgotten, and its name stays in the form to be put right. */
function refused(room, error) {
  if (rooms.get(room.name) !== room) return
  forget(room)
  showJoin(true)
  $('join-name').value = room.name
  $('join-name').focus()
  setText($('join-error'), errorText(error))
}

function leave(room) {
  const { unsentCount } = room
  if (unsentCount && !confirm(`${plural(unsentCount, 'message')} of yours did not arrive. Leave all the same?`)) return
  room.leave()
  forget(room)
  const next = current?.tab ?? $('join-name')
  next.focus()
}

function forget(room) {
  rooms.delete(room.name)
  room.item.remove()
  room.log.root.remove()
  if (current === room) open([...rooms.values()].at(-1))
}

/** Brings a channel to the front; without one, the welcome. */
function open(room) {
  if (current !== room) {
    if (current) {
      current.draft = $('text').value
      current.log.hide()
      current.tab.removeAttribute('aria-current')
    }
    current = room
    $('text').value = room?.draft ?? ''
    warn('')
  }
  showJoin(false)
  $('welcome').hidden = room !== undefined
  $('room').hidden = room === undefined
  history.replaceState(null, '', room ? `#${encodeURIComponent(room.name)}` : location.pathname + location.search)
  if (room) {
    $('room-title').textContent = room.name
    $('text-label').textContent = `Message to ${room.name}`
    room.tab.setAttribute('aria-current', 'page')
    room.item.scrollIntoView({ block: 'nearest', inline: 'nearest' })
    grow()
    room.log.show()
    if (room.log.follows) read(room)
  }
  showUnread()
}

function read(room) {
  if (room !== current || document.hidden) return
  room.unread = 0
  showUnread()
}

function showUnread() {
  let total = 0
  for (const { unread, tab } of rooms.values()) {
    total += unread
    tab.lastElementChild.replaceChildren(...(unread ? [shown(unread), element('span', 'sr', ' unread')] : []))
  }
  document.title = `${total ? `(${shown(total)}) ` : ''}${current ? `${current.name} · ` : ''}Roomcast`
  const isBehind = current && !current.log.follows && current.unread > 0
  $('newest').hidden = !isBehind
  if (isBehind) setText($('newest'), `↓ ${plural(current.unread, 'new message')}`)
}

function showJoin(isShown) {
  $('side').classList.toggle('joining', isShown)
  $('join-toggle').ariaExpanded = `${isShown}`
  setText($('join-error'), '')
}

function joinHash() {
  try {
    const name = decodeURIComponent(location.hash.slice(1))
    if (name) join(name)
  } catch {
    setText($('join-error'), 'What stands after # in the address is not a channel name.')
  }
}

$('join').onsubmit = (event) => {
  event.preventDefault()
  const name = $('join-name').value.trim()
  if (!name) return setText($('join-error'), 'Type the name of a channel.')
  $('join-name').value = ''
  join(name)
  $('text').focus()
}
$('join-default').onclick = () => {
  $('join-name').value = ''
  join('lobby')
  $('text').focus()
}
$('join-toggle').onclick = () => {
  showJoin($('join-toggle').ariaExpanded !== 'true')
  if ($('join-toggle').ariaExpanded === 'true') $('join-name').focus()
}
$('leave').onclick = () => leave(current)
$('newest').onclick = () => {
  current.log.toEnd()
  read(current)
  $('text').focus()
}
// Not by the link itself: what stands after # in the address is the channel.
$('skip').onclick = (event) => {
  event.preventDefault()
  $('main').focus()
}
addEventListener('hashchange', joinHash)
document.addEventListener('visibilitychange', () => current?.log.follows && read(current))

// --- messages -------------------------------------------------------------------------------------------------------

function hear(name, said) {
  const room = rooms.get(name)
  if (!room?.hear(said)) return
  if (room !== current || document.hidden || !room.log.follows) room.unread++
  showUnread()
}

$('composer').onsubmit = (event) => {
  event.preventDefault()
  const text = $('text').value.trim()
  if (!text) return
  if (current.isFull)
    return warn(`${plural(current.unsentCount, 'message')} wait to be sent. Let some of them go first.`)
  warn('')
  current.say({ name: $('name').value.trim() || guest, text, id: randomId() })
  $('text').value = ''
  grow()
}
$('text').onkeydown = (event) => {
  // isComposing: Enter also picks a word in the input methods of many languages.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  $('composer').requestSubmit()
}
$('text').oninput = grow
addEventListener('beforeunload', (event) => {
  if ([...rooms.values()].some(({ unsentCount }) => unsentCount > 0)) event.preventDefault()
})

function grow() {
  $('text').style.height = 'auto'
  $('text').style.height = `${$('text').scrollHeight + 2}px`
}

// --- the name -------------------------------------------------------------------------------------------------------

const KEY = 'roomcast.name'
const guest = `guest-${randomId().slice(0, 4)}`
$('name').placeholder = guest
// A browser may forbid storage; the name then lasts as long as the page.
try {
  $('name').value = localStorage.getItem(KEY) ?? ''
} catch {}
$('name').oninput = () => {
  try {
    localStorage.setItem(KEY, $('name').value.trim())
  } catch {}
}

// --- small things ---------------------------------------------------------------------------------------------------

function warn(text) {
  setText($('text-error'), text)
}

/** Live regions speak whenever their text is set, even to what it was. */
function setText(target, text) {
  if (target.textContent !== text) target.textContent = text
}

function shown(count) {
  return count > 99 ? '99+' : `${count}`
}

function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** 96 random bits. Not crypto.randomUUID: over plain HTTP a browser has it on localhost only. */
function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

$('socket-code').textContent = [
  `const socket = new WebSocket('${address.href}')`,
  `socket.onopen = () => socket.send('{"join":"lobby"}')`,
  'socket.onmessage = ({ data }) => console.log(data)',
].join('\n')
joinHash()
connection.connect()
