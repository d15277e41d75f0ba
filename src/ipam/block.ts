import { UserError } from '../lib/errors.ts'
import { addressOctets, addressFromOctets, type IpAddress } from '../net/ip-address.ts'
import { type Prefix, prefixAddress, prefixFamily, prefixLength } from '../net/prefix.ts'
import type { Attributes } from './requests.ts'

/**
 * A range of addresses and who has which, as Calico keeps it. An address is its ordinal: its distance
 * from the first address of the block. All of them can be given out, the first and the last too.
 */
export interface Block {
  readonly cidr: Prefix
  /** "host:<node>", or null if the block belongs to nobody. */
  readonly affinity: string | null
  /** RFC 3339. */
  readonly affinityClaimTime: string | undefined
  /** By ordinal: index into `attributes`, or null if free. */
  readonly allocations: readonly (number | null)[]
  /** Free ordinals, the next to give out first: those freed last come last. */
  readonly unallocated: readonly number[]
  /** Each once, however many ordinals share it. */
  readonly attributes: readonly AllocationAttributes[]
  /** Of the next write. */
  readonly sequenceNumber: bigint
  /** By ordinal in decimal: the sequence number of the write that gave it out. */
  readonly sequenceNumberForAllocation: Readonly<Record<string, bigint>>
  /** Fields that this program does not know, kept. */
  readonly rest: Readonly<Record<string, unknown>>
}

export interface AllocationAttributes {
  readonly handle: string | undefined
  readonly secondary: Attributes
  /** RFC 3339: the address was released then, and waits to be free. */
  readonly releasedAt: string | undefined
  readonly rest: Readonly<Record<string, unknown>>
}

/** One address given out. */
export interface Allocation {
  readonly address: IpAddress
  readonly block: Prefix
  /** The node that the block belongs to; not always the one that uses the address. */
  readonly blockNode: string | undefined
  readonly handle: string | undefined
  readonly attributes: Attributes
  readonly sequenceNumber: bigint | undefined
}

/** Addresses that Calico keeps for Windows hosts; a block with no others counts as empty. */
const WINDOWS_RESERVED = 'windows-reserved-ipam-handle'

/** Most addresses of a block: /20 or /116, as an IP pool allows. */
export const MOST_ADDRESSES_OF_BLOCK = 4096

export function hostAffinity(node: string): string {
  return `host:${node}`
}

/** The node that the block belongs to. */
export function nodeOf(block: Block): string | undefined {
  return block.affinity?.startsWith('host:') === true ? block.affinity.slice(5) : undefined
}

export function newBlock(options: {
  readonly cidr: Prefix
  readonly node: string
  /** RFC 3339. */
  readonly claimTime: string
  /** Not one of an earlier block of the same range: nanoseconds since 1970 now. */
  readonly sequenceNumber: bigint
}): Block {
  const size = blockSize(options.cidr)
  return {
    cidr: options.cidr,
    affinity: hostAffinity(options.node),
    affinityClaimTime: options.claimTime,
    allocations: Array.from({ length: size }, () => null),
    unallocated: Array.from({ length: size }, (_, ordinal) => ordinal),
    attributes: [],
    sequenceNumber: options.sequenceNumber,
    sequenceNumberForAllocation: {},
    rest: {},
  }
}

/** Addresses of a block. Throws UserError if there are more than 4096. */
export function blockSize(cidr: Prefix): number {
  const bits = (prefixFamily(cidr) === 4 ? 32 : 128) - prefixLength(cidr)
  const size = 2 ** bits
  if (size > MOST_ADDRESSES_OF_BLOCK) {
    throw new UserError(
      `block ${cidr} is too large: expected at most ${MOST_ADDRESSES_OF_BLOCK} addresses (/20 or /116)`,
    )
  }
  return size
}

/** Distance of an address of the block from its first. */
export function ordinalOf(block: { readonly cidr: Prefix }, address: IpAddress): number {
  const octets = addressOctets(address)
  const first = addressOctets(prefixAddress(block.cidr))
  // At most 4096 addresses: the last two octets tell.
  const [high, low] = [octets.length - 2, octets.length - 1]
  return (octets[high]! - first[high]!) * 256 + octets[low]! - first[low]!
}

/** The reverse of {@link ordinalOf}. */
export function addressOf(block: { readonly cidr: Prefix }, ordinal: number): IpAddress {
  const octets = addressOctets(prefixAddress(block.cidr))
  const low = octets.length - 1
  const sum = octets[low - 1]! * 256 + octets[low]! + ordinal
  octets[low - 1] = sum >> 8
  octets[low] = sum & 255
  return addressFromOctets(octets)
}

/** Whether nobody has an address of the block. */
export function isEmpty(block: Block): boolean {
  return block.allocations.every(
    (index) => index === null || block.attributes[index]?.handle === WINDOWS_RESERVED,
  )
}

/** Everything given out of the block, in order of address; what was released and waits is left out. */
export function allocationsOf(block: Block): Allocation[] {
  return block.allocations.flatMap((index, ordinal) => {
    const attributes = index === null ? undefined : block.attributes[index]
    if (attributes === undefined || attributes.releasedAt !== undefined) return []
    return [
      {
        address: addressOf(block, ordinal),
        block: block.cidr,
        blockNode: nodeOf(block),
        handle: attributes.handle,
        attributes: attributes.secondary,
        sequenceNumber: block.sequenceNumberForAllocation[ordinal],
      },
    ]
  })
}
