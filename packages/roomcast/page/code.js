// How a program says and hears something in the room in front: the same few lines in four languages, ready to be copied.

import { $, element, setText } from './dom.js'

const COPIED_MS = 2000
/** The columns at which a line goes on that is too long. */
const HANG = 2
const here = new URL('./', location.href)
const socket = new URL('connection/websocket', here)
socket.protocol = here.protocol === 'https:' ? 'wss:' : 'ws:'
here.hash = here.search = socket.hash = socket.search = ''

let isTokenAsked = false
/** An argument of those whom the server asks for a token. */
const withToken = (argument) => (isTokenAsked ? `, ${argument}` : '')

/** A string literal of JavaScript and of Python. */
const quoted = (text) => JSON.stringify(text)

const SAMPLES = {
  Browser: {
    note: 'For a page of another origin, start the server with `--origin`.',
    code: (room) => `<script src="${here.href}centrifuge.js"></script>
<script>
  const client = new Centrifuge("${socket.href}"${withToken('{ token: "…" }')})
  const room = client.newSubscription(${quoted(room).replaceAll('<', '\\u003c')})
  room.on("publication", ({ data }) => console.log(data))
  room.subscribe()
  client.connect()

  room.publish({ name: "browser", text: "hello" })
</script>`,
  },
  Node: {
    note: '`npm install centrifuge`. Node 22 and later; for Node 20 give it the WebSocket of `ws`.',
    code: (room) => `import { Centrifuge } from "centrifuge"

const client = new Centrifuge("${socket.href}"${withToken('{ token: "…" }')})
const room = client.newSubscription(${quoted(room)})
room.on("publication", ({ data }) => console.log(data))
room.subscribe()
client.connect()

await room.publish({ name: "node", text: "hello" })`,
  },
  Python: {
    note: '`pip install centrifuge-python`',
    code: (room) => `import asyncio
from centrifuge import Client, SubscriptionEventHandler

class Events(SubscriptionEventHandler):
    async def on_publication(self, context):
        print(context.pub.data)

async def main():
    client = Client("${socket.href}"${withToken('token="…"')})
    room = client.new_subscription(${quoted(room)}, Events())
    await client.connect()
    await room.subscribe()
    await room.publish({"name": "python", "text": "hello"})
    await asyncio.sleep(60)

asyncio.run(main())`,
  },
  curl: {
    note: 'The server prints its token when it starts, unless you gave it one.',
    code: (room) => `curl "${here.href}channels/${encodeURIComponent(room).replaceAll("'", '%27')}" \\
  -H "Authorization: Bearer $ROOMCAST_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{"name":"curl","text":"hello"}'`,
  },
}

const tabs = Object.keys(SAMPLES).map((language) => {
  const tab = element('button', 'language', language)
  tab.type = 'button'
  tab.id = `language-${language.toLowerCase()}`
  tab.setAttribute('role', 'tab')
  tab.setAttribute('aria-controls', 'sample')
  tab.onclick = () => choose(language)
  return tab
})
let chosen = 'Browser'
let room = 'lobby'

/** Shows the code for a room; without one, for the lobby. */
export function showCode(name = 'lobby') {
  room = name
  choose(chosen)
}

/** The server lets nobody in without a token: programs need one, too. */
export function showToken() {
  isTokenAsked = true
  choose(chosen)
}

function choose(language) {
  chosen = language
  for (const tab of tabs) {
    const isChosen = tab.textContent === language
    tab.ariaSelected = `${isChosen}`
    tab.tabIndex = isChosen ? 0 : -1
    if (isChosen) $('sample').setAttribute('aria-labelledby', tab.id)
  }
  showLines(SAMPLES[language].code(room))
  $('sample-note').replaceChildren(
    ...SAMPLES[language].note.split('`').map((words, at) => (at % 2 === 0 ? words : element('code', '', words))),
  )
}

/** A line of code that is too long for the box goes on below, further in than it began. */
function showLines(code) {
  const lines = code.split(/^/m).map((text) => {
    const line = element('span', 'line')
    // A long address goes on after a slash of its own.
    const parts = text.split(/(?<=\w\/|\()(?=[\w"])/)
    line.append(...parts.flatMap((part, at) => (at === 0 ? part : [document.createElement('wbr'), part])))
    const hang = text.search(/\S|$/) + HANG
    line.style.paddingLeft = `${hang}ch`
    line.style.textIndent = `-${hang}ch`
    return line
  })
  $('sample-code').replaceChildren(...lines)
}

$('languages').append(...tabs)
$('sample').tabIndex = 0
$('languages').onkeydown = (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
  if (step === undefined) return
  event.preventDefault()
  const tab = tabs.at((tabs.indexOf(document.activeElement) + step) % tabs.length)
  tab.focus()
  tab.click()
}
$('copy').onclick = async () => {
  try {
    await navigator.clipboard.writeText($('sample-code').textContent)
    setText($('copy'), 'Copied')
  } catch {
    getSelection().selectAllChildren($('sample-code'))
    setText($('copy'), 'Selected')
  }
  setTimeout(() => setText($('copy'), 'Copy'), COPIED_MS)
}
