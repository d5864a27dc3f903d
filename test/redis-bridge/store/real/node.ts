// A node in a process of its own, as its parent holds it.

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ToldProcess } from '../../../support/told-process.ts'
import type { NodeCommand, NodeOptions, NodeState } from '../../rooms-node/words.ts'

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url))
const MAIN = `${ROOT}node_modules/.cache/redis-rooms-node/redis-bridge/rooms-node/main.js`

/** Builds what the processes run; nothing to do when it is up to date. */
export function buildRoomsNodes(): void {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-b', 'test/redis-bridge/rooms-node'], {
    cwd: ROOT,
  })
}

export class RoomsNode extends ToldProcess<NodeCommand> {
  port = 0
  /** It takes clients. */
  up = true

  static async start(options: NodeOptions): Promise<RoomsNode> {
    const node = new RoomsNode('a node', MAIN, options)
    node.port = (await node.tell({ do: 'port' })) as number
    return node
  }

  override tell(command: { do: 'stats' } & NodeCommand): Promise<NodeState>
  override tell(command: NodeCommand): Promise<unknown>
  override tell(command: NodeCommand): Promise<unknown> {
    return super.tell(command)
  }

  override kill(): Promise<void> {
    this.up = false
    return super.kill()
  }

  override terminate(): Promise<number | null> {
    this.up = false
    return super.terminate()
  }
}
