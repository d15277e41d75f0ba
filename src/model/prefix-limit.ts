import type { Checks } from './checks.ts'
import type { Metadata } from './metadata.ts'

/** Annotation of a BGPPeer, and of the BGPConfiguration "default" for all neighbors whose peer says nothing. */
const ANNOTATION = 'tortie/prefix-limit'

/** As a problem names it. */
export const PREFIX_LIMIT_FIELD = `metadata.annotations["${ANNOTATION}"]`
export const PREFIX_LIMIT_EXPECTED = 'expected a number of prefixes from 1 to 100000000'
const PREFIX_LIMIT_MAX = 100_000_000

/** As it is written; undefined where nothing is. */
export function writtenPrefixLimit({ annotations }: Metadata): string | undefined {
  return annotations?.[ANNOTATION]
}

/** Prefixes of one address family that a neighbor may announce; undefined for none, or one that is wrong. */
export function prefixLimitOf(metadata: Metadata): number | undefined {
  const text = writtenPrefixLimit(metadata)
  if (text === undefined || !/^[1-9][0-9]{0,8}$/.test(text)) return undefined
  return Number(text) <= PREFIX_LIMIT_MAX ? Number(text) : undefined
}

export function checkPrefixLimit(checks: Checks, metadata: Metadata): void {
  const written = writtenPrefixLimit(metadata)
  const isRight = written === undefined || prefixLimitOf(metadata) !== undefined
  checks.require(isRight, PREFIX_LIMIT_FIELD, written, PREFIX_LIMIT_EXPECTED)
}
