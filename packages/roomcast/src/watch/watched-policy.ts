// A policy, and what it refuses.

import { type Client, type ConnectRequest, Refusal } from '@roomcast/centrifuge'
import { GONE, type ServerPolicy, TOO_LARGE } from '../who/policy.ts'
import type { Revocations } from '../who/revocations.ts'
import type { Asked, Circumstances, Refused } from './refusals.ts'
import { busy } from './request-refusals.ts'
import { type Deed, dataTooLarge, notAdmitted, notPermitted, putOut } from './who-refusals.ts'

/** The same policy.
 * @param revocations who was put out while it was decided.
 * @param tell hears of each refusal. */
export function watchPolicy(
  policy: ServerPolicy,
  around: Circumstances,
  revocations: Pick<Revocations, 'wasRevoked'>,
  tell: (refused: Refused) => void,
): ServerPolicy {
  /** Asks, and tells when the answer is a refusal. */
  async function asked<T>(
    question: () => T,
    refused: (code: number | undefined, refusal?: Refusal) => void,
  ): Promise<Awaited<T>> {
    try {
      const answer = await question()
      if (answer === undefined) refused(undefined)
      else if (answer instanceof Refusal) refused(answer.code, answer)
      return answer
    } catch (error) {
      if (error instanceof Refusal) refused(error.code, error)
      throw error
    }
  }
  const inRoom =
    (deed: Deed, { id: client, user, remoteAddress: address }: Client, room: string, token = '', request?: object) =>
    (code = NOT_PERMITTED, refusal?: Refusal): void => {
      if (refusal?.message === GONE) return
      const who = { address, user, client, room }
      if (request !== undefined && revocations.wasRevoked(request)) return tell(putOut(who))
      if (refusal?.message === TOO_LARGE) tell(dataTooLarge(around, who))
      else tell(code === BUSY ? busy(around, who) : notPermitted(around, deed, code, who, token))
    }
  const admitted =
    (request: ConnectRequest) =>
    (code: number | undefined): void => {
      const { token, http } = request
      const { remoteAddress: address, path } = http
      const cause = revocations.wasRevoked(request) ? SENT_AWAY : code
      tell(notAdmitted(around, cause, token, { address }, path))
    }

  return {
    ...policy,
    authenticate: (request) => asked(() => policy.authenticate(request), admitted(request)),
    identify: (request) => asked(() => policy.identify(request), admitted(request)),
    admit(client) {
      const isAdmitted = policy.admit(client)
      if (!isAdmitted) tell(notAdmitted(around, CONNECTION_LIMIT, '', askedBy(client)))
      return isAdmitted
    },
    // Of a token that is too old a connection ends with another code.
    refresh: (client, token) =>
      asked(
        () => policy.refresh(client, token),
        (code) => tell(notAdmitted(around, code === EXPIRED ? TOKEN_EXPIRED : code, token, askedBy(client))),
      ),
    subRefresh: (client, request) =>
      asked(() => policy.subRefresh(client, request), inRoom('subscribe', client, request.room, request.token)),
    subscribe: (client, request) =>
      asked(() => policy.subscribe(client, request), inRoom('subscribe', client, request.room, request.token, request)),
    publication: (client, room, data) =>
      asked(() => policy.publication(client, room, data), inRoom('publish', client, room)),
    publish: (client, room, data) => asked(() => policy.publish(client, room, data), inRoom('publish', client, room)),
    presence: (client, room) => asked(() => policy.presence(client, room), inRoom('presence', client, room)),
    history: (client, room) => asked(() => policy.history(client, room), inRoom('history', client, room)),
  }
}

const NOT_PERMITTED = 103
const BUSY = 111
const TOKEN_EXPIRED = 109
const EXPIRED = 3005
const SENT_AWAY = 3503
const CONNECTION_LIMIT = 3504

/** What is known of a client, for who explains. */
export function askedBy({ id: client, user, remoteAddress: address }: Client): Asked {
  return { address, user, client }
}
