// The half of a WebSocket that browsers have, `addEventListener` and `onmessage`, over the half that node has: a listener
// here is one of the emitter's, that makes an event of its arguments.

import { EventEmitter } from 'node:events'
import type { CloseInfo } from '../handler.ts'

/** The events of a `WebSocket`, with what their listeners are called with. */
export interface WebSocketEvents {
  /** A whole message. Text is bytes too, as in ws: `isBinary` tells. */
  message: [data: Buffer | ArrayBuffer, isBinary: boolean]
  /** Once, when it is over. `info` has it in core's words: by whom, whether clean, the system's error. */
  close: [code: number, reason: Buffer, info: CloseInfo]
  /** Before 'close', when the server ended the connection by itself: a broken rule, a limit, a listener that threw.
   * Nobody needs to listen. */
  error: [error: Error]
  ping: [payload: Buffer]
  pong: [payload: Buffer]
  /** Never: whoever is given a socket is given an open one. */
  open: []
}

interface EventOfType<Type, Target> {
  readonly type: Type
  readonly target: Target
}

/** What listeners are given, by the type of the event. */
export interface EventOf<Target> {
  open: EventOfType<'open', Target>
  /** `data`: text as a string, bytes as `binaryType` says. */
  message: EventOfType<'message', Target> & { readonly data: string | Buffer | ArrayBuffer }
  /** `wasClean`: both Closes were exchanged. */
  close: EventOfType<'close', Target> & { readonly code: number; readonly reason: string; readonly wasClean: boolean }
  error: EventOfType<'error', Target> & { readonly error: Error; readonly message: string }
}

type EventType = keyof EventOf<unknown>

/** A function, or an object with one. */
export type EventListener<Event> = ((event: Event) => void) | { handleEvent(event: Event): void }

/** What the emitter's listeners are called with, as the fields of the event. */
const FIELDS: Readonly<Record<EventType, (...args: never[]) => object>> = {
  open: () => ({}),
  message: (data: Buffer | ArrayBuffer, isBinary: boolean) => ({ data: isBinary ? data : `${data}` }),
  // Who emits it by hand has no account of it.
  close: (code: number, reason: Buffer, info?: CloseInfo) => ({
    ...{ code, reason: `${reason}`, wasClean: info?.clean === true },
  }),
  error: (error: Error) => ({ error, message: error.message }),
}

/** A listener of the emitter, made of one of ours. */
interface Wrapper {
  (...args: unknown[]): unknown
  /** The one it was made of: by another name than the emitter's own wrappers have it, whose `off` would take it away. */
  of?: unknown
  /** Where it is from: `addEventListener`, or `onmessage` and the others. */
  from?: 'call' | 'attribute'
}

export class EventTargetEmitter extends EventEmitter<WebSocketEvents> {
  declare onopen: ((event: EventOf<this>['open']) => void) | null
  declare onmessage: ((event: EventOf<this>['message']) => void) | null
  declare onclose: ((event: EventOf<this>['close']) => void) | null
  declare onerror: ((event: EventOf<this>['error']) => void) | null

  /** Calls `listener` with an event; the same one again is a no-op. Other types than those of a browser's WebSocket have
   * no events.
   * @param options `once`: the first time only. */
  addEventListener<Type extends EventType>(
    type: Type,
    listener: EventListener<EventOf<this>[Type]>,
    options: { once?: boolean } = {},
  ): void {
    const isSame = (one: Wrapper): boolean => one.of === listener && one.from === 'call'
    if (!Object.hasOwn(FIELDS, type) || wrappersOf(this, type).some(isSame)) return
    addWrapper(this, type, listener as EventListener<object>, { ...options, from: 'call' })
  }

  removeEventListener<Type extends EventType>(type: Type, listener: EventListener<EventOf<this>[Type]>): void {
    removeWrapper(this, type, (one) => one.of === listener && one.from === 'call')
  }
}

function wrappersOf(target: EventTargetEmitter, type: EventType): Wrapper[] {
  return target.rawListeners(type) as Wrapper[]
}

function addWrapper(
  target: EventTargetEmitter,
  type: EventType,
  listener: EventListener<object>,
  { once = false, from }: { once?: boolean; from: 'call' | 'attribute' },
): void {
  const wrapper: Wrapper = (...args) => {
    if (once) target.removeListener(type, wrapper)
    const event = { type, target, ...FIELDS[type](...(args as never[])) }
    return typeof listener === 'function' ? listener.call(target, event) : listener.handleEvent(event)
  }
  target.on(type, Object.assign(wrapper, { of: listener, from }))
}

function removeWrapper(target: EventTargetEmitter, type: EventType, is: (wrapper: Wrapper) => boolean): void {
  const found = wrappersOf(target, type).find(is)
  if (found !== undefined) target.removeListener(type, found)
}

for (const type of Object.keys(FIELDS) as EventType[]) {
  const isAttribute = ({ from }: Wrapper): boolean => from === 'attribute'
  Object.defineProperty(EventTargetEmitter.prototype, `on${type}`, {
    get(this: EventTargetEmitter) {
      return wrappersOf(this, type).find(isAttribute)?.of ?? null
    },
    set(this: EventTargetEmitter, listener: unknown) {
      removeWrapper(this, type, isAttribute)
      if (typeof listener === 'function') addWrapper(this, type, listener as () => void, { from: 'attribute' })
    },
  })
}
