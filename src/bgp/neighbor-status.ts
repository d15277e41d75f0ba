import { FAMILIES } from '../net/ip-address.ts'
import { BGP_PORT } from '../wire/bgp/iana.ts'
import { capabilityWords, sessionFamilies } from './session-rules.ts'
import type { Peer } from './peers.ts'
import type { SpeakerCore } from './speaker-core.ts'
import type { FamilyStatus, NeighborStatus } from './status.ts'

/** What is to be known of a neighbor at this moment. */
export function neighborStatus(core: SpeakerCore, peer: Peer): NeighborStatus {
  const { neighbor } = peer
  const { config, session } = neighbor
  const negotiated = session?.negotiated
  const keepalive = negotiated === undefined ? undefined : negotiated.holdTimeSeconds / 3
  return {
    address: neighbor.address,
    port: config.port ?? BGP_PORT,
    remoteAs: config.remoteAs,
    localAs: config.localAs ?? core.config.localAs,
    kind: neighbor.isInternal ? 'internal' : 'external',
    description: config.description,
    dynamic: neighbor.isDynamic,
    state: neighbor.state,
    since: neighbor.since,
    flaps: neighbor.flaps,
    shutdown: config.shutdown ?? false,
    lastError: neighbor.lastError,
    shutdownCommunication: neighbor.shutdownCommunication,
    localAddress: session?.localAddress,
    routerId: session?.remoteOpen.bgpIdentifier,
    holdTimeSeconds: negotiated?.holdTimeSeconds,
    keepaliveSeconds: config.keepaliveSeconds ?? keepalive,
    capabilities: session === undefined ? [] : capabilityWords(session),
    families: familyStatus(core, peer),
    gracefulRestart: gracefulRestart(peer),
    messages: { received: neighbor.messagesReceived, sent: neighbor.messagesSent },
    updates: { received: neighbor.updatesReceived, sent: neighbor.updatesSent },
  }
}

function gracefulRestart({ neighbor }: Peer): NeighborStatus['gracefulRestart'] {
  const capability = neighbor.session?.negotiated.gracefulRestart
  if (capability === undefined) return 'none'
  return capability.families.length > 0 ? 'both' : 'helper'
}

function familyStatus(core: SpeakerCore, peer: Peer): FamilyStatus[] {
  const { source, routes, subscriber, neighbor, refused } = peer
  const active = neighbor.session === undefined ? [] : sessionFamilies(neighbor.session)
  return FAMILIES.flatMap((family) => {
    const rib = core.ribs[family]
    const received = rib.counts[source] ?? 0
    if (received === 0 && !active.includes(family)) return []
    return {
      family,
      received,
      accepted: received - (rib.ineligibleCounts[source] ?? 0),
      advertised: core.advertiser.countFor(subscriber, family),
      ...(refused[family] === 0 ? {} : { refused: refused[family] }),
      stale: routes.countStale(family),
      endOfRibReceived: routes.hasEndOfRib(family),
    }
  })
}
