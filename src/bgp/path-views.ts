import { get32 } from '../lib/octets.ts'
import { addressFromOctets, ip, type IpAddress, ipv4FromNumber } from '../net/ip-address.ts'
import type { AttributeTable } from './rib/attribute-table.ts'
import { comparePaths, DECISION_STEPS } from './rib/decision.ts'
import { PATH_FLAG, PATH_STATUS, type PathStatus } from './rib/path-state.ts'
import { prefixOfRow } from './rib/prefix-text.ts'
import type { Rib } from './rib/rib.ts'
import { OWN_SOURCE, SOURCE_KIND, type SourceKind } from './rib/sources.ts'
import { attributesOfBlock, type RouteAttributes } from './route-attributes.ts'
import type { BestPath, DecisionReason, RibPath } from './status.ts'

const KINDS: Readonly<Record<SourceKind, BestPath['kind']>> = {
  [SOURCE_KIND.own]: 'own',
  [SOURCE_KIND.external]: 'external',
  [SOURCE_KIND.internal]: 'internal',
}

const INELIGIBLE: Readonly<Record<PathStatus, string | undefined>> = {
  [PATH_STATUS.eligible]: undefined,
  [PATH_STATUS.rejectedByPolicy]: 'rejected by the import policy',
  [PATH_STATUS.ownAsInPath]: 'the AS path contains our own AS',
  [PATH_STATUS.ownOriginator]: 'we are its originator (RFC 4456)',
  [PATH_STATUS.ownCluster]: 'the cluster list contains our cluster (RFC 4456)',
  [PATH_STATUS.ownNextHop]: 'the next hop is our own address',
  [PATH_STATUS.noPolicy]: 'there is no import policy (RFC 8212)',
  [PATH_STATUS.martian]: 'nobody has a route to such a prefix (RFC 7454 section 6.1.1)',
  [PATH_STATUS.outsideRanges]: 'it is outside the prefixes that the neighbor may announce',
}

/** What a set of attributes says. */
class Said {
  readonly #block: Uint8Array
  readonly nextHop: IpAddress
  #attributes: RouteAttributes | undefined

  constructor(block: Uint8Array, nextHop: IpAddress) {
    this.#block = block
    this.nextHop = nextHop
  }

  get attributes(): RouteAttributes {
    return (this.#attributes ??= attributesOfBlock(this.#block))
  }
}

/** One path; its attributes are decoded when somebody looks. */
class PathView implements BestPath {
  readonly #said: Said
  readonly from: IpAddress | undefined
  readonly kind: BestPath['kind']
  readonly stale: boolean

  constructor(said: Said, from: IpAddress | undefined, kind: BestPath['kind'], stale: boolean) {
    this.#said = said
    this.from = from
    this.kind = kind
    this.stale = stale
  }

  get nextHop(): IpAddress {
    return this.#said.nextHop
  }

  get attributes(): RouteAttributes {
    return this.#said.attributes
  }

  /** All of it in an object of its own. */
  fields(): BestPath {
    const { nextHop, from, kind, attributes, stale } = this
    return { nextHop, from, kind, attributes, stale }
  }
}

const UNSPECIFIED = ip('0.0.0.0')

/** Paths of the tables as objects, for those who look. */
export class PathViews {
  readonly #attributes: AttributeTable
  readonly #addressOf: (source: number) => IpAddress | undefined
  #lastSet = -1
  #lastSaid: Said | undefined

  constructor(attributes: AttributeTable, addressOf: (source: number) => IpAddress | undefined) {
    this.#attributes = attributes
    this.#addressOf = addressOf
  }

  /** To be called first: since the last time the tables may have changed. */
  begin(): void {
    this.#lastSet = -1
  }

  bestPath(rib: Rib, path: number): PathView {
    const source = rib.pathSources[path]!
    const stale = PATH_FLAG.stale | PATH_FLAG.longLivedStale
    return new PathView(
      this.#saidIn(rib.pathAttributes[path]!),
      source === OWN_SOURCE ? undefined : this.#addressOf(source),
      KINDS[rib.sources.kinds[source] as SourceKind],
      (rib.pathFlags[path]! & stale) !== 0,
    )
  }

  /** Reflectors tell the same of a route, one after the other. */
  #saidIn(set: number): Said {
    if (set !== this.#lastSet) {
      const { octets, offsets, sizes } = this.#attributes
      // A copy: the block may be another's before somebody looks, and most only want the next hop.
      const block = octets.slice(offsets[set], offsets[set]! + sizes[set]!)
      this.#lastSaid = new Said(block, this.#nextHopIn(block, set))
      this.#lastSet = set
    }
    return this.#lastSaid!
  }

  #nextHopIn(block: Uint8Array, set: number): IpAddress {
    const at = this.#attributes.nextHopAts[set]!
    if (at === 0) return UNSPECIFIED
    if (this.#attributes.nextHopSizes[set] === 4) return ipv4FromNumber(get32(block, at))
    // The first of two is the global one (RFC 2545 section 3).
    return addressFromOctets(
      block.subarray(at, at + Math.min(16, this.#attributes.nextHopSizes[set]!)),
    )
  }

  /** All paths of a row in order of preference, those that cannot be used last. */
  ribPaths(rib: Rib, row: number, used: readonly number[]): RibPath[] {
    const paths: number[] = []
    for (let path = rib.first[row]!; path >= 0; path = rib.pathNexts[path]!) paths.push(path)
    const best = rib.best[row]!
    const rank = (path: number): number =>
      path === best ? 0 : rib.pathStatus[path] === PATH_STATUS.eligible ? 1 : 2
    paths.sort((a, b) => rank(a) - rank(b) || comparePaths(rib, b, a))
    this.begin()
    return paths.map((path, place) => ({
      ...this.bestPath(rib, path).fields(),
      prefix: prefixOfRow(rib.prefixes, row),
      pathId: rib.pathIds[path]!,
      best: path === best,
      multipath: path !== best && used.includes(path),
      reason: this.#reason(rib, path, best, paths[place + 1]),
      ineligible: INELIGIBLE[rib.pathStatus[path] as PathStatus],
    }))
  }

  /** For the best what put it before the next one, for another where it lost to the best. */
  #reason(rib: Rib, path: number, best: number, next: number | undefined): DecisionReason {
    if (rib.pathStatus[path] !== PATH_STATUS.eligible) return 'not eligible'
    const rival = path === best ? next : best
    if (rival === undefined || rival < 0) return 'only path'
    if (rib.pathStatus[rival] !== PATH_STATUS.eligible) return 'only path'
    return DECISION_STEPS[Math.abs(comparePaths(rib, path, rival)) - 1]!
  }
}
