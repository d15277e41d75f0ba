import type { DecisionReason } from '../status.ts'
import { TRAIT } from './attribute-table.ts'
import { PATH_FLAG, PATH_STATUS } from './path-state.ts'
import type { Rib } from './rib.ts'
import { SOURCE_KIND } from './sources.ts'

/**
 * The decision process, RFC 4271 section 9.1.2, with RFC 4456 section 9 and RFC 9494 section 4.3.
 * Works on path numbers of a RIB and allocates nothing.
 */

/** The steps in their order; {@link comparePaths} answers with a place in this list, from 1. */
export const DECISION_STEPS = [
  'long-lived stale (RFC 9494)',
  'own route',
  'local preference',
  'AS path length',
  'origin',
  'MED',
  'external over internal',
  'router id',
  'cluster list length',
  'neighbor address',
  'path id',
] as const satisfies readonly DecisionReason[]

/** Steps up to this one must be equal for two paths to be used at once (ECMP). */
const LAST_MULTIPATH_STEP = DECISION_STEPS.indexOf('external over internal') + 1
const MED_STEP = DECISION_STEPS.indexOf('MED') + 1

/**
 * Which of two eligible paths of a prefix is better: positive if `a` is, negative if `b` is; the
 * magnitude is the step that decided, from 1. Never 0 for two different paths.
 */
export function comparePaths(rib: Rib, a: number, b: number, withMed = true): number {
  const table = rib.attributes
  const setA = rib.pathAttributes[a]!
  const setB = rib.pathAttributes[b]!
  if ((rib.pathFlags[a]! | rib.pathFlags[b]!) !== 0 || hasStaleTrait(rib, setA, setB)) {
    const stale = isLongLivedStale(rib, b) - isLongLivedStale(rib, a)
    if (stale !== 0) return stale
  }
  const kindA = rib.sources.kinds[rib.pathSources[a]!]!
  const kindB = rib.sources.kinds[rib.pathSources[b]!]!
  if ((kindA === SOURCE_KIND.own) !== (kindB === SOURCE_KIND.own)) {
    return kindA === SOURCE_KIND.own ? 2 : -2
  }
  if (setA !== setB) {
    const preference = table.localPreferences[setA]! - table.localPreferences[setB]!
    if (preference !== 0) return preference > 0 ? 3 : -3
    const length = table.asPathLengths[setB]! - table.asPathLengths[setA]!
    if (length !== 0) return length > 0 ? 4 : -4
    const origin = table.origins[setB]! - table.origins[setA]!
    if (origin !== 0) return origin > 0 ? 5 : -5
    const med = table.meds[setB]! - table.meds[setA]!
    if (med !== 0 && withMed) {
      const isComparable =
        rib.options.alwaysCompareMed || table.firstAses[setA] === table.firstAses[setB]
      if (isComparable) return med > 0 ? MED_STEP : -MED_STEP
    }
  }
  if (kindA !== kindB) return kindA === SOURCE_KIND.external ? 7 : -7
  return breakTie(rib, a, b, setA, setB)
}

function breakTie(rib: Rib, a: number, b: number, setA: number, setB: number): number {
  const table = rib.attributes
  const sourceA = rib.pathSources[a]!
  const sourceB = rib.pathSources[b]!
  // RFC 4456 section 9: ORIGINATOR_ID stands for the router id.
  const idA = table.originatorIds[setA] || rib.sources.routerIds[sourceA]!
  const idB = table.originatorIds[setB] || rib.sources.routerIds[sourceB]!
  if (idA !== idB) return idA < idB ? 8 : -8
  const clusters = table.clusterListLengths[setB]! - table.clusterListLengths[setA]!
  if (clusters !== 0) return clusters > 0 ? 9 : -9
  const keyA = rib.sources.addressKeys[sourceA]!
  const keyB = rib.sources.addressKeys[sourceB]!
  if (keyA !== keyB) return keyA < keyB ? 10 : -10
  return rib.pathIds[a]! < rib.pathIds[b]! ? 11 : -11
}

function hasStaleTrait(rib: Rib, setA: number, setB: number): boolean {
  const { traits } = rib.attributes
  return ((traits[setA]! | traits[setB]!) & TRAIT.llgrStale) !== 0
}

export function isLongLivedStale(rib: Rib, path: number): 0 | 1 {
  const byFlag = (rib.pathFlags[path]! & PATH_FLAG.longLivedStale) !== 0
  const traits = rib.attributes.traits[rib.pathAttributes[path]!]!
  return byFlag || (traits & TRAIT.llgrStale) !== 0 ? 1 : 0
}

/** The best of a prefix row's paths, or -1. */
export function selectBest(rib: Rib, row: number): number {
  let best = -1
  let count = 0
  for (let path = rib.first[row]!; path >= 0; path = rib.pathNexts[path]!) {
    if (rib.pathStatus[path] !== PATH_STATUS.eligible) continue
    count++
    if (best < 0 || comparePaths(rib, path, best) > 0) best = path
  }
  return count > 2 && rib.hasMed && !rib.options.alwaysCompareMed ? selectByMed(rib, row) : best
}

/**
 * RFC 4271 section 9.1.2.2 (c): MED takes a path out only against one of the same neighbor AS, so pairs
 * have no order. First the best of each neighbor AS, then the best of those without looking at MED.
 */
function selectByMed(rib: Rib, row: number): number {
  const winners = new Map<number, number>()
  for (let path = rib.first[row]!; path >= 0; path = rib.pathNexts[path]!) {
    if (rib.pathStatus[path] !== PATH_STATUS.eligible) continue
    const as = rib.attributes.firstAses[rib.pathAttributes[path]!]!
    const winner = winners.get(as)
    if (winner === undefined || comparePaths(rib, path, winner) > 0) winners.set(as, path)
  }
  let best = -1
  for (const path of winners.values()) {
    if (best < 0 || comparePaths(rib, path, best, false) > 0) best = path
  }
  return best
}

/** Whether `path` may be used beside `best` (ECMP). */
export function isMultipath(rib: Rib, best: number, path: number, relaxed: boolean): boolean {
  const own = SOURCE_KIND.own
  if (rib.sources.kinds[rib.pathSources[best]!] === own) return false
  if (Math.abs(comparePaths(rib, best, path)) <= LAST_MULTIPATH_STEP) return false
  const { firstAses } = rib.attributes
  return relaxed || firstAses[rib.pathAttributes[best]!] === firstAses[rib.pathAttributes[path]!]
}
