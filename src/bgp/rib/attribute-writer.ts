import { AS_SEGMENT, AS_TRANS, ATTRIBUTE, FLAG } from '../../wire/bgp/iana.ts'
import { type AttributeTable, DEFAULT_LOCAL_PREFERENCE } from './attribute-table.ts'
import type { ExportRules } from './export-rules.ts'
import { SOURCE_KIND, type SourceKind } from './sources.ts'

/** What of the route's origin changes its attributes on the way out. */
export interface ExportedFrom {
  readonly kind: SourceKind
  /** Router id of the neighbor it came from, for ORIGINATOR_ID. */
  readonly routerId: number
  /** MED stays towards external neighbors too: the route is ours or a policy set it. */
  readonly keepMed: boolean
}

/** Room that an attribute block may need beyond its own size when it is written for a neighbor. */
const GROWTH_OCTETS_MAX = 64

/**
 * Writes sets of attributes as a group of neighbors is to see them: RFC 4271 section 5 (what crosses an
 * AS border), 4456 (reflection), 6793 (old speakers). One copy from block to block, attribute by
 * attribute, nothing decoded. The next hop is told apart, since IPv6 has it in MP_REACH_NLRI.
 */
export class AttributeWriter {
  octets = new Uint8Array(1 << 13)
  /** End of what the last {@link write} wrote, from 0. */
  end = 0
  /** The next hop of the last set: 0 octets if the neighbor can be given none. */
  nextHop = new Uint8Array(32)
  nextHopSize = 0

  readonly #table: AttributeTable
  readonly #rules: ExportRules

  constructor(table: AttributeTable, rules: ExportRules) {
    this.#table = table
    this.#rules = rules
  }

  /** Writes all attributes but the next hop. */
  write(id: number, from: ExportedFrom): void {
    const table = this.#table
    const size = table.sizes[id]!
    const room = size * 2 + GROWTH_OCTETS_MAX
    if (this.octets.length < room) this.octets = new Uint8Array(room)
    this.#chooseNextHop(id, from)
    this.end = 0
    const { external } = this.#rules
    const reflects = !external && from.kind === SOURCE_KIND.internal
    const source = table.octets
    let at = table.offsets[id]!
    const end = at + size
    // Attributes that are added go where their type belongs; these say which are still to come.
    let wantsPreference = !external
    let wantsOriginator = reflects
    let wantsCluster = reflects
    while (at < end) {
      const isLong = (source[at]! & FLAG.extendedLength) !== 0
      const code = source[at + 1]!
      const valueAt = at + (isLong ? 4 : 3)
      const length = isLong ? (source[at + 2]! << 8) | source[at + 3]! : source[at + 2]!
      const next = valueAt + length
      if (wantsPreference && code >= ATTRIBUTE.localPref) {
        wantsPreference = false
        if (code !== ATTRIBUTE.localPref) this.#u32(FLAG.transitive, ATTRIBUTE.localPref, DEFAULT_LOCAL_PREFERENCE)
      }
      if (wantsOriginator && code >= ATTRIBUTE.originatorId) {
        wantsOriginator = false
        if (code !== ATTRIBUTE.originatorId) {
          this.#u32(FLAG.optional, ATTRIBUTE.originatorId, from.routerId)
        }
      }
      if (wantsCluster && code >= ATTRIBUTE.clusterList) {
        wantsCluster = false
        const isThere = code === ATTRIBUTE.clusterList
        this.#clusterList(source, valueAt, isThere ? length : 0)
        if (isThere) {
          at = next
          continue
        }
      }
      switch (code) {
        case ATTRIBUTE.nextHop:
        case ATTRIBUTE.mpReachNlri:
          break
        case ATTRIBUTE.asPath:
          this.#asPath(source, valueAt, length)
          break
        case ATTRIBUTE.multiExitDisc:
          // RFC 4271 section 5.1.4: not passed on to other ASes.
          if (!external || from.keepMed) this.#copy(source, at, next)
          break
        case ATTRIBUTE.localPref:
        case ATTRIBUTE.originatorId:
        case ATTRIBUTE.clusterList:
          if (!external) this.#copy(source, at, next)
          break
        case ATTRIBUTE.aggregator:
          if (this.#rules.fourOctetAs) this.#copy(source, at, next)
          else this.#narrowAggregator(source, valueAt)
          break
        default:
          this.#copy(source, at, next)
      }
      at = next
    }
    if (wantsPreference) this.#u32(FLAG.transitive, ATTRIBUTE.localPref, DEFAULT_LOCAL_PREFERENCE)
    if (wantsOriginator) this.#u32(FLAG.optional, ATTRIBUTE.originatorId, from.routerId)
    if (wantsCluster) this.#clusterList(source, 0, 0)
    if (!this.#rules.fourOctetAs) this.#as4(id)
  }

  /** Whether the neighbor can be given a next hop for the set; cheap, writes nothing. */
  #chooseNextHop(id: number, from: ExportedFrom): void {
    const { external, nextHop: mode, localAddress } = this.#rules
    const table = this.#table
    const at = table.offsets[id]! + table.nextHopAts[id]!
    const size = table.nextHopSizes[id]!
    const isOwn = from.kind === SOURCE_KIND.own
    const isUnset = isUnspecified(table.octets, at, size)
    // iBGP keeps what it heard (RFC 4271 section 5.1.3); an address set on our own route is kept there too.
    const keeps = mode === 'keep' || (mode === 'auto' && !external)
    if (keeps && !isUnset && size > 0) {
      for (let octet = 0; octet < size; octet++) this.nextHop[octet] = table.octets[at + octet]!
      // A link-local address means nothing beyond the link it was heard on.
      this.nextHopSize = size === 32 && !isOwn ? 16 : size
    } else {
      this.nextHop.set(localAddress)
      this.nextHopSize = localAddress.length
    }
  }

  #copy(source: Uint8Array, start: number, end: number): void {
    const own = this.octets
    let to = this.end
    for (let at = start; at < end; at++) own[to++] = source[at]!
    this.end = to
  }

  #u32(flags: number, code: number, value: number): void {
    const own = this.octets
    const at = this.end
    own[at] = flags
    own[at + 1] = code
    own[at + 2] = 4
    putWord(own, at + 3, value)
    this.end = at + 7
  }

  #head(flags: number, code: number, size: number): void {
    const own = this.octets
    let at = this.end
    const isLong = size > 255
    own[at++] = isLong ? flags | FLAG.extendedLength : flags
    own[at++] = code
    if (isLong) own[at++] = size >>> 8
    own[at++] = size
    this.end = at
  }

  #clusterList(source: Uint8Array, at: number, size: number): void {
    this.#head(FLAG.optional, ATTRIBUTE.clusterList, size + 4)
    putWord(this.octets, this.end, this.#rules.clusterId)
    this.end += 4
    this.#copy(source, at, at + size)
  }

  #asPath(source: Uint8Array, at: number, size: number): void {
    const { external, localAs, fourOctetAs } = this.#rules
    const own = this.octets
    const start = this.end
    const isJoined =
      external && size > 0 && source[at] === AS_SEGMENT.sequence && source[at + 1]! < 255
    const added = external ? (isJoined ? 4 : 6) : 0
    if (!fourOctetAs) return this.#narrowAsPath(source, at, size, isJoined)
    this.#head(FLAG.transitive, ATTRIBUTE.asPath, size + added)
    if (external) {
      own[this.end] = AS_SEGMENT.sequence
      own[this.end + 1] = isJoined ? source[at + 1]! + 1 : 1
      putWord(own, this.end + 2, localAs)
      this.end += 6
    }
    this.#copy(source, isJoined ? at + 2 : at, at + size)
    if (this.end - start > own.length) throw new RangeError('AS_PATH larger than its room')
  }

  /** RFC 6793 section 4.2.2: two octets each, AS_TRANS for what does not fit. */
  #narrowAsPath(source: Uint8Array, at: number, size: number, isJoined: boolean): void {
    const { external, localAs } = this.#rules
    const own = this.octets
    const header = this.end
    let to = header + 4
    let from = at
    if (external) {
      own[to] = AS_SEGMENT.sequence
      own[to + 1] = isJoined ? source[at + 1]! + 1 : 1
      to = putAs(own, to + 2, localAs)
    }
    let isFirst = true
    while (from < at + size) {
      const count = source[from + 1]!
      if (!isFirst || !isJoined) {
        own[to++] = source[from]!
        own[to++] = count
      }
      isFirst = false
      from += 2
      for (let index = 0; index < count; index++, from += 4) {
        to = putAs(own, to, wordAt(source, from))
      }
    }
    const length = to - header - 4
    own[header] = FLAG.transitive | FLAG.extendedLength
    own[header + 1] = ATTRIBUTE.asPath
    own[header + 2] = length >>> 8
    own[header + 3] = length
    this.end = to
  }

  #narrowAggregator(source: Uint8Array, at: number): void {
    this.#head(FLAG.optional | FLAG.transitive, ATTRIBUTE.aggregator, 6)
    this.end = putAs(this.octets, this.end, wordAt(source, at))
    this.#copy(source, at + 4, at + 8)
  }

  /** AS4_PATH and AS4_AGGREGATOR for what AS_TRANS hides. */
  #as4(id: number): void {
    const { octets: source, offsets, sizes } = this.#table
    const { external, localAs } = this.#rules
    let at = offsets[id]!
    const end = at + sizes[id]!
    while (at < end) {
      const isLong = (source[at]! & FLAG.extendedLength) !== 0
      const code = source[at + 1]!
      const valueAt = at + (isLong ? 4 : 3)
      const length = isLong ? (source[at + 2]! << 8) | source[at + 3]! : source[at + 2]!
      if (code === ATTRIBUTE.asPath) {
        const isWide = (external && localAs > 0xffff) || hasWideAs(source, valueAt, length)
        if (isWide) this.#as4Path(source, valueAt, length)
      } else if (code === ATTRIBUTE.aggregator && wordAt(source, valueAt) > 0xffff) {
        this.#head(FLAG.optional | FLAG.transitive, ATTRIBUTE.as4Aggregator, 8)
        this.#copy(source, valueAt, valueAt + 8)
      }
      at = valueAt + length
    }
  }

  #as4Path(source: Uint8Array, at: number, size: number): void {
    const { external, localAs } = this.#rules
    this.#head(FLAG.optional | FLAG.transitive, ATTRIBUTE.as4Path, size + (external ? 6 : 0))
    if (external) {
      this.octets[this.end] = AS_SEGMENT.sequence
      this.octets[this.end + 1] = 1
      putWord(this.octets, this.end + 2, localAs)
      this.end += 6
    }
    this.#copy(source, at, at + size)
  }
}

function isUnspecified(octets: Uint8Array, at: number, size: number): boolean {
  for (let index = at; index < at + Math.min(16, size); index++) {
    if (octets[index] !== 0) return false
  }
  return true
}

function hasWideAs(octets: Uint8Array, start: number, size: number): boolean {
  let at = start
  while (at < start + size) {
    const count = octets[at + 1]!
    at += 2
    for (let index = 0; index < count; index++, at += 4) {
      if (octets[at] !== 0 || octets[at + 1] !== 0) return true
    }
  }
  return false
}

function wordAt(octets: Uint8Array, at: number): number {
  return (
    ((octets[at]! << 24) | (octets[at + 1]! << 16) | (octets[at + 2]! << 8) | octets[at + 3]!) >>> 0
  )
}

function putWord(octets: Uint8Array, at: number, value: number): void {
  octets[at] = value >>> 24
  octets[at + 1] = value >>> 16
  octets[at + 2] = value >>> 8
  octets[at + 3] = value
}

/** Two octets of an AS number; the place after them. */
function putAs(octets: Uint8Array, at: number, as: number): number {
  const shown = as > 0xffff ? AS_TRANS : as
  octets[at] = shown >>> 8
  octets[at + 1] = shown
  return at + 2
}
