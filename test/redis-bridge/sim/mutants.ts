// The rules of the bus, and how each is switched off in the sources. The history must find every one of them missing.

export interface Mutant {
  rule: string
  /** In packages/redis-bridge/src/bus. */
  file: string
  from: string
  to: string
}

export const MUTANTS: readonly Mutant[] = [
  {
    rule: 'what a node hears of itself is not delivered',
    file: 'bus-node.ts',
    from: 'if (this.#sender.isOwn(envelope.node)) {',
    to: 'if (this.#sender.isOwn(envelope.node) && envelope.frames.length === 0) {',
  },
  {
    rule: 'an id that was left is our own still',
    file: 'counters.ts',
    from: 'this.#retired = { numbering: old, at: now }',
    to: 'this.#retired = { numbering: old, at: now }; this.#own.delete(hexOf(old.node))',
  },
  {
    rule: 'a number that was seen is a repeat',
    file: 'positions.ts',
    from: 'return { repeated: repeats(position, before, last),',
    to: 'return { repeated: 0,',
  },
  {
    rule: 'a jump is a loss',
    file: 'positions.ts',
    from: 'lost: Math.max(0, before - position) }',
    to: 'lost: 0 }',
  },
  {
    rule: 'without a position, the age tells of a loss',
    file: 'positions.ts',
    from: 'return { repeated, lost: repeated > 0 ? 0 : lost }',
    to: 'return { repeated, lost: 0 }',
  },
  {
    rule: 'an envelope is given its time on the way',
    file: 'positions.ts',
    from: 'now - since > age + transit',
    to: 'now - since > age - 50',
  },
  {
    rule: 'marks follow a burst',
    file: 'marks.ts',
    from: '    send(counter)\n',
    to: '',
  },
  {
    rule: 'what was not answered is written again',
    file: 'publish-queue.ts',
    from: 'const inOrder = [...again, ...batches]',
    to: 'const inOrder = [...batches]',
  },
  {
    rule: 'what waited for over a minute is not written',
    file: 'publish-queue.ts',
    from: 'export const MAX_WAIT_MS = 60_000',
    to: 'export const MAX_WAIT_MS = 90_000',
  },
  {
    rule: 'who was deaf asks',
    file: 'listener.ts',
    from: 'if (deafMs > 0) this.#notice(Kind.ASK, routes.shared(lane.partition), deafMs)',
    to: '',
  },
  {
    rule: 'deaf counts from the first confirmed subscription',
    file: 'listener.ts',
    from: '          this.#deafSince ??= clock.now()\n',
    to: '',
  },
  {
    rule: 'deaf for over a minute, everything may be lost',
    file: 'listener.ts',
    from: 'this.#toldOnLine = this.#deafMs() > MARKS_COVER_MS',
    to: 'this.#toldOnLine = this.#deafMs() > 1e9',
  },
  {
    rule: 'deaf again before the answers can have come, it asks for the same again',
    file: 'listener.ts',
    from: 'if (this.#heardAt >= this.#answeredAt) this.#deafSince',
    to: 'this.#deafSince',
  },
  {
    rule: 'who was away tells unasked what was last',
    file: 'listener.ts',
    from: 'if (unasked) sender.tellSince(lane.partition, this.#owedSince)',
    to: 'if (unasked) lane',
  },
  {
    rule: 'who was away for over a minute is asked',
    file: 'listener.ts',
    from: 'this.#notice(Kind.ASK, routes.direct(lane.partition, node), Math.min(age + TOLD_MS, untoldMs))',
    to: 'void [routes, lane, node, age, untoldMs]',
  },
  {
    rule: 'asks are answered for the id before too',
    file: 'counters.ts',
    from: '    if (this.#retired !== undefined) yield* this.#retired.numbering.counters.values()\n',
    to: '',
  },
  {
    rule: 'channels under an id that is left are told of once more',
    file: 'counters.ts',
    from: '        retired(counter)\n',
    to: '        forgotten(counter)\n',
  },
  {
    rule: 'closing tells what was last',
    file: 'sender.ts',
    from: '    this.#marks.close()\n    this.#tellLast()\n',
    to: '    this.#marks.close()\n',
  },
  {
    rule: 'nobody is ready before it heard itself',
    file: 'line.ts',
    from: '} else if (!this.#echoes.judge()) {',
    to: '} else if (!this.#echoes.judge() && now < 0) {',
  },
  {
    rule: 'a mark that went with a connection to publish on is written again',
    file: 'publish-queue.ts',
    from: 'for (const { counter } of this.#marksInFlight) marks.add(counter)',
    to: '',
  },
  {
    rule: 'an ask that went with a connection to publish on is written again',
    file: 'way-out.ts',
    from: 'for (const command of again) command.again?.()',
    to: '',
  },
  {
    rule: 'what was refused for a while may have lost something',
    file: 'subscriptions.ts',
    from: 'this.#port.missed(renew(one))',
    to: 'void renew',
  },
  {
    rule: 'who was not alone is not blamed',
    file: 'way-out.ts',
    from: 'const alone = this.#unanswered.size === 1',
    to: 'const alone = true',
  },
]
