// A chat in React, with npm's `centrifuge`: what is said, what was said, who is there, and whether we are connected.
// react.ts serves it.

import { Centrifuge, type PublicationContext, type Subscription } from 'centrifuge'
import { type FormEvent, useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'

const client = new Centrifuge(`${location.origin.replace('http', 'ws')}/connection/websocket`)
client.connect()

type Line = Pick<PublicationContext, 'offset' | 'data'>

function useRoom(name: string) {
  const [lines, setLines] = useState<Line[]>([])
  const [people, setPeople] = useState(0)
  const [room, setRoom] = useState<Subscription>()
  useEffect(() => {
    const sub = client.newSubscription(name)
    // By their numbers: what comes from the history may just have come.
    const add = (some: Line[]) =>
      setLines((all) => [...new Map([...all, ...some].map((one) => [one.offset, one])).values()])
    const count = () => sub.presenceStats().then(({ numClients }) => setPeople(numClients), console.warn)
    const before = () => sub.history({ limit: 50 }).then(({ publications }) => add(publications), console.warn)
    sub.on('subscribed', ({ recovered }) => void Promise.all([recovered || before(), count()]))
    sub
      .on('publication', (line) => add([line]))
      .on('join', count)
      .on('leave', count)
    sub.subscribe()
    setRoom(sub)
    return () => client.removeSubscription(sub)
  }, [name])
  return { lines, people, say: (text: string) => room?.publish(text) }
}

function Chat() {
  const { lines, people, say } = useRoom('chat:lobby')
  const [text, setText] = useState('')
  const submit = (event: FormEvent) => {
    event.preventDefault()
    void say(text)?.then(() => setText(''), console.warn)
  }
  const list = lines.toSorted((a, b) => a.offset! - b.offset!).map(({ offset, data }) => <li key={offset}>{data}</li>)
  const field = <input aria-label="Say" value={text} onChange={(event) => setText(event.target.value)} />
  return [
    <p key="people">{people} here</p>,
    <ul key="lines">{list}</ul>,
    <form key="say" onSubmit={submit}>
      {field}
    </form>,
  ]
}

createRoot(document.getElementById('root')!).render(<Chat />)
