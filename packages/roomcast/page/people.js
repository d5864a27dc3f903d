// Who is in the room in front, beside the conversation.

import { $, element, plural } from './dom.js'

/** More are a number. */
const MAX_SHOWN = 200

/** Shows who is in a room. @param me the client of this page. */
export function showMembers({ members }, me) {
  const { isKnown, isAnswered, count } = members
  $('members-note').hidden = isKnown || !isAnswered
  const badge = element('span', '', isKnown ? `${count}` : '')
  if (isKnown) badge.append(element('span', 'sr', ' in this room'))
  $('people-badge').replaceChildren(badge)
  $('people-title').textContent = isKnown ? `Here now · ${count}` : 'Here now'
  const list = isKnown ? members.list(me) : []
  const items = list.slice(0, MAX_SHOWN).map(({ label, count: times, isMe }) => {
    const item = element('li')
    item.append(element('span', 'dot'), element('bdi', 'member', label))
    if (isMe) item.append(element('span', 'you', 'you'))
    if (times > 1) item.append(element('span', 'times', `× ${times}`), element('span', 'sr', ' connections'))
    return item
  })
  if (list.length > MAX_SHOWN) items.push(element('li', 'note', `and ${plural(list.length - MAX_SHOWN, 'other')}`))
  $('members').replaceChildren(...items)
}
