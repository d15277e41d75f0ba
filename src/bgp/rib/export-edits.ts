import type { AttributeEdits } from '../../wire/bgp/export-attributes.ts'
import { type AttributeTable, DEFAULT_LOCAL_PREFERENCE, TRAIT } from './attribute-table.ts'
import type { ExportRules } from './export-rules.ts'
import { OWN_SOURCE, SOURCE_KIND, type Sources } from './sources.ts'

/**
 * What is changed in sets of attributes for one group of neighbors: RFC 4271 section 5 (what crosses an
 * AS border, next hops), RFC 4456 section 8 (reflection), RFC 6793 (old speakers).
 */
export class ExportEdits {
  readonly #rules: ExportRules
  readonly #table: AttributeTable
  readonly #sources: Sources
  /** The two answers for nearly all routes to external neighbors. */
  readonly #external: AttributeEdits
  readonly #externalWithMed: AttributeEdits
  /** After `of`: the next hop that MP_REACH_NLRI is to have; undefined if NEXT_HOP has it. */
  nextHop: Uint8Array | undefined

  constructor(rules: ExportRules, table: AttributeTable, sources: Sources) {
    this.#rules = rules
    this.#table = table
    this.#sources = sources
    const withMed = {
      fourOctetAs: rules.fourOctetAs,
      prependAs: rules.localAs,
      localPref: null,
      originatorId: null,
      clusterId: null,
      ...(rules.localAddress.length === 4 ? { nextHop: rules.localAddress } : {}),
    }
    this.#externalWithMed = withMed
    this.#external = { ...withMed, multiExitDisc: null }
  }

  /**
   * The edits for a set that came from `source`, or undefined if the neighbors can be given no next hop
   * for it. `keepMed`: our own route, or a policy set it; else it stays inside the AS (RFC 4271 5.1.4).
   */
  of(set: number, source: number, keepMed: boolean): AttributeEdits | undefined {
    const { external } = this.#rules
    const nextHop = this.#nextHopFor(set, source)
    const { family, extendedNextHop } = this.#rules
    const isClassic = family === 4 && nextHop.length === 4
    if (!isClassic && (nextHop.length < 16 || (family === 4 && !extendedNextHop))) return undefined
    this.nextHop = isClassic ? undefined : nextHop
    if (external && nextHop === this.#rules.localAddress) {
      return keepMed ? this.#externalWithMed : this.#external
    }
    const given = isClassic ? { nextHop } : {}
    if (external) {
      const { nextHop: _, ...rest } = keepMed ? this.#externalWithMed : this.#external
      return { ...rest, ...given }
    }
    return { ...this.#internal(set, source), ...given }
  }

  #internal(set: number, source: number): AttributeEdits {
    const { fourOctetAs, clusterId } = this.#rules
    const hasPreference = (this.#table.traits[set]! & TRAIT.hasLocalPreference) !== 0
    const isReflected = this.#sources.kinds[source] === SOURCE_KIND.internal
    return {
      fourOctetAs,
      ...(hasPreference ? {} : { localPref: DEFAULT_LOCAL_PREFERENCE }),
      ...(isReflected ? { originatorId: this.#sources.routerIds[source]!, clusterId } : {}),
    }
  }

  /**
   * The local address, or what came with the route: towards internal neighbors it is kept (RFC 4271
   * section 5.1.3), an address set on a route of ours is so anyway if it is for the family.
   */
  #nextHopFor(set: number, source: number): Uint8Array {
    const { external, nextHop: mode, localAddress } = this.#rules
    const table = this.#table
    const keeps = mode === 'keep' || (mode === 'auto' && !external)
    if (!keeps) return localAddress
    const at = table.offsets[set]! + table.nextHopAts[set]!
    // A link-local address means nothing beyond the link it was received on.
    const isOwn = source === OWN_SOURCE
    const size = isOwn ? table.nextHopSizes[set]! : Math.min(16, table.nextHopSizes[set]!)
    const octets = table.octets.slice(at, at + size)
    return octets.every((octet) => octet === 0) ? localAddress : octets
  }
}
