// How the connection stands: a word that is always there, a banner while something is wrong, and the figures for those
// who open them.

import { $, element, plural, setText } from './dom.js'
import { asksForToken, endText, REFUSED } from './words.js'

const WORDS = { open: 'Connected', connecting: 'Connecting…', waiting: 'Reconnecting…', stopped: 'Disconnected' }

/** @param unsent counts the messages that wait. */
export function createStatus(connection, unsent) {
  const facts = $('facts')
  /** Was the keyboard in the banner, which goes when all is well? */
  let wasInBanner = false

  /** To where one goes on; who has gone elsewhere meanwhile stays there. */
  function goOn() {
    wasInBanner = false
    const next = $('room').hidden ? $('join-name') : $('text')
    if (document.activeElement === document.body || $('banner').contains(document.activeElement)) next.focus()
  }

  function tell(text) {
    setText($('banner-text'), text)
    $('banner').hidden = text === ''
  }

  function showFacts() {
    const { url, id, roundTripMs, isOpen } = connection
    const lines = [
      ['Server', url],
      ['This connection', isOpen ? id : 'none'],
      [
        'There and back',
        roundTripMs === undefined ? 'not measured yet: say something' : `${roundTripMs.toFixed(1)} ms`,
      ],
      ['Waiting to be sent', plural(unsent(), 'message')],
    ]
    facts.replaceChildren(...lines.flatMap(([term, value]) => [element('dt', '', term), element('dd', '', value)]))
  }

  $('connection').ontoggle = showFacts
  addEventListener('click', ({ target }) => {
    if (!$('connection').contains(target)) $('connection').open = false
  })
  $('connection').onkeydown = ({ key }) => {
    if (key !== 'Escape') return
    $('connection').open = false
    $('connection').querySelector('summary').focus()
  }
  $('retry').onclick = () => connection.renew()
  $('token-form').onsubmit = (event) => {
    event.preventDefault()
    const token = $('token').value.trim()
    if (!token) return
    connection.client.setToken(token)
    connection.renew()
  }

  return {
    show(state, code) {
      wasInBanner ||= $('banner').contains(document.activeElement)
      $('status').dataset.state = state
      setText($('status'), WORDS[state])
      if ($('connection').open) showFacts()
      const isTokenAsked = state === 'stopped' && asksForToken(code)
      $('token-form').hidden = !isTokenAsked
      $('retry').hidden = !$('token-form').hidden
      if (state === 'open') tell('')
      else if (state === 'stopped') tell(endText(code))
      else if (state === 'waiting') tell('Connection lost. What you write is sent when it is back.')
      if (isTokenAsked && document.activeElement === document.body) $('token').focus()
      if (state === 'open' && wasInBanner) goOn()
    },
    /** An attempt failed. A browser does not tell a server that refuses from one that is not there. */
    async failed() {
      const isThere = await fetch('healthz', { cache: 'no-store', signal: AbortSignal.timeout(3000) }).then(
        ({ ok }) => ok,
        () => false,
      )
      if (connection.state === 'connecting' || connection.state === 'waiting') {
        tell(isThere ? REFUSED : 'Server out of reach. What you write is sent when it is back.')
      }
    },
  }
}
