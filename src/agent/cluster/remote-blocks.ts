import type { BlockOwners } from '../../ipam/block-owners.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import type { Prefix } from '../../net/prefix.ts'
import type { RemoteNode } from '../../routes/encapsulation.ts'

/** A prefix and the node that has it. */
type Owned = readonly [prefix: Prefix, node: string]

/** Blocks of other nodes and addresses that they borrowed, each with the node that packets for it go to. */
export class RemoteBlocks {
  readonly #ownNode: string
  /** By block: what it says. */
  readonly #owned = new Map<Prefix, readonly Owned[]>()
  readonly #ownerOf = new Map<Prefix, string>()
  readonly #prefixesOf = new Map<string, Set<Prefix>>()
  #nodes: ReadonlyMap<string, RemoteNode> = new Map()
  readonly #rows = new Map<Prefix, RemoteNode>()

  constructor(ownNode: string) {
    this.#ownNode = ownNode
  }

  /** As they are at any time. */
  get rows(): ReadonlyMap<Prefix, RemoteNode> {
    return this.#rows
  }

  /** Takes a block, or its deletion; returns the prefixes whose row changed. */
  setBlock(cidr: Prefix, owners: BlockOwners | undefined): readonly Prefix[] {
    const before = this.#owned.get(cidr) ?? []
    const after = owners === undefined ? [] : ownedOf(owners)
    for (const [prefix, node] of before) this.#disown(prefix, node)
    for (const [prefix, node] of after) this.#own(prefix, node)
    if (after.length === 0) this.#owned.delete(cidr)
    else this.#owned.set(cidr, after)
    const concerned = new Set([...before, ...after].map(([prefix]) => prefix))
    return [...concerned].filter((prefix) => this.#settle(prefix))
  }

  /** Takes all nodes; answers as {@link setBlock}. */
  setNodes(nodes: ReadonlyMap<string, RemoteNode>): readonly Prefix[] {
    const before = this.#nodes
    this.#nodes = nodes
    const changed = [...new Set([...before.keys(), ...nodes.keys()])].filter(
      (name) => !equalNodes(before.get(name), nodes.get(name)),
    )
    return changed
      .flatMap((name) => [...(this.#prefixesOf.get(name) ?? [])])
      .filter((prefix) => this.#settle(prefix))
  }

  /** Forgets all blocks; answers as {@link setBlock}. */
  clear(): readonly Prefix[] {
    return [...this.#owned.keys()].flatMap((cidr) => this.setBlock(cidr, undefined))
  }

  #own(prefix: Prefix, node: string): void {
    this.#ownerOf.set(prefix, node)
    const prefixes = this.#prefixesOf.get(node) ?? new Set()
    this.#prefixesOf.set(node, prefixes.add(prefix))
  }

  #disown(prefix: Prefix, node: string): void {
    this.#ownerOf.delete(prefix)
    const prefixes = this.#prefixesOf.get(node)
    prefixes?.delete(prefix)
    if (prefixes?.size === 0) this.#prefixesOf.delete(node)
  }

  /** Whether the row of a prefix changed. */
  #settle(prefix: Prefix): boolean {
    const owner = this.#ownerOf.get(prefix)
    const isRemote = owner !== undefined && owner !== this.#ownNode
    const row = isRemote ? this.#nodes.get(owner) : undefined
    const before = this.#rows.get(prefix)
    if (row === undefined) return this.#rows.delete(prefix)
    this.#rows.set(prefix, row)
    return !equalNodes(before, row)
  }
}

function ownedOf({ cidr, node, borrowed }: BlockOwners): readonly Owned[] {
  const single = borrowed.map(({ prefix, node: user }): Owned => [prefix, user])
  return node === undefined ? single : [[cidr, node], ...single]
}

function equalNodes(a: RemoteNode | undefined, b: RemoteNode | undefined): boolean {
  const parts = (node: RemoteNode | undefined): readonly (IpAddress | undefined)[] =>
    node === undefined ? [] : [node.address, node.tunnelAddress]
  return parts(a).join() === parts(b).join()
}
