import { UserError } from '../../lib/errors.ts'
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
    | readonly { readonly cidr: string; readonly communities?: readonly string[] | undefined }[]
    | undefined
}

/**
 * Advertisements with the names of communities resolved; a community is a value or a name from
 * `communities`. Throws UserError that names the field.
 */
export function prefixAdvertisements(settings: CommunitySettings): readonly PrefixAdvertisement[] {
  const named = new Map<string, string>()
  for (const { name, value } of settings.communities ?? []) {
    if (name !== undefined && value !== undefined) named.set(name, value)
  }
  return (settings.prefixAdvertisements ?? []).map(({ cidr, communities = [] }, at) => {
    const where = `prefixAdvertisements[${at}]`
    const prefix = parsePrefix(cidr)
    if (prefix === undefined) {
      throw new UserError(`${where}.cidr is "${cidr}": expected a CIDR such as 10.0.0.0/8`)
    }
    return { cidr: prefix, communities: communities.map((text) => resolve(text, named, where)) }
  })
}

function resolve(text: string, named: ReadonlyMap<string, string>, where: string): CommunityValue {
  const community = parseCommunityValue(named.get(text) ?? text)
  if (community !== undefined) return community
  throw new UserError(
    `${where}.communities has "${text}": expected a community aa:nn or aa:nn:mm, or the name of one in communities`,
  )
}
