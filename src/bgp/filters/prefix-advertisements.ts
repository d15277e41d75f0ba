import type { Problem } from '../../model/problem.ts'
import { parsePrefix } from '../../net/prefix.ts'
import type { PrefixAdvertisement } from './calico-export.ts'
import { type CommunityValue, parseCommunityValue } from './communities.ts'

/** The fields of a BGPConfiguration that speak of communities. */
export interface CommunitySettings {
  readonly communities?:
    | readonly {
        readonly name?: string | undefined
        readonly value?: string | undefined
      }[]
    | undefined
  readonly prefixAdvertisements?:
    | readonly {
        readonly cidr?: string | undefined
        readonly communities?: readonly string[] | undefined
      }[]
    | undefined
}

/**
 * Advertisements with the names of communities resolved; a community is a value or a name from
 * `communities`. One that cannot be resolved whole is among the problems, and its prefix is announced
 * without communities.
 */
export function prefixAdvertisements(settings: CommunitySettings): {
  readonly value: readonly PrefixAdvertisement[]
  readonly problems: readonly Problem[]
} {
  const named = new Map<string, string>()
  for (const { name, value } of settings.communities ?? []) {
    if (name !== undefined && value !== undefined) named.set(name, value)
  }
  const problems: Problem[] = []
  const value = (settings.prefixAdvertisements ?? []).flatMap(({ cidr, communities = [] }, at) => {
    if (cidr === undefined) return [] // an empty entry says nothing
    const where = `spec.prefixAdvertisements[${at}]`
    const prefix = parsePrefix(cidr)
    if (prefix === undefined) {
      const reason = 'expected a CIDR such as 10.0.0.0/8'
      problems.push({ field: `${where}.cidr`, value: cidr, reason })
    }
    const resolved = communities.map((text, index) => {
      const community = parseCommunityValue(named.get(text) ?? text)
      if (community === undefined) {
        const field = `${where}.communities[${index}]`
        problems.push({ field, value: text, reason: EXPECTED_COMMUNITY })
      }
      return community
    })
    const isWhole = (list: readonly unknown[]): list is readonly CommunityValue[] =>
      !list.includes(undefined)
    return prefix !== undefined && isWhole(resolved)
      ? [{ cidr: prefix, communities: resolved }]
      : []
  })
  return { value, problems }
}

const EXPECTED_COMMUNITY =
  'expected a community aa:nn or aa:nn:mm, or the name of one in communities'
