import { attributeEnd, attributeValueStart } from './attribute-header.ts'
import { get32 } from '../../lib/octets.ts'
import { AS_SEGMENT, ATTRIBUTE, WELL_KNOWN_COMMUNITY } from './iana.ts'

/** Communities that the speaker itself acts on, as bits. */
export const COMMUNITY_BIT = {
  noExport: 1,
  noAdvertise: 2,
  noExportSubconfed: 4,
  llgrStale: 8,
  noLlgr: 16,
  gracefulShutdown: 32,
} as const

/**
 * What the decision process and the export rules must know of an attribute block, as numbers; one object
 * for many blocks. Places (…Start, …End) are in the octets that were read.
 */
export class PathFacts {
  /** ORIGIN: 0, 1 or 2. */
  origin = 2
  /** Hops: a set counts as one. */
  asPathLength = 0
  /** The leftmost AS number if the path begins with a sequence, else 0: the neighboring AS for MED. */
  firstAs = 0
  /** The rightmost AS number if the path ends with a sequence, else 0. */
  originAs = 0
  /** -1 without MULTI_EXIT_DISC. */
  multiExitDisc = -1
  /** -1 without LOCAL_PREF. */
  localPref = -1
  /** The BGP identifier of the originator; 0 without ORIGINATOR_ID. */
  originatorId = 0
  /** Cluster identifiers in CLUSTER_LIST. */
  clusterListLength = 0
  /** COMMUNITY_BIT of those that are there. */
  communityBits = 0
  /** Octets of the next hop: 4, 16 or 32; 0 if there is none. */
  nextHopLength = 0
  nextHopStart = 0
  asPathStart = 0
  asPathEnd = 0
  clusterListStart = 0
  clusterListEnd = 0
  communitiesStart = 0
  communitiesEnd = 0

  clear(): void {
    this.origin = 2
    this.asPathLength = this.firstAs = this.originAs = 0
    this.multiExitDisc = this.localPref = -1
    this.originatorId = this.clusterListLength = this.communityBits = 0
    this.nextHopLength = this.nextHopStart = 0
    this.asPathStart = this.asPathEnd = 0
    this.clusterListStart = this.clusterListEnd = 0
    this.communitiesStart = this.communitiesEnd = 0
  }
}

/** Reads the facts of a block that `scanUpdate` or `encodeAttributeBlock` made; nothing is checked again. */
export function readPathFacts(
  octets: Uint8Array,
  start: number,
  end: number,
  into: PathFacts,
): void {
  into.clear()
  let at = start
  while (at < end) {
    const code = octets[at + 1]!
    const valueStart = attributeValueStart(octets, at)
    at = attributeEnd(octets, at)
    switch (code) {
      case ATTRIBUTE.origin:
        into.origin = octets[valueStart]!
        break
      case ATTRIBUTE.asPath:
        readPath(octets, valueStart, at, into)
        break
      case ATTRIBUTE.nextHop:
        into.nextHopStart = valueStart
        into.nextHopLength = 4
        break
      case ATTRIBUTE.mpReachNlri:
        into.nextHopStart = valueStart + 4
        into.nextHopLength = octets[valueStart + 3]!
        break
      case ATTRIBUTE.multiExitDisc:
        into.multiExitDisc = get32(octets, valueStart)
        break
      case ATTRIBUTE.localPref:
        into.localPref = get32(octets, valueStart)
        break
      case ATTRIBUTE.originatorId:
        into.originatorId = get32(octets, valueStart)
        break
      case ATTRIBUTE.clusterList:
        into.clusterListStart = valueStart
        into.clusterListEnd = at
        into.clusterListLength = (at - valueStart) >>> 2
        break
      case ATTRIBUTE.communities:
        into.communitiesStart = valueStart
        into.communitiesEnd = at
        into.communityBits = communityBits(octets, valueStart, at)
        break
      default:
    }
  }
}

function readPath(octets: Uint8Array, start: number, end: number, into: PathFacts): void {
  into.asPathStart = start
  into.asPathEnd = end
  let at = start
  while (at < end) {
    const isSequence = octets[at] === AS_SEGMENT.sequence
    const count = octets[at + 1]!
    if (at === start && isSequence) into.firstAs = get32(octets, at + 2)
    at += 2 + 4 * count
    into.asPathLength += isSequence ? count : 1
    into.originAs = isSequence ? get32(octets, at - 4) : 0
  }
}

function communityBits(octets: Uint8Array, start: number, end: number): number {
  let bits = 0
  for (let at = start; at < end; at += 4) {
    if (octets[at] !== 0xff || octets[at + 1] !== 0xff) continue
    bits |= communityBit(get32(octets, at))
  }
  return bits
}

function communityBit(community: number): number {
  switch (community) {
    case WELL_KNOWN_COMMUNITY.noExport:
      return COMMUNITY_BIT.noExport
    case WELL_KNOWN_COMMUNITY.noAdvertise:
      return COMMUNITY_BIT.noAdvertise
    case WELL_KNOWN_COMMUNITY.noExportSubconfed:
      return COMMUNITY_BIT.noExportSubconfed
    case WELL_KNOWN_COMMUNITY.llgrStale:
      return COMMUNITY_BIT.llgrStale
    case WELL_KNOWN_COMMUNITY.noLlgr:
      return COMMUNITY_BIT.noLlgr
    case WELL_KNOWN_COMMUNITY.gracefulShutdown:
      return COMMUNITY_BIT.gracefulShutdown
    default:
      return 0
  }
}
