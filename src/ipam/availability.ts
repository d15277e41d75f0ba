import { contains, covers, type Prefix, prefixFamily } from '../net/prefix.ts'
import { addressOf, type Block, blockSize, hostAffinity } from './block.ts'
import { blockRing } from './block-ring.ts'
import type { Terms } from './assigner.ts'
import type { Affinity, ListedBlock } from './ipam-store.ts'
import type { AutoAssignRequest } from './requests.ts'

/** What of a store decides whether a request for one address could be served. */
export interface Stock {
  readonly blocks: readonly ListedBlock[]
  /** The claims of the node. */
  readonly owned: readonly Affinity[]
  readonly terms: Terms
}

/** Why a request for one address would find none now; undefined if it would find one. */
export function shortageOf(
  { node, family, blocks: given }: AutoAssignRequest,
  { blocks, owned, terms }: Stock,
): string | undefined {
  if (given !== undefined) {
    const own = given.filter((cidr) => prefixFamily(cidr) === family)
    const present = new Map(blocks.map(({ cidr, block }) => [cidr, block]))
    const hasRoom = own.some((cidr) => hasRoomIn(present.get(cidr), cidr, terms))
    return hasRoom
      ? undefined
      : `No IPs available in the blocks of node ${node}: [${own.join(' ')}]`
  }
  const within = blocks.filter(({ cidr }) => terms.pools.some((pool) => covers(pool.cidr, cidr)))
  const usable = within.filter(({ block }) => isOwn(block, node) || !terms.strictAffinity)
  if (usable.some(({ block }) => block !== undefined && hasFree(block, terms))) return undefined
  if (!terms.autoAllocateBlocks)
    return 'no block of the node has a free address, and autoAllocateBlocks is off'
  if (owned.length >= terms.blockLimit) {
    return `no block of the node has a free address, and it owns ${owned.length} of at most ${terms.blockLimit}`
  }
  const present = new Set(blocks.map(({ cidr }) => cidr))
  const isFree = (cidr: Prefix): boolean =>
    !present.has(cidr) && !terms.reserved.some((range) => covers(range, cidr))
  const hasBlock = terms.pools.some((pool) => {
    for (const cidr of blockRing(pool.cidr, pool.blockSize, node)) if (isFree(cidr)) return true
    return false
  })
  const cidrs = terms.pools.map(({ cidr }) => cidr).join(' ')
  return hasBlock ? undefined : `No IPs available in pools: [${cidrs}]`
}

function isOwn(block: Block | undefined, node: string): boolean {
  return block?.affinity === hostAffinity(node)
}

/** As with host-local the first two addresses of such a block and the last are not for pods. */
function hasRoomIn(block: Block | undefined, cidr: Prefix, terms: Terms): boolean {
  const kept = [0, 1, blockSize(cidr) - 1]
  return block === undefined ? blockSize(cidr) > kept.length : hasFree(block, terms, kept)
}

function hasFree(block: Block, { reserved }: Terms, kept: readonly number[] = []): boolean {
  return block.unallocated.some(
    (ordinal) =>
      !kept.includes(ordinal) &&
      !reserved.some((range) => contains(range, addressOf(block, ordinal))),
  )
}
