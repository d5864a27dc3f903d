// A private room in React, with npm's `centrifuge`: what is said, what was said before, and who is there. Forty lines.
// react.ts serves it: open it at /?user=leto and at /?user=paul.

import { Centrifuge, type ClientInfo, type PublicationContext } from 'centrifuge'
import { type FormEvent, useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'

const getToken = async () => (await fetch(`/token${location.search}`)).text()
const client = new Centrifuge(`${location.origin.replace('http', 'ws')}/connection/websocket`, { getToken })
const room = client.newSubscription('private:chat#leto,paul')
client.connect()

type Line = Pick<PublicationContext, 'offset' | 'data' | 'info'>

function Chat() {
  const [lines, setLines] = useState<Line[]>([])
  const [people, setPeople] = useState<ClientInfo[]>([])
  useEffect(() => {
    // By their numbers: what comes from the history may just have come.
    const add = (some: Line[]) => setLines((all) => [...new Map([...all, ...some].map((l) => [l.offset, l])).values()])
    const look = () => void room.presence().then(({ clients }) => setPeople(Object.values(clients)), console.warn)
    room.on('publication', (line) => add([line]))
    for (const event of ['subscribed', 'join', 'leave'] as const) room.on(event, look)
    room.on('subscribed', ({ recovered }) => {
      if (recovered) return
      setLines([])
      room.history({ limit: 50, reverse: true }).then(({ publications }) => add(publications), console.warn)
    })
    room.subscribe()
    return () => void room.removeAllListeners().unsubscribe()
  }, [])
  const say = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    room.publish(new FormData(form).get('text')).then(() => form.reset(), console.warn)
  }
  const inOrder = lines.toSorted((a, b) => a.offset! - b.offset!)
  const said = inOrder.map(({ offset, info, data }) => <p key={offset}>{`${info?.user}: ${data}`}</p>)
  return (
    <form onSubmit={say}>
      <p>Here: {people.map(({ user }) => user).join(', ')}</p>
      {said}
      <input name="text" aria-label="Say" />
    </form>
  )
}

createRoot(document.getElementById('root')!).render(<Chat />)
