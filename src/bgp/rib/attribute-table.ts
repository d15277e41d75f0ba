import { get32 } from '../../lib/octets.ts'
import { COMMUNITY_BIT, PathFacts, readPathFacts } from '../../wire/bgp/path-facts.ts'
import { firstLength, grown, roomOf, withRoom } from './columns.ts'
import { RowIndex } from './row-index.ts'

/** What is known of a set of attributes without looking at its octets; bits of `traits`. */
export const TRAIT = { ...COMMUNITY_BIT, hasLocalPreference: 1 << 15 } as const

/** What every implementation takes for a route without LOCAL_PREF. */
export const DEFAULT_LOCAL_PREFERENCE = 100

/**
 * Sets of path attributes, each kept once with a number and a count of its users.
 *
 * A set is a block of octets as `scanUpdate` leaves it: whole attributes, AS numbers of four octets, the
 * next hop in NEXT_HOP or in an MP_REACH_NLRI without NLRI. Equal octets are the same set. What the
 * decision process reads stands beside the block in columns.
 */
export class AttributeTable {
  /** All blocks, one after another; {@link offsets} and {@link sizes} say where each is. */
  octets = new Uint8Array(1 << 12)
  offsets = new Uint32Array(firstLength(0))
  sizes = new Uint16Array(firstLength(1))
  users = new Uint32Array(firstLength(2))
  traits = new Uint16Array(firstLength(3))
  origins = new Uint8Array(firstLength(4))
  /** {@link DEFAULT_LOCAL_PREFERENCE} without LOCAL_PREF. */
  localPreferences = new Uint32Array(firstLength(5))
  meds = new Uint32Array(firstLength(6))
  /** As counted by RFC 4271 section 9.1.2.2 (a): a set is one, confederations are none. */
  asPathLengths = new Uint16Array(firstLength(7))
  /** Leftmost AS of the path, 0 if it is empty or begins with a set. */
  firstAses = new Uint32Array(firstLength(8))
  /** 0 without ORIGINATOR_ID. */
  originatorIds = new Uint32Array(firstLength(9))
  clusterListLengths = new Uint8Array(firstLength(10))
  /** Where the next hop is, from the start of the block; 0 if there is none. */
  nextHopAts = new Uint16Array(firstLength(11))
  /** 4, 16, or 32 with a link-local next hop. */
  nextHopSizes = new Uint8Array(firstLength(12))

  /** Occurrences of {@link localAs} in the AS_PATH. */
  localAsCounts = new Uint8Array(firstLength(13))
  /** Set before anything is interned. */
  localAs = 0
  readonly #facts = new PathFacts()
  /** Ids are below it. */
  idLimit = 0
  size = 0
  readonly #index = new RowIndex()
  /** Ids that every column has room for. */
  #room = 0
  /** First of the free ids, which are chained through `offsets`; -1 for none. */
  #free = -1
  #end = 0
  /** Free places in `octets` by size in units of 8 octets. */
  readonly #holes = new Map<number, number[]>()

  /**
   * The number of the set whose block is `octets[start, end)`, made if it is new. The caller
   * becomes one more user of it and calls {@link release} in the end.
   */
  intern(octets: Uint8Array, start: number, end: number): number {
    const hash = hashOf(octets, start, end)
    const slots = this.#index.partOf(hash)
    const mask = slots.length - 1
    for (let slot = hash & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const id = slots[slot]! - 1
      if (!this.#is(id, octets, start, end)) continue
      this.users[id]!++
      return id
    }
    const id = this.#add(octets, start, end)
    this.#index.insert(hash, id)
    this.size++
    return id
  }

  retain(id: number): void {
    this.users[id]!++
  }

  release(id: number): void {
    const users = --this.users[id]!
    if (users === 0) this.#remove(id)
  }

  /** How often an AS is in the AS_PATH. */
  countAs(id: number, as: number): number {
    const facts = this.#facts
    const offset = this.offsets[id]!
    readPathFacts(this.octets, offset, offset + this.sizes[id]!, facts)
    return countAs(this.octets, facts.asPathStart, facts.asPathEnd, as)
  }

  /** Whether CLUSTER_LIST has a cluster. */
  hasCluster(id: number, clusterId: number): boolean {
    if (this.clusterListLengths[id] === 0) return false
    const facts = this.#facts
    const offset = this.offsets[id]!
    readPathFacts(this.octets, offset, offset + this.sizes[id]!, facts)
    for (let at = facts.clusterListStart; at < facts.clusterListEnd; at += 4) {
      if (get32(this.octets, at) === clusterId) return true
    }
    return false
  }

  /** A view on the block; valid until the next `intern`. */
  block(id: number): Uint8Array {
    const offset = this.offsets[id]!
    return this.octets.subarray(offset, offset + this.sizes[id]!)
  }

  #is(id: number, octets: Uint8Array, start: number, end: number): boolean {
    const size = end - start
    if (this.sizes[id] !== size) return false
    const own = this.octets
    const offset = this.offsets[id]!
    for (let at = 0; at < size; at++) {
      if (own[offset + at] !== octets[start + at]) return false
    }
    return true
  }

  #add(octets: Uint8Array, start: number, end: number): number {
    const id = this.#freeId()
    const size = end - start
    const offset = this.#place(size)
    const own = this.octets
    for (let at = 0; at < size; at++) own[offset + at] = octets[start + at]!
    this.offsets[id] = offset
    this.sizes[id] = size
    this.users[id] = 1
    this.#read(id)
    return id
  }

  #freeId(): number {
    const free = this.#free
    if (free >= 0) {
      this.#free = this.offsets[free]! | 0
      return free
    }
    const id = this.idLimit++
    if (id >= this.#room) this.#grow(id + 1)
    return id
  }

  #grow(ids: number): void {
    this.offsets = withRoom(this.offsets, ids)
    this.sizes = withRoom(this.sizes, ids)
    this.users = withRoom(this.users, ids)
    this.traits = withRoom(this.traits, ids)
    this.origins = withRoom(this.origins, ids)
    this.localPreferences = withRoom(this.localPreferences, ids)
    this.meds = withRoom(this.meds, ids)
    this.asPathLengths = withRoom(this.asPathLengths, ids)
    this.firstAses = withRoom(this.firstAses, ids)
    this.originatorIds = withRoom(this.originatorIds, ids)
    this.clusterListLengths = withRoom(this.clusterListLengths, ids)
    this.nextHopAts = withRoom(this.nextHopAts, ids)
    this.nextHopSizes = withRoom(this.nextHopSizes, ids)
    this.localAsCounts = withRoom(this.localAsCounts, ids)
    const { offsets, sizes, users, traits, origins, localPreferences, meds } = this
    const { asPathLengths, firstAses, originatorIds, clusterListLengths } = this
    const { nextHopAts, nextHopSizes, localAsCounts } = this
    this.#room = Math.min(
      roomOf(offsets, sizes, users, traits, origins, localPreferences, meds),
      roomOf(asPathLengths, firstAses, originatorIds, clusterListLengths),
      roomOf(nextHopAts, nextHopSizes, localAsCounts),
    )
  }

  #place(size: number): number {
    const units = (size + 7) >>> 3
    const hole = this.#holes.get(units)?.pop()
    if (hole !== undefined) return hole
    const offset = this.#end
    this.#end += units * 8
    if (this.#end > this.octets.length) {
      const { length } = this.octets
      // Doubling costs a copy of all; beyond some megabytes a quarter more is enough.
      const more = length < 1 << 23 ? length : length >>> 2
      this.octets = grown(this.octets, Math.max(this.#end, length + more))
    }
    return offset
  }

  #remove(id: number): void {
    this.#index.remove(id)
    this.size--
    const units = (this.sizes[id]! + 7) >>> 3
    const holes = this.#holes.get(units)
    if (holes === undefined) this.#holes.set(units, [this.offsets[id]!])
    else holes.push(this.offsets[id]!)
    this.offsets[id] = this.#free
    this.#free = id
    if (this.size === 0) this.#restart()
  }

  /** Nothing is left: the memory of holes is worth more than they are. */
  #restart(): void {
    this.#end = 0
    this.#holes.clear()
    this.#free = -1
    this.idLimit = 0
  }

  /** Fills the columns of a new set from its block, which is known to be well formed. */
  #read(id: number): void {
    const facts = this.#facts
    const offset = this.offsets[id]!
    readPathFacts(this.octets, offset, offset + this.sizes[id]!, facts)
    this.origins[id] = facts.origin
    this.localPreferences[id] = facts.localPref < 0 ? DEFAULT_LOCAL_PREFERENCE : facts.localPref
    this.meds[id] = facts.multiExitDisc < 0 ? 0 : facts.multiExitDisc
    this.asPathLengths[id] = facts.asPathLength
    this.firstAses[id] = facts.firstAs
    this.originatorIds[id] = facts.originatorId
    this.clusterListLengths[id] = facts.clusterListLength
    this.nextHopAts[id] = facts.nextHopLength === 0 ? 0 : facts.nextHopStart - offset
    this.nextHopSizes[id] = facts.nextHopLength
    const { asPathStart, asPathEnd } = facts
    this.localAsCounts[id] = countAs(this.octets, asPathStart, asPathEnd, this.localAs)
    this.traits[id] = facts.communityBits | (facts.localPref < 0 ? 0 : TRAIT.hasLocalPreference)
  }
}

/** FNV-1a, with a last mix because only the low bits choose the slot. */
function hashOf(octets: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ octets[at]!, 0x01000193)
  hash ^= hash >>> 15
  return Math.imul(hash, 0x2c1b3c6d) >>> 0
}

/** Occurrences of an AS in the segments `octets[start, end)`, numbers of four octets. */
function countAs(octets: Uint8Array, start: number, end: number, as: number): number {
  let found = 0
  let at = start
  while (at < end) {
    const next = at + 2 + 4 * octets[at + 1]!
    for (at += 2; at < next; at += 4) if (get32(octets, at) === as) found++
  }
  return Math.min(255, found)
}
