import { addressOctets, FAMILIES, type Family, ipv4ToNumber } from '../net/ip-address.ts'
import { familyOfAfiSafi } from '../wire/bgp/families.ts'
import type { SpeakerConfig } from './config.ts'
import type { EstablishedSession, BgpNeighbor } from './session/neighbor.ts'
import { acceptAll, type PolicyNeighbor, rejectAll, type RoutePolicy } from './policy.ts'
import type { Peer } from './peers.ts'
import type { ImportRules } from './receive.ts'
import type { ExportRules } from './rib/export-rules.ts'
import { wordsOf } from './rib/prefix-text.ts'
import { DEFAULT_LOCAL_PREFERENCE } from './rib/attribute-table.ts'

const DEFAULT_ADD_PATHS = 16

export function policyNeighbor(neighbor: BgpNeighbor): PolicyNeighbor {
  return {
    address: neighbor.address,
    as: neighbor.config.remoteAs,
    kind: neighbor.isInternal ? 'internal' : 'external',
  }
}

/** Families of an Established session. */
export function sessionFamilies({ negotiated }: EstablishedSession): Family[] {
  return FAMILIES.filter((family) => (family === 4 ? negotiated.ipv4 : negotiated.ipv6).negotiated)
}

export function importRules(
  speaker: SpeakerConfig,
  neighbor: BgpNeighbor,
  session: EstablishedSession,
  { source, refused }: Pick<Peer, 'source' | 'refused'>,
): ImportRules {
  const { config, isInternal } = neighbor
  const { prefixLimit } = config
  const preference = config.defaultLocalPreference
  const clusterId = config.clusterId ?? speaker.clusterId ?? speaker.routerId
  return {
    source,
    neighbor: policyNeighbor(neighbor),
    context: session.negotiated,
    remoteAs: config.remoteAs,
    internal: isInternal,
    localAs: config.localAs ?? speaker.localAs,
    allowOwnAs: config.allowOwnAs ?? 0,
    enforceFirstAs: config.enforceFirstAs ?? true,
    routerId: ipv4ToNumber(speaker.routerId),
    clusterId: ipv4ToNumber(clusterId),
    localAddress: addressOctets(session.localAddress),
    localPreference: preference === DEFAULT_LOCAL_PREFERENCE ? undefined : preference,
    lacksPolicy: lacksPolicy(speaker, neighbor, config.importPolicy),
    policy: computed(config.importPolicy),
    ranges: config.importRanges?.map(wordsOf),
    limit: prefixLimit?.action === 'refuse' ? { maximum: prefixLimit.maximum, refused } : undefined,
  }
}

/** Whether the configuration lets nothing go to the neighbor. */
export function exportsNothing(speaker: SpeakerConfig, neighbor: BgpNeighbor): boolean {
  const { exportPolicy } = neighbor.config
  return exportPolicy === rejectAll || lacksPolicy(speaker, neighbor, exportPolicy)
}

/** The policy that what goes to the neighbor is shown to; undefined where everything passes. */
export function exportPolicy(
  speaker: SpeakerConfig,
  neighbor: BgpNeighbor,
): RoutePolicy | undefined {
  return exportsNothing(speaker, neighbor) ? rejectAll : computed(neighbor.config.exportPolicy)
}

/** A policy that is worth asking. */
function computed(policy: RoutePolicy | undefined): RoutePolicy | undefined {
  return policy === acceptAll ? undefined : policy
}

/** Rules for what goes to the neighbor. */
export function neighborExportRules(
  speaker: SpeakerConfig,
  neighbor: BgpNeighbor,
  session: EstablishedSession,
  family: Family,
): ExportRules {
  const { config, isInternal } = neighbor
  const { negotiated } = session
  const context = family === 4 ? negotiated.ipv4 : negotiated.ipv6
  const clusterId = config.clusterId ?? speaker.clusterId ?? speaker.routerId
  const longLived = negotiated.longLivedGracefulRestart?.families ?? []
  return {
    family,
    external: !isInternal,
    localAs: config.localAs ?? speaker.localAs,
    fourOctetAs: negotiated.fourOctetAs,
    nextHop: config.nextHop ?? 'auto',
    localAddress: addressOctets(session.localAddress),
    extendedNextHop: context.extendedNextHop,
    clusterId: ipv4ToNumber(clusterId),
    messageOctetsMax: negotiated.messageOctetsMax,
    addPath: context.addPathSend,
    addPathMaximum: config.addPathsMaximum ?? DEFAULT_ADD_PATHS,
    toClient: config.routeReflectorClient ?? false,
    longLived: longLived.some(({ afi, safi }) => familyOfAfiSafi(afi, safi) === family),
  }
}

/** RFC 8212: eBGP without a policy. */
function lacksPolicy(speaker: SpeakerConfig, neighbor: BgpNeighbor, policy: unknown): boolean {
  return speaker.requirePolicy === true && !neighbor.isInternal && policy === undefined
}

/** What both sides agreed on, in words. */
export function capabilityWords({ negotiated }: EstablishedSession): string[] {
  const words: string[] = []
  for (const family of FAMILIES) {
    const context = family === 4 ? negotiated.ipv4 : negotiated.ipv6
    if (!context.negotiated) continue
    words.push(`IPv${family} unicast`)
    if (context.addPathReceive) words.push(`add-path IPv${family} receive`)
    if (context.addPathSend) words.push(`add-path IPv${family} send`)
    if (context.extendedNextHop) words.push('extended next hop')
  }
  if (negotiated.fourOctetAs) words.push('four-octet AS')
  if (negotiated.routeRefresh) words.push('route refresh')
  if (negotiated.enhancedRouteRefresh) words.push('enhanced route refresh')
  if (negotiated.messageOctetsMax > 4096) words.push('extended messages')
  if (negotiated.gracefulRestart !== undefined) words.push('graceful restart')
  if (negotiated.longLivedGracefulRestart !== undefined) words.push('long-lived graceful restart')
  return words
}
