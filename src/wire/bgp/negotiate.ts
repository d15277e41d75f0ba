import { type Family } from '../../net/ip-address.ts'
import { type Capability } from './capabilities.ts'
import { type CodecContext, type FamilyContext } from './codec-context.ts'
import { type AfiSafi, afiSafiOf } from './families.ts'
import { EXTENDED_MESSAGE_OCTETS_MAX, MESSAGE_OCTETS_MAX } from './header.ts'
import { ADD_PATH_MODE, AFI } from './iana.ts'
import { type Open } from './open.ts'

/** What two OPENs agree on. */
export interface Negotiated extends CodecContext {
  /** Largest message that the neighbor may send, for the framer: 65535 if we announced RFC 8654. */
  readonly receiveOctetsMax: number
  /** The smaller of the two; 0 means no timers. RFC 4271 section 4.2. */
  readonly holdTimeSeconds: number
  readonly routeRefresh: boolean
  readonly enhancedRouteRefresh: boolean
  /** The neighbor's graceful restart capability, if we sent one as well. */
  readonly gracefulRestart: Extract<Capability, { kind: 'gracefulRestart' }> | undefined
  /** Both sides set the N bit (RFC 8538). */
  readonly gracefulNotification: boolean
  /** The neighbor's long-lived graceful restart capability, if we sent one as well. */
  readonly longLivedGracefulRestart:
    | Extract<Capability, { kind: 'longLivedGracefulRestart' }>
    | undefined
}

/** The last capability of a kind: where RFCs speak of repeats, the last counts (RFC 4724 section 3). */
export function capabilityOf<K extends Capability['kind']>(
  open: Open,
  kind: K,
): Extract<Capability, { kind: K }> | undefined {
  return open.capabilities.findLast(
    (capability): capability is Extract<Capability, { kind: K }> => capability.kind === kind,
  )
}

/**
 * @param sent our OPEN
 * @param received the neighbor's OPEN
 */
export function negotiate(sent: Open, received: Open): Negotiated {
  const both = (kind: Capability['kind']): boolean =>
    capabilityOf(sent, kind) !== undefined && capabilityOf(received, kind) !== undefined
  const ours = capabilityOf(sent, 'gracefulRestart')
  const theirs = capabilityOf(received, 'gracefulRestart')
  return {
    fourOctetAs: both('fourOctetAs'),
    internal: sent.asn === received.asn,
    // RFC 8654 section 4: each direction for itself.
    messageOctetsMax: messageOctetsMax(received),
    receiveOctetsMax: messageOctetsMax(sent),
    ipv4: familyContext(sent, received, 4),
    ipv6: familyContext(sent, received, 6),
    holdTimeSeconds: Math.min(sent.holdTimeSeconds, received.holdTimeSeconds),
    routeRefresh: both('routeRefresh'),
    enhancedRouteRefresh: both('enhancedRouteRefresh'),
    gracefulRestart: ours === undefined ? undefined : theirs,
    gracefulNotification: ours?.notification === true && theirs?.notification === true,
    longLivedGracefulRestart:
      // RFC 9494 section 4.2: to be ignored without the graceful restart capability.
      both('longLivedGracefulRestart') && theirs !== undefined
        ? capabilityOf(received, 'longLivedGracefulRestart')
        : undefined,
  }
}

function messageOctetsMax(receiver: Open): number {
  const isExtended = capabilityOf(receiver, 'extendedMessage') !== undefined
  return isExtended ? EXTENDED_MESSAGE_OCTETS_MAX : MESSAGE_OCTETS_MAX
}

function familyContext(sent: Open, received: Open, family: Family): FamilyContext {
  const pair = afiSafiOf(family)
  const ourMode = addPathMode(sent, pair)
  const theirMode = addPathMode(received, pair)
  return {
    negotiated: announces(sent, pair) && announces(received, pair),
    addPathReceive:
      (ourMode & ADD_PATH_MODE.receive) !== 0 && (theirMode & ADD_PATH_MODE.send) !== 0,
    addPathSend: (ourMode & ADD_PATH_MODE.send) !== 0 && (theirMode & ADD_PATH_MODE.receive) !== 0,
    extendedNextHop:
      family === 4 && takesIpv6NextHop(sent, pair) && takesIpv6NextHop(received, pair),
  }
}

function isPair(a: AfiSafi, b: AfiSafi): boolean {
  return a.afi === b.afi && a.safi === b.safi
}

/** RFC 4760 section 8: a speaker that sends no multiprotocol capability at all speaks IPv4 unicast. */
function announces(open: Open, pair: AfiSafi): boolean {
  const families = open.capabilities.filter((capability) => capability.kind === 'multiprotocol')
  if (families.length === 0) return pair.afi === AFI.ipv4
  return families.some((capability) => isPair(capability, pair))
}

function addPathMode(open: Open, pair: AfiSafi): number {
  // RFC 7911 section 4: of several rows for a family only the first one counts.
  const rows = capabilityOf(open, 'addPath')?.families ?? []
  return rows.find((row) => isPair(row, pair))?.mode ?? 0
}

function takesIpv6NextHop(open: Open, pair: AfiSafi): boolean {
  const rows = capabilityOf(open, 'extendedNextHop')?.families ?? []
  return rows.some((row) => isPair(row, pair) && row.nextHopAfi === AFI.ipv6)
}
