// The field for one's name. Where the server knows who somebody is, it shows that name and takes no other: another would be
// heard by nobody.

import { $, setText } from './dom.js'

const GIVEN = 'The server knows you by this name. It cannot be changed here.'
const PERHAPS = 'Counts unless your token says who you are.'

/** @param onRename hears of a new name when it is typed to its end. */
export function createName(session, onRename) {
  const field = $('name')
  let typed = session.name
  let isTokenAsked = false
  field.placeholder = session.guest
  field.oninput = () => {
    typed = field.value
    session.rename(typed.trim())
  }
  field.onchange = onRename

  function show() {
    const given = session.given
    field.readOnly = given !== undefined
    field.value = given ?? typed
    setText($('name-note'), given !== undefined ? GIVEN : isTokenAsked ? PERHAPS : '')
  }

  show()
  return {
    /** The server may know another name by now, or none. */
    show,
    /** The server lets nobody in without a token, which may tell a name. */
    tokenAsked() {
      isTokenAsked = true
      show()
    },
  }
}
