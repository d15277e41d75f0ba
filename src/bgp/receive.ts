import type { Family } from '../net/ip-address.ts'
import type { Negotiated } from '../wire/bgp/negotiate.ts'
import type { NlriList } from '../wire/bgp/nlri-list.ts'
import { scanUpdate } from '../wire/bgp/scan-update.ts'
import { type AttributeBlock, UpdateScan } from '../wire/bgp/update-scan.ts'
import type { PolicyNeighbor, RoutePolicy } from './policy.ts'
import { attributesOfBlock, blockOfAttributes, type RouteAttributes } from './route-attributes.ts'
import type { AttributeTable } from './rib/attribute-table.ts'
import { PATH_STATUS, type PathStatus } from './rib/path-state.ts'
import { prefixOfRow, prefixOfWords, type PrefixWords } from './rib/prefix-text.ts'
import { isMartian, liesWithin } from './rib/prefix-words.ts'
import type { Rib } from './rib/rib.ts'

/** What the import of routes must know of the session they come from. */
export interface ImportRules {
  readonly source: number
  readonly neighbor: PolicyNeighbor
  readonly context: Negotiated
  readonly remoteAs: number
  readonly internal: boolean
  readonly localAs: number
  readonly allowOwnAs: number
  readonly enforceFirstAs: boolean
  readonly routerId: number
  readonly clusterId: number
  /** Local address of the session. */
  readonly localAddress: Uint8Array
  /** Absent where the usual one holds. */
  readonly localPreference: number | undefined
  /** RFC 8212: there is no policy and there must be one. */
  readonly lacksPolicy: boolean
  readonly policy: RoutePolicy | undefined
  /** What routes are used to; undefined for anything. */
  readonly ranges: readonly PrefixWords[] | undefined
  /** Beyond it new prefixes are not taken; undefined without one. */
  readonly limit: ImportLimit | undefined
}

export interface ImportLimit {
  /** Paths of one family. */
  readonly maximum: number
  /** Announcements not taken, by family. */
  readonly refused: Record<Family, number>
}

export type Ribs = Readonly<Record<Family, Rib>>

/** Takes UPDATEs into the tables: the inbound hot path. */
export class RouteReceiver {
  readonly scan = new UpdateScan()
  readonly #ribs: Ribs
  readonly #attributes: AttributeTable
  /** Attributes decoded last, for policies; forgotten before their number may mean others. */
  #decodedSet = -1
  #decoded: RouteAttributes | undefined

  constructor(ribs: Ribs) {
    this.#ribs = ribs
    this.#attributes = ribs[4].attributes
  }

  /**
   * One UPDATE, whole in `octets[start, end)`. Faults and End-of-RIB are left in {@link scan}.
   * @throws BgpError where the session is to be reset
   */
  receive(rules: ImportRules, octets: Uint8Array, start: number, end: number): void {
    const { scan } = this
    scanUpdate(octets, start, end, rules.context, scan)
    if (scan.withdrawn.count > 0) this.#withdraw(rules, scan.withdrawn)
    if (scan.mpWithdrawn.count > 0) this.#withdraw(rules, scan.mpWithdrawn)
    if (scan.announced.count > 0) this.#announce(rules, scan.announced, scan.block)
    if (scan.mpAnnounced.count > 0) this.#announce(rules, scan.mpAnnounced, scan.mpBlock)
  }

  #withdraw(rules: ImportRules, list: NlriList): void {
    const rib = this.#ribs[list.family]
    const { stride } = rib.prefixes
    for (let at = 0; at < list.count; at++) {
      rib.withdraw(list.words, at * stride, list.lengths[at]!, rules.source, list.pathIds[at]!)
    }
  }

  #announce(rules: ImportRules, list: NlriList, block: AttributeBlock): void {
    const set = this.#attributes.intern(block.octets, block.start, block.end)
    if (this.#isForeignPath(rules, set)) this.#withdraw(rules, list)
    else if (rules.policy !== undefined || rules.localPreference !== undefined) {
      this.#announceByPolicy(rules, list, set)
    } else {
      const rib = this.#ribs[list.family]
      const { stride } = rib.prefixes
      const { words, lengths, pathIds, count } = list
      const { source } = rules
      const ofPath = this.statusOf(rules, set)
      for (let at = 0; at < count; at++) {
        if (isRefused(rules, rib, list, at)) continue
        const length = lengths[at]!
        const status = ofPath || statusOfPrefix(rules, words, at * stride, stride, length)
        rib.update(words, at * stride, length, source, pathIds[at]!, set, set, status)
      }
    }
    this.#attributes.release(set)
  }

  /** RFC 4271 section 6.3: the leftmost AS is not the neighbor's; treated as withdraw by RFC 7606. */
  #isForeignPath({ internal, enforceFirstAs, remoteAs }: ImportRules, set: number): boolean {
    return !internal && enforceFirstAs && this.#attributes.firstAses[set] !== remoteAs
  }

  /** Whether a path with these attributes from this neighbor can be used, before any policy. */
  statusOf(rules: ImportRules, set: number): PathStatus {
    const table = this.#attributes
    const own =
      rules.localAs === table.localAs
        ? table.localAsCounts[set]!
        : table.countAs(set, rules.localAs)
    if (own > rules.allowOwnAs) return PATH_STATUS.ownAsInPath
    if (rules.internal) {
      if (table.originatorIds[set] === rules.routerId) return PATH_STATUS.ownOriginator
      if (table.hasCluster(set, rules.clusterId)) return PATH_STATUS.ownCluster
    }
    if (rules.lacksPolicy) return PATH_STATUS.noPolicy
    return this.#isOwnNextHop(rules, set) ? PATH_STATUS.ownNextHop : PATH_STATUS.eligible
  }

  /** RFC 4271 section 5.1.3: a next hop must not be an address of the receiver. */
  #isOwnNextHop({ localAddress }: ImportRules, set: number): boolean {
    const table = this.#attributes
    const size = localAddress.length
    if (table.nextHopSizes[set]! < size) return false
    const at = table.offsets[set]! + table.nextHopAts[set]!
    for (let octet = 0; octet < size; octet++) {
      if (table.octets[at + octet] !== localAddress[octet]) return false
    }
    return true
  }

  #announceByPolicy(rules: ImportRules, list: NlriList, received: number): void {
    this.#decoded = undefined
    const rib = this.#ribs[list.family]
    const { stride } = rib.prefixes
    for (let at = 0; at < list.count; at++) {
      if (isRefused(rules, rib, list, at)) continue
      const words = at * stride
      const length = list.lengths[at]!
      const prefix = prefixOfWords(list.words, words, stride, length)
      const result = this.#applied(rules, list.family, prefix, received)
      const { source } = rules
      const pathId = list.pathIds[at]!
      const status = result.status || statusOfPrefix(rules, list.words, words, stride, length)
      rib.update(list.words, words, length, source, pathId, received, result.set, status)
      this.#attributes.release(result.set)
    }
  }

  /** Applies the rules again to a path that is in the RIB, because they changed. */
  reapply(rules: ImportRules, rib: Rib, path: number): void {
    this.#decoded = undefined
    const row = rib.pathPrefixes[path]!
    const { prefixes } = rib
    const received = rib.pathReceived[path]!
    const flags = rib.pathFlags[path]!
    const result = this.#applied(rules, rib.family, prefixOfRow(prefixes, row), received)
    const { set } = result
    const pathId = rib.pathIds[path]!
    const { words, stride } = prefixes
    const at = row * stride
    const length = prefixes.lengths[row]!
    const status = result.status || statusOfPrefix(rules, words, at, stride, length)
    rib.update(words, at, length, rules.source, pathId, received, set, status)
    rib.pathFlags[path] = flags
    this.#attributes.release(set)
  }

  /** Attributes (with one more user) and status of a received path after local preference and policy. */
  #applied(
    rules: ImportRules,
    family: Family,
    prefix: ReturnType<typeof prefixOfWords>,
    received: number,
  ): { set: number; status: PathStatus } {
    const table = this.#attributes
    const status = this.statusOf(rules, received)
    const decoded = this.#decode(received)
    const { localPreference, policy, neighbor } = rules
    const attributes =
      localPreference === undefined || decoded.localPreference !== undefined
        ? decoded
        : { ...decoded, localPreference }
    const verdict =
      policy === undefined
        ? ({ accept: true } as const)
        : policy({ prefix, attributes, from: neighbor, neighbor })
    if (!verdict.accept) {
      table.retain(received)
      return { set: received, status: status || PATH_STATUS.rejectedByPolicy }
    }
    const result = verdict.attributes ?? attributes
    if (result === decoded) {
      table.retain(received)
      return { set: received, status }
    }
    const block = blockOfAttributes(result, family)
    return { set: table.intern(block, 0, block.length), status }
  }

  #decode(set: number): RouteAttributes {
    if (this.#decoded === undefined || this.#decodedSet !== set) {
      this.#decoded = attributesOfBlock(this.#attributes.block(set))
      this.#decodedSet = set
    }
    return this.#decoded
  }
}

/** Counts a new path of a neighbor that has as many as it may have; one that replaces another is taken. */
function isRefused({ limit, source }: ImportRules, rib: Rib, list: NlriList, at: number): boolean {
  if (limit === undefined || (rib.counts[source] ?? 0) < limit.maximum) return false
  const { prefixes } = rib
  const row = prefixes.find(list.words, at * prefixes.stride, list.lengths[at]!)
  if (row >= 0 && rib.findPath(row, source, list.pathIds[at]!) >= 0) return false
  limit.refused[list.family]++
  return true
}

/** Whether routes to a prefix, in `words[at]`, can be used at all, whatever their attributes. */
function statusOfPrefix(
  { ranges }: ImportRules,
  words: Uint32Array,
  at: number,
  stride: 1 | 4,
  length: number,
): PathStatus {
  if (isMartian(words, at, stride, length)) return PATH_STATUS.martian
  if (ranges === undefined) return PATH_STATUS.eligible
  for (let n = 0; n < ranges.length; n++) {
    if (liesWithin(words, at, stride, length, ranges[n]!)) return PATH_STATUS.eligible
  }
  return PATH_STATUS.outsideRanges
}
