import { isDeepStrictEqual } from 'node:util'
import type { IpAddress } from '../net/ip-address.ts'
import { addressOf, type AllocationAttributes, type Block, ordinalOf } from './block.ts'
import { IpamError } from './ipam-error.ts'
import type { Attributes, ReleaseRequest } from './requests.ts'

/** What a block looks like after a change, and whom the change concerned. */
export interface Assigned {
  readonly block: Block
  readonly addresses: readonly IpAddress[]
}

export interface Released {
  readonly block: Block
  /** Addresses that are free now, with the handle that had each. */
  readonly released: readonly { readonly address: IpAddress; readonly handle: string | undefined }[]
}

interface Owner {
  readonly handle: string
  readonly attributes: Attributes
}

/** Gives out up to `count` addresses that `allowed` allows, those longest free first. */
export function assignNext(
  block: Block,
  count: number,
  owner: Owner,
  allowed: (address: IpAddress) => boolean,
): Assigned {
  const chosen: number[] = []
  for (const ordinal of block.unallocated) {
    if (chosen.length === count) break
    if (allowed(addressOf(block, ordinal))) chosen.push(ordinal)
  }
  return assignOrdinals(block, chosen, owner)
}

/** Gives out one certain address. Throws IpamError "taken". */
export function assignAddress(block: Block, address: IpAddress, owner: Owner): Assigned {
  const ordinal = ordinalOf(block, address)
  if (!block.unallocated.includes(ordinal)) {
    const index = block.allocations[ordinal]
    const who = index === null || index === undefined ? undefined : block.attributes[index]?.handle
    throw new IpamError(
      'taken',
      `address ${address} is already assigned${who === undefined ? '' : ` to ${who}`}`,
    )
  }
  return assignOrdinals(block, [ordinal], owner)
}

function assignOrdinals(block: Block, chosen: readonly number[], owner: Owner): Assigned {
  if (chosen.length === 0) return { block, addresses: [] }
  const wanted: AllocationAttributes = {
    handle: owner.handle,
    secondary: owner.attributes,
    releasedAt: undefined,
    rest: {},
  }
  const found = block.attributes.findIndex(
    (present) => present.handle === wanted.handle && isDeepStrictEqual(present, wanted),
  )
  const index = found < 0 ? block.attributes.length : found
  const allocations = [...block.allocations]
  const sequenceNumbers = { ...block.sequenceNumberForAllocation }
  for (const ordinal of chosen) {
    allocations[ordinal] = index
    sequenceNumbers[ordinal] = block.sequenceNumber
  }
  return {
    block: {
      ...block,
      allocations,
      unallocated: block.unallocated.filter((ordinal) => !chosen.includes(ordinal)),
      attributes: found < 0 ? [...block.attributes, wanted] : block.attributes,
      sequenceNumberForAllocation: sequenceNumbers,
    },
    addresses: chosen.map((ordinal) => addressOf(block, ordinal)),
  }
}

/**
 * Frees addresses; those that nobody has are passed over. Throws IpamError "bad-handle" or "bad-sequence-number" if one of them has another
 * owner than the request says, or was given out anew: then none is freed.
 */
export function releaseAddresses(block: Block, requests: readonly ReleaseRequest[]): Released {
  const ordinals: number[] = []
  for (const request of requests) {
    const ordinal = ordinalOf(block, request.address)
    const index = block.allocations[ordinal]
    const attributes = index === null || index === undefined ? undefined : block.attributes[index]
    if (attributes === undefined || attributes.releasedAt !== undefined) continue
    demandOwner(block, ordinal, attributes, request)
    if (!ordinals.includes(ordinal)) ordinals.push(ordinal)
  }
  return releaseOrdinals(block, ordinals)
}

function demandOwner(
  block: Block,
  ordinal: number,
  attributes: AllocationAttributes,
  { address, handle, sequenceNumber }: ReleaseRequest,
): void {
  if (handle !== undefined && handle !== attributes.handle) {
    throw new IpamError(
      'bad-handle',
      `address ${address} belongs to handle ${attributes.handle ?? '(none)'}, not to ${handle}`,
    )
  }
  const stored = block.sequenceNumberForAllocation[ordinal]
  if (sequenceNumber !== undefined && sequenceNumber !== (stored ?? 0n)) {
    throw new IpamError(
      'bad-sequence-number',
      `address ${address} was given out again since: its sequence number is ${stored}, not ${sequenceNumber}`,
    )
  }
}

/** Frees everything that a handle has in the block. */
export function releaseHandle(block: Block, handle: string): Released {
  const ordinals = block.allocations.flatMap((index, ordinal) => {
    const attributes = index === null ? undefined : block.attributes[index]
    const held = attributes?.handle === handle && attributes.releasedAt === undefined
    return held ? [ordinal] : []
  })
  return releaseOrdinals(block, ordinals)
}

function releaseOrdinals(block: Block, ordinals: readonly number[]): Released {
  const released = ordinals.map((ordinal) => ({
    address: addressOf(block, ordinal),
    handle: block.attributes[block.allocations[ordinal]!]?.handle,
  }))
  return { block: freed(block, ordinals), released }
}

function freed(block: Block, ordinals: readonly number[]): Block {
  if (ordinals.length === 0) return block
  const allocations = [...block.allocations]
  const sequenceNumbers: Record<string, bigint> = { ...block.sequenceNumberForAllocation }
  for (const ordinal of ordinals) {
    allocations[ordinal] = null
    delete sequenceNumbers[ordinal]
  }
  return withoutUnusedAttributes({
    ...block,
    allocations,
    unallocated: [...block.unallocated, ...ordinals],
    sequenceNumberForAllocation: sequenceNumbers,
  })
}

/** Attributes that no address refers to go; the indices of the others move up. */
function withoutUnusedAttributes(block: Block): Block {
  const used = new Set(block.allocations)
  const moved = new Map<number, number>()
  const attributes = block.attributes.filter((_, index) => {
    if (!used.has(index)) return false
    moved.set(index, moved.size)
    return true
  })
  const allocations = block.allocations.map((index) => (index === null ? null : moved.get(index)!))
  return { ...block, attributes, allocations }
}

/**
 * Frees addresses that were released more than `cooldownSeconds` ago; newer Calico marks an address so,
 * and whoever reads the block next frees it.
 */
export function freeReleased(block: Block, now: number, cooldownSeconds: number): Block {
  const ordinals = block.allocations.flatMap((index, ordinal) => {
    const releasedAt = index === null ? undefined : block.attributes[index]?.releasedAt
    if (releasedAt === undefined) return []
    return Date.parse(releasedAt) + cooldownSeconds * 1000 < now ? [ordinal] : []
  })
  return freed(block, ordinals)
}
