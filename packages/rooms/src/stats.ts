// What a node counts.

/** What `stats` returns. */
export interface RoomsStats {
  /** How many rooms have members on this node, or somebody on the way in. */
  rooms: number
  /** How many clients are connected. */
  clients: number
  /** How many places in rooms they have. */
  members: number
  /** What is kept at hand for those who come back, in bytes. */
  replayBytes: number
  /** Records of rooms without history, joins and leaves that the store could not hand to other nodes. */
  dropped: number
}
