import { addressOctets, type IpAddress, ipv4ToNumber } from '../../net/ip-address.ts'
import type { NeighborConfig, SpeakerConfig } from '../config.ts'
import type { SessionSettings } from './fsm.ts'

const DEFAULT_CONNECT_RETRY_SECONDS = 5
const DEFAULT_ERROR_WAIT = { first: 1, most: 30 }

/** What the state machine is told of a neighbor's configuration. */
export function sessionSettings(speaker: SpeakerConfig, neighbor: NeighborConfig): SessionSettings {
  return {
    passive: neighbor.passive ?? false,
    connectDelaySeconds: neighbor.connectDelaySeconds ?? 0,
    connectRetrySeconds: neighbor.connectRetrySeconds ?? DEFAULT_CONNECT_RETRY_SECONDS,
    errorWaitSeconds: neighbor.errorWaitSeconds ?? DEFAULT_ERROR_WAIT,
    localAs: neighbor.localAs ?? speaker.localAs,
    routerId: ipv4ToNumber(speaker.routerId),
  }
}

export function isInternal(speaker: SpeakerConfig, neighbor: NeighborConfig): boolean {
  return neighbor.remoteAs === (neighbor.localAs ?? speaker.localAs)
}

/** TTL and GTSM of a session: RFC 5082; RFC 4271 leaves directly connected eBGP at TTL 1. */
export function hopLimits(
  speaker: SpeakerConfig,
  neighbor: NeighborConfig,
): { ttl?: number; minimumTtl?: number } {
  if (neighbor.ttlSecurityHops !== undefined) {
    return { ttl: 255, minimumTtl: 256 - neighbor.ttlSecurityHops }
  }
  if (isInternal(speaker, neighbor)) return {}
  return { ttl: neighbor.multihopTtl ?? 1 }
}

/** Text whose order is the numeric order of addresses of one family. */
export function addressKey(address: IpAddress): string {
  return Array.from(addressOctets(address), (octet) => octet.toString(16).padStart(2, '0')).join('')
}
