import { parseCommunity, parseLargeCommunity } from '../../wire/bgp/communities.ts'
import type { LargeCommunity, RouteAttributes } from '../route-attributes.ts'

/** A community in Calico's text form: "65000:100", or a large one "65000:1:2". */
export type CommunityValue =
  | { readonly kind: 'standard'; readonly value: number }
  | { readonly kind: 'large'; readonly value: LargeCommunity }

/** Undefined if the text is neither form. */
export function parseCommunityValue(text: string): CommunityValue | undefined {
  const standard = parseCommunity(text)
  if (standard !== undefined) return { kind: 'standard', value: standard }
  const large = parseLargeCommunity(text)
  if (large === undefined) return undefined
  return { kind: 'large', value: large }
}

export function hasCommunity(attributes: RouteAttributes, community: CommunityValue): boolean {
  if (community.kind === 'standard') {
    return attributes.communities?.includes(community.value) ?? false
  }
  return (attributes.largeCommunities ?? []).some((one) => isSameLarge(one, community.value))
}

/** Adds a community that is not there yet. */
export function withCommunity(
  attributes: RouteAttributes,
  community: CommunityValue,
): RouteAttributes {
  if (hasCommunity(attributes, community)) return attributes
  if (community.kind === 'standard') {
    return { ...attributes, communities: [...(attributes.communities ?? []), community.value] }
  }
  const largeCommunities = [...(attributes.largeCommunities ?? []), community.value]
  return { ...attributes, largeCommunities }
}

function isSameLarge(a: LargeCommunity, b: LargeCommunity): boolean {
  return (
    a.globalAdministrator === b.globalAdministrator &&
    a.localData1 === b.localData1 &&
    a.localData2 === b.localData2
  )
}
