import { type PolicyNeighbor, type RoutePolicy } from './policy.ts'
import { type ExportPolicy, REJECTED } from './rib/export-check.ts'
import type { ExportRules } from './rib/export-rules.ts'
import { prefixOfRow } from './rib/prefix-text.ts'
import type { Rib } from './rib/rib.ts'
import { OWN_SOURCE } from './rib/sources.ts'
import { attributesOfBlock, blockOfAttributes, type RouteAttributes } from './route-attributes.ts'

/** A policy on objects as one on rows and paths. */
export function policyAdapter(
  rib: Rib,
  policy: RoutePolicy,
  neighbor: PolicyNeighbor,
  rules: ExportRules,
  neighborOf: (source: number) => PolicyNeighbor | undefined,
): ExportPolicy {
  const table = rib.attributes
  return (row, path) => {
    const set = rib.pathAttributes[path]!
    const source = rib.pathSources[path]!
    const attributes = offered(attributesOfBlock(table.block(set)), rules, source)
    const from = neighborOf(source)
    const prefix = prefixOfRow(rib.prefixes, row)
    const verdict = policy({ prefix, attributes, from, neighbor })
    if (!verdict.accept) return REJECTED
    if (verdict.attributes === undefined || verdict.attributes === attributes) {
      table.retain(set)
      return set
    }
    const block = blockOfAttributes(verdict.attributes, rib.family)
    return table.intern(block, 0, block.length)
  }
}

/** Attributes as a policy may see them: a MED that stays inside the AS is not there to be passed on. */
function offered(
  attributes: RouteAttributes,
  { external }: ExportRules,
  source: number,
): RouteAttributes {
  if (!external || source === OWN_SOURCE || attributes.med === undefined) return attributes
  const { med: _, ...rest } = attributes
  return rest
}
