// Where things stand. The name, the form to join with and the code exist once: in the welcome as long as there is no room,
// beside the conversation then. On a narrow screen what is beside it slides in.

import { $ } from './dom.js'

const narrow = matchMedia('(max-width: 899px)')

/** Puts everything where it belongs. @param isInRoom is there a room in front? */
export function put(isInRoom) {
  document.body.classList.toggle('welcoming', !isInRoom)
  $('welcome').hidden = isInRoom
  $('room').hidden = $('room-title').hidden = $('people').hidden = !isInRoom
  const places = isInRoom
    ? [
        ['you', 'nav-you'],
        ['join', 'nav-join'],
        ['code', 'aside-code'],
      ]
    : [
        ['you', 'entrance'],
        ['join', 'entrance'],
        ['code', 'welcome'],
      ]
  for (const [what, where] of places) if ($(what).parentElement !== $(where)) $(where).append($(what))
}

/** Follows the width of the screen. */
export function fit() {
  const change = () => {
    for (const drawer of [$('side'), $('people')]) {
      if (narrow.matches) drawer.popover = 'auto'
      else drawer.removeAttribute('popover')
    }
  }
  narrow.addEventListener('change', change)
  change()
}
