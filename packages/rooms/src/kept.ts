// A publication on its way to the members, with its bodies, each made when it is first needed.

import type { Codec } from './member.ts'
import type { Publication } from './port.ts'

/** A publication and its bodies. */
export class Kept {
  readonly publication: Publication
  /** By codec. */
  readonly bodies: Map<Codec, unknown> = new Map()

  constructor(publication: Publication) {
    this.publication = publication
  }

  body(codec: Codec): unknown {
    if (!this.bodies.has(codec)) this.bodies.set(codec, codec.body(this.publication))
    return this.bodies.get(codec)
  }
}
