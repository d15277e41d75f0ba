import type { Clock } from '../../src/lib/clock.ts'
import { nodeOf } from '../../src/ipam/block.ts'
import { decodeBlock } from '../../src/ipam/block-codec.ts'
import type { Prefix } from '../../src/net/prefix.ts'
import { blockPrefix, parseBlockKey } from '../../src/model/ipam-keys.ts'
import type { Store, WatchEvent } from '../../src/store/store.ts'

export interface FormerOwner {
  readonly block: Prefix
  readonly node: string
  /** Virtual time at which it lost the block. */
  readonly since: number
}

/** Remembers who had a block before its owner of now, by following the store and deaths of machines. */
export class FormerOwners {
  readonly #clock: Clock
  readonly #owners = new Map<Prefix, string>()
  readonly #former = new Map<string, FormerOwner>()
  readonly #dead = new Map<string, number>()

  constructor(store: Store, clock: Clock) {
    this.#clock = clock
    store.watch(blockPrefix(4), 0, {
      onEvents: (events) => events.forEach((event) => this.#notice(event)),
      onEnd() {},
    })
  }

  died(node: string): void {
    this.#dead.set(node, this.#clock.now())
  }

  lives(node: string): void {
    this.#dead.delete(node)
  }

  /** Blocks of machines that are dead are lost to them when they die, whatever the store says. */
  list(): readonly FormerOwner[] {
    const dead = [...this.#owners].flatMap(([block, node]) => {
      const since = this.#dead.get(node)
      return since === undefined ? [] : [{ block, node, since }]
    })
    return [...this.#former.values(), ...dead]
  }

  #notice(event: WatchEvent): void {
    const key = event.kind === 'put' ? event.row.key : event.key
    const block = parseBlockKey(key)
    if (block === undefined) return
    const owner = event.kind === 'put' ? ownerIn(key, event.row.value) : undefined
    if (owner === 'unreadable') return
    const before = this.#owners.get(block)
    if (before === owner) return
    if (before !== undefined) {
      const since = this.#clock.now()
      this.#former.set(`${block} ${before}`, { block, node: before, since })
    }
    if (owner === undefined) this.#owners.delete(block)
    else {
      this.#owners.set(block, owner)
      this.#former.delete(`${block} ${owner}`)
    }
  }
}

/** A block that somebody spoilt is still whose it was. */
function ownerIn(key: string, value: string): string | undefined {
  try {
    return nodeOf(decodeBlock(key, value))
  } catch {
    return 'unreadable'
  }
}
