import { TRAIT } from './attribute-table.ts'
import type { ExportRules } from './export-rules.ts'
import type { Rib } from './rib.ts'
import { SOURCE_KIND } from './sources.ts'

/** The answer of an export policy: attributes to send with (one more user), or {@link REJECTED}. */
export type ExportPolicy = (row: number, path: number) => number
export const REJECTED = -1

/** The attributes to send a path with, or REJECTED: what no policy may change, then the policy. */
export function exportedSet(
  rib: Rib,
  { external, toClient, longLived }: ExportRules,
  policy: ExportPolicy | undefined,
  row: number,
  path: number,
): number {
  const source = rib.pathSources[path]!
  if (!external && !toClient && !mayGoInside(rib, source)) return REJECTED
  const set = rib.pathAttributes[path]!
  const traits = rib.attributes.traits[set]!
  if (traits !== 0) {
    if ((traits & TRAIT.noAdvertise) !== 0) return REJECTED
    if (external && (traits & (TRAIT.noExport | TRAIT.noExportSubconfed)) !== 0) return REJECTED
    // RFC 9494 section 4.3.
    if ((traits & TRAIT.llgrStale) !== 0 && !longLived) return REJECTED
  }
  return policy === undefined ? set : policy(row, path)
}

/** RFC 4271 section 9.2.1, RFC 4456 section 6: iBGP to iBGP only by reflection. */
function mayGoInside(rib: Rib, source: number): boolean {
  return rib.sources.kinds[source] !== SOURCE_KIND.internal || rib.sources.isClient[source] === 1
}
