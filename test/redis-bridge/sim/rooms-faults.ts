// What breaks in a schedule of rooms, and for how long.

import { NAMES, type RoomsWorld } from './rooms-world.ts'

const FAULTS: Record<string, (world: RoomsWorld, room: string) => void> = {
  'a node is cut off': (world) => linkOf(world)?.cut(),
  'a node is cut off for seconds'(world) {
    const { name } = nodeOf(world)
    world.redis.bannedUntil.set(name, soon(world, 5000))
    world.redis.links.get(name)?.cut()
  },
  'the connection for commands ends': (world) => linkOf(world)?.cutCommand(),
  'too much waits for a subscriber': (world) => linkOf(world)?.overflow(world.clock.random() * 500),
  'a connection swallows everything': (world) =>
    linkOf(world)?.blackHole(world.clock.random() < 0.5 ? 'command' : 'subscriber'),
  'a node dies': (world) => world.kill(world.clock.pick(world.nodes.length)),
  'a node is frozen'(world) {
    const { clock, name } = nodeOf(world)
    // Some for so long that others take it for dead.
    clock.frozenUntil = soon(world, world.clock.random() < 0.3 ? 40_000 : 4000)
    world.redis.links.get(name)?.stall(clock.frozenUntil)
  },
  'Redis stalls': (world) => world.redis.freeze(world.clock.random() * 6000),
  'Redis is restarted, with all it had': (world) => restart(world, () => {}),
  'Redis is restarted, empty': (world) =>
    restart(world, () => {
      world.checker.forgets = true
      world.redis.data.clear()
    }),
  'Redis is emptied'(world) {
    world.checker.forgets = true
    world.redis.data.clear()
  },
  'a replica that lags takes over'(world) {
    const replica = world.redis.data.copy()
    world.clock.after(world.clock.random() * 1500, () => {
      restart(world, () => {
        world.checker.forgets = true
        world.redis.data.restore(replica)
      })
    })
  },
  'a number is evicted': (world, room) => world.redis.data.delete(`p:m:${room}`),
  'a history is evicted': (world, room) => world.redis.data.delete(`p:s:${room}`),
  'Redis refuses writes'(world) {
    world.redis.data.refusesWrites = true
    world.clock.after(world.clock.random() * 3000, () => {
      world.redis.data.refusesWrites = false
    })
  },
}

const NAMES_OF_FAULTS = Object.keys(FAULTS)

/** Breaks something, which mends by itself. */
export function breakSomething(world: RoomsWorld): void {
  const fault = NAMES_OF_FAULTS[world.clock.pick(NAMES_OF_FAULTS.length)]!
  world.broken.set(fault, (world.broken.get(fault) ?? 0) + 1)
  FAULTS[fault]!(world, NAMES[world.clock.pick(NAMES.length)]!)
}

function soon({ clock }: RoomsWorld, ms: number): number {
  return clock.now() + clock.random() * ms
}

function nodeOf({ clock, nodes }: RoomsWorld): RoomsWorld['nodes'][number] {
  return nodes[clock.pick(nodes.length)]!
}

function linkOf(world: RoomsWorld): ReturnType<RoomsWorld['redis']['links']['get']> {
  return world.redis.links.get(nodeOf(world).name)
}

/** Every connection ends. What comes back is another Redis to whoever looks, whatever it has. */
function restart({ clock, redis }: RoomsWorld, change: () => void): void {
  redis.stop()
  change()
  redis.data.replicationId = Array.from({ length: 40 }, () => Math.floor(clock.random() * 16).toString(16)).join('')
  clock.after(clock.random() * 3000, () => redis.up())
}
