// One room: a subscription of the SDK, what was said in it, who is in it, and what is still to be sent. It decides what is
// news, what was missed, and what is our own.

import { Arrivals } from './arrivals.js'
import { clock, plural } from './dom.js'
import { Log } from './log.js'
import { givenName, Members } from './members.js'
import { Outbox } from './outbox.js'
import { isLost, roomText } from './words.js'

const MAX_HISTORY = 100
/** Of messages that may be heard twice. */
const MAX_SEEN = 1000

export class Room {
  #connection
  #session
  #on
  #sub
  /** 'new' until the server said yes for the first time, then 'joined', 'waiting' for the connection, or 'refused'. */
  #state = 'new'
  /** Where we are in what was said; the SDK's own place is ahead of it while the history is awaited. */
  #place = { epoch: '', offset: 0 }
  /** What comes while the history is awaited. */
  #held
  #joins = 0
  #isRenaming = false
  /** Our own messages by their ids: elements of the log. */
  #mine = new Map()
  #seen = new Map()

  /** `on.refused(room, error)`: the server does not let us in at all. `on.news(room)`: something was said.
   * `on.members(room)`: somebody came or went. `on.me(info)`: how the server shows us to others. */
  constructor(name, { connection, session, on }) {
    this.name = name
    this.unread = 0
    this.log = new Log(name)
    this.members = new Members()
    this.#connection = connection
    this.#session = session
    this.#on = on
    this.outbox = new Outbox(name, { log: this.log, session, send: (said, element) => this.#send(said, element) })
    this.arrivals = new Arrivals(this.log)
    const about = { recoverable: true, positioned: true, joinLeave: true, data: this.#data() }
    const sub = connection.client.newSubscription(name, about)
    this.#sub = sub
    sub.on('subscribed', (context) => this.#joined(context))
    sub.on('subscribing', () => this.#lost())
    sub.on('unsubscribed', (error) => this.#isRenaming || this.#refuse({ code: error.code, message: error.reason }))
    sub.on('publication', (publication) => this.#heard(publication))
    sub.on('join', ({ info }) => this.#came(info))
    sub.on('leave', ({ info }) => this.#went(info))
    sub.on(
      'error',
      ({ error }) => this.#state === 'new' && !isLost(error.code) && this.arrivals.trouble(roomText(error)),
    )
  }

  join() {
    this.#sub.subscribe()
  }

  leave() {
    this.#on = { refused() {}, news() {}, members() {}, me() {} }
    this.#sub.unsubscribe()
    this.#connection.client.removeSubscription(this.#sub)
  }

  say(said) {
    this.outbox.say(said)
  }

  /** Others are told by joining again; what is said meanwhile is recovered. */
  rename() {
    this.#sub.setData(this.#data())
    if (this.#state !== 'joined') return
    this.#isRenaming = true
    this.#sub.unsubscribe()
    this.#sub.subscribe()
  }

  #data() {
    return { meta: { name: this.#session.shownName } }
  }

  #joined({ recoverable, wasRecovering, recovered, streamPosition }) {
    const isFirst = this.#state === 'new'
    const isRenamed = this.#isRenaming
    const turn = ++this.#joins
    this.#isRenaming = false
    this.#state = 'joined'
    void this.#askMembers()
    if (!isFirst && recoverable && wasRecovering && recovered) return this.#recover(isRenamed)
    if (recoverable) return void this.#fill(turn, isFirst, streamPosition?.epoch)
    if (isFirst) this.log.addEvent(`You came in at ${clock()}`, { kind: 'divider' })
    else if (!isRenamed)
      this.log.addEvent(`Back at ${clock()}. What was said meanwhile is not here: this room forgets.`)
    this.outbox.open()
  }

  /** What was missed comes next, in the same turn. */
  #recover(isRenamed) {
    const missed = []
    this.#held = missed
    queueMicrotask(() => {
      this.#held = undefined
      const fresh = missed.filter((publication) => !this.#isOwn(publication))
      const while_ = isRenamed ? undefined : `${plural(fresh.length, 'message')} while you were away`
      if (fresh.length > 0 && while_) this.log.addEvent(while_, { kind: 'divider', isNew: true })
      else if (!isRenamed) this.log.addEvent(`Back at ${clock()}. You missed nothing.`)
      for (const publication of missed) this.#take(publication)
      this.outbox.open()
    })
  }

  /** At first, or when the server cannot tell what we missed: what the room remembers. */
  async #fill(turn, isFirst, epoch) {
    const held = []
    this.#held = held
    let publications = []
    try {
      const found = await this.#sub.history({ limit: MAX_HISTORY, reverse: true })
      publications = found.publications.reverse()
    } catch (error) {
      if (turn === this.#joins && isLost(error.code)) this.#connection.renew()
    }
    // Another join has begun, and asks for itself.
    if (turn !== this.#joins || this.#held !== held) return
    this.#held = undefined
    const isAnew = epoch !== this.#place.epoch
    const known = isAnew ? 0 : this.#place.offset
    const top = publications.at(-1)?.offset ?? known
    this.#place = { epoch, offset: known }
    const old = publications.filter(({ offset }) => offset > known)
    if (!isFirst) this.#tellGap(old, isAnew)
    this.log.quietly(() => {
      for (const publication of old) this.#take(publication, { isOld: isFirst })
    })
    if (isFirst) this.log.addEvent(`You came in at ${clock()}`, { kind: 'divider' })
    for (const publication of held) if (publication.offset > top) this.#take(publication)
    this.outbox.open()
  }

  #tellGap(found, isAnew) {
    const fresh = found.filter((publication) => !this.#isOwn(publication)).length
    const why = isAnew ? 'The room began anew meanwhile' : 'You were away for longer than the room remembers'
    const count = fresh > 0 ? `At least ${plural(fresh, 'message')} while you were away. ` : ''
    this.log.addEvent(`${count}${why}; some may be missing.`, { kind: 'divider', isNew: true })
  }

  #lost() {
    // The history that was awaited will be asked for again.
    this.#held = undefined
    this.outbox.shut()
    if (this.#state !== 'joined') return
    this.#joins++
    this.#state = 'waiting'
    if (!this.#isRenaming) this.log.addEvent(`Connection lost at ${clock()}`)
  }

  #refuse(error) {
    const wasNew = this.#state === 'new'
    this.#state = 'refused'
    if (wasNew) return this.#on.refused(this, roomText(error))
    this.log.addEvent(roomText(error))
    this.outbox.refuse(roomText(error))
    this.members.answered(undefined)
    this.#on.members(this)
  }

  async #send(said, element) {
    const before = performance.now()
    await this.#sub.publish(said).catch((error) => {
      if (error.code === 1) void this.#connection.doubt()
      throw this.#connection.wasTooLarge ? { code: 107, message: 'too large' } : error
    })
    this.#connection.measured(performance.now() - before)
    this.#remember(this.#mine, said.id, element)
  }

  #heard(publication) {
    if (this.#held === undefined) return this.#take(publication)
    this.#held.push(publication)
  }

  /** Our own message, which stands here already or waits here. */
  #isOwn({ data, info }) {
    return this.#session.isMine(info) && typeof data?.id === 'string'
  }

  /** Everything that is said is shown, whatever its id: only our own, which is here already, is not, nor what its author
   * marked as said again. */
  #take(publication, { isOld = false } = {}) {
    const { data, info, offset = 0 } = publication
    if (offset > 0) this.#place.offset = offset
    const mine = this.#session.isMine(info)
    this.#meet(info)
    if (mine) {
      const waited = this.outbox.delivered(data?.id, data)
      if (waited) return this.#remember(this.#mine, data.id, waited)
      const shown = this.#mine.get(data?.id)
      if (shown) return this.log.amend(shown, data)
    }
    const key = JSON.stringify([data?.name, data?.text, data?.id])
    if (data?.again === true && this.#seen.has(key)) return
    if (typeof data?.id === 'string') this.#remember(this.#seen, key, true)
    this.log.addMessage(data, { mine, by: givenName(info), at: isOld ? saidAt(data) : new Date() })
    if (!isOld && !mine) this.#on.news(this)
  }

  #remember(map, id, value) {
    map.set(id, value)
    if (map.size > MAX_SEEN) map.delete(map.keys().next().value)
  }

  async #askMembers() {
    const turn = this.#joins
    this.members.asked()
    let clients
    try {
      clients = (await this.#sub.presence()).clients
    } catch {
      // The server does not tell, or the connection is gone and this is asked again.
    }
    if (turn !== this.#joins) return
    const me = clients?.[this.#connection.id]
    if (me) this.#meet({ ...me, client: this.#connection.id })
    this.members.answered(clients)
    this.#on.members(this)
  }

  /** Is it us, as the server shows us to others? */
  #meet(info) {
    if (info?.client === this.#connection.id) this.#on.me(info)
  }

  #came(info) {
    this.#meet(info)
    const before = this.members.join(info)
    if (info.client !== this.#connection.id) this.arrivals.came(info, before, this.members.count)
    this.#on.members(this)
  }

  #went(info) {
    this.members.leave(info)
    if (info.client !== this.#connection.id) this.arrivals.went(info, this.members.count)
    this.#on.members(this)
  }
}

/** When its author says it was: the server keeps no times. Nothing is said in the future. */
function saidAt(data) {
  const at = new Date(typeof data?.at === 'number' ? data.at : Number.NaN)
  return Number.isNaN(at.getTime()) || at > new Date() ? undefined : at
}
