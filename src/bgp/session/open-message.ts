import { type Family, familyOf, type IpAddress } from '../../net/ip-address.ts'
import type { Capability } from '../../wire/bgp/capabilities.ts'
import { afiSafiOf } from '../../wire/bgp/families.ts'
import { ADD_PATH_MODE, AFI } from '../../wire/bgp/iana.ts'
import type { Open } from '../../wire/bgp/open.ts'
import type { NeighborOptions, SpeakerConfig } from '../config.ts'

const DEFAULT_HOLD_TIME_SECONDS = 90
const DEFAULT_RESTART_TIME_SECONDS = 120

/** Families routed with a neighbor. */
export function familiesOf(address: IpAddress, options: NeighborOptions): readonly Family[] {
  return options.families ?? [familyOf(address)]
}

/** The OPEN for a neighbor. `restarting`: the R bit of RFC 4724. */
export function openFor(
  speaker: SpeakerConfig,
  address: IpAddress,
  options: NeighborOptions,
  restarting: boolean,
): Open {
  const asn = options.localAs ?? speaker.localAs
  const families = familiesOf(address, options)
  const capabilities: Capability[] = [
    ...families.map((family): Capability => ({ kind: 'multiprotocol', ...afiSafiOf(family) })),
    { kind: 'routeRefresh' },
    { kind: 'enhancedRouteRefresh' },
    { kind: 'fourOctetAs', asn },
  ]
  if (options.extendedMessages !== false) capabilities.push({ kind: 'extendedMessage' })
  if (options.extendedNextHop === true && families.includes(4)) {
    const row = { ...afiSafiOf(4), nextHopAfi: AFI.ipv6 }
    capabilities.push({ kind: 'extendedNextHop', families: [row] })
  }
  const addPaths = options.addPaths ?? 'off'
  if (addPaths !== 'off') {
    const mode = ADD_PATH_MODE[addPaths]
    capabilities.push({
      kind: 'addPath',
      families: families.map((family) => ({ ...afiSafiOf(family), mode })),
    })
  }
  capabilities.push(...gracefulCapabilities(speaker, families, options, restarting))
  return {
    kind: 'open',
    asn,
    holdTimeSeconds: options.holdTimeSeconds ?? DEFAULT_HOLD_TIME_SECONDS,
    bgpIdentifier: speaker.routerId,
    capabilities,
  }
}

function gracefulCapabilities(
  { gracefulRestart }: SpeakerConfig,
  families: readonly Family[],
  options: NeighborOptions,
  restarting: boolean,
): Capability[] {
  if (gracefulRestart === undefined || options.gracefulRestart === false) return []
  const { helperOnly, longLivedStaleSeconds } = gracefulRestart
  const forwardingPreserved = gracefulRestart.forwardingPreserved ?? true
  const rows = families.map((family) => ({ ...afiSafiOf(family), forwardingPreserved }))
  const capabilities: Capability[] = [
    {
      kind: 'gracefulRestart',
      restarting,
      notification: gracefulRestart.notification ?? true,
      restartTimeSeconds: gracefulRestart.restartTimeSeconds ?? DEFAULT_RESTART_TIME_SECONDS,
      // RFC 4724 section 3: without families it only says that we help others.
      families: helperOnly === true ? [] : rows,
    },
  ]
  if (longLivedStaleSeconds !== undefined) {
    const staleTimeSeconds = Math.min(0xff_ffff, longLivedStaleSeconds)
    const llgr = rows.map((row) => ({ ...row, staleTimeSeconds }))
    capabilities.push({
      kind: 'longLivedGracefulRestart',
      families: helperOnly === true ? [] : llgr,
    })
  }
  return capabilities
}
