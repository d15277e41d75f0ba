import { type GoPattern, parseGoPattern } from '../../lib/go-pattern.ts'
import type { Link } from '../../kernel/kernel.ts'
import { type ClusterProblem, clusterProblem } from '../../model/cluster-problem.ts'
import { identifierOf } from '../../model/resource.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import * as vxlan from '../../wire/packet/vxlan.ts'
import type { ViewOf } from '../cluster/derived.ts'
import { felixParameter } from '../cluster/felix-parameter.ts'
import type { TunnelDevice } from './tunnel-device.ts'
import { usesVxlan } from './vxlan-settings.ts'

/** Octets of an outer IPv4 header. */
const IPIP_OVERHEAD = 20

/** Links whose MTU counts, and the MTU where there is none of them (Felix: mtuIfacePattern). */
const HOST_LINKS = '^((en|wl|ww|sl|ib)[Pcopsvx].*|(eth|wlan|wwan).*)'
const FALLBACK_MTU = 1460

/** Whether any pool, disabled ones included, may send packets through IPIP (Felix: ipipEnabled auto). */
export function tunnelsAnything(
  view: ViewOf<'FelixConfiguration' | 'IPPool'>,
  node?: string,
): boolean {
  const forced = felixParameter(view, node, 'ipipEnabled')
  return forced ?? view.list('IPPool').some(({ spec }) => spec.ipipMode !== 'Never')
}

/** Whether nodes have a tunl0 that takes packets out of their outer headers, used by pools or not. */
export function hasTunnel(view: ViewOf<'FelixConfiguration'>, node?: string): boolean {
  return felixParameter(view, node, 'ipipEnabled') !== false
}

/** Octets of a packet, by where it passes. */
export interface NodeMtus {
  /** Between nodes. */
  readonly host: number
  /** Inside tunl0. */
  readonly ipip: number
  /** Inside vxlan.calico. */
  readonly vxlan: number
  /** At new pods: what passes whichever way the pools have packets go. */
  readonly pod: number
  /** Most of a TCP stream that pods send in one packet; undefined where this kernel leaves it as it is. */
  readonly segment: number | undefined
}

/**
 * The MTUs of a node by Calico's rules: the smallest of the host's links that are up, less the headers of
 * what is in use; ipipMTU and vxlanMTU of FelixConfiguration win.
 *
 * @param uplinkIndex the link with the node's address, which counts where no link has a usual name
 */
export function nodeMtus(
  view: ViewOf<'FelixConfiguration' | 'IPPool'>,
  node: string,
  links: readonly Link[],
  uplinkIndex: number | undefined,
): NodeMtus {
  const pattern = hostLinks(felixParameter(view, node, 'mtuIfacePattern'))
  const counting = links.filter(({ up, name }) => up && pattern.isIn(name))
  const uplink = links.find(({ index }) => index === uplinkIndex)
  const ways = counting.length > 0 || uplink === undefined ? counting : [uplink]
  const host = ways.length > 0 ? Math.min(...ways.map(({ mtu }) => mtu)) : FALLBACK_MTU
  const ipip = tunnelMtu(view, node, 'ipipMTU') ?? host - IPIP_OVERHEAD
  const inVxlan = tunnelMtu(view, node, 'vxlanMTU') ?? host - vxlan.OVERHEAD_OCTETS
  const usesIpip = tunnelsAnything(view, node)
  const inUse = { ipip: usesIpip, vxlan: usesVxlan(view, node) }
  const pod = Math.min(host, ...(inUse.ipip ? [ipip] : []), ...(inUse.vxlan ? [inVxlan] : []))
  const tunnels = links.filter(({ kind }) => inUse[kind as keyof typeof inUse])
  return { host, ipip, vxlan: inVxlan, pod, segment: segmentOf([...ways, ...tunnels]) }
}

/** What a link of Linux can have (ETH_MIN_MTU, IP_MAX_MTU). */
const LINK_MTU = { least: 68, most: 65_535 } as const
const TUNNEL_MTUS = ['ipipMTU', 'vxlanMTU'] as const

function isMtu(mtu: number): boolean {
  return Number.isInteger(mtu) && mtu >= LINK_MTU.least && mtu <= LINK_MTU.most
}

/** Undefined where Felix is to find it out itself: absent, 0, or what no link can have. */
function tunnelMtu(
  view: ViewOf<'FelixConfiguration'>,
  node: string,
  key: (typeof TUNNEL_MTUS)[number],
): number | undefined {
  const mtu = felixParameter(view, node, key)
  return mtu !== undefined && isMtu(mtu) ? mtu : undefined
}

/** MTUs that no link can have. */
export function tunnelProblems(view: ViewOf<'FelixConfiguration'>): ClusterProblem[] {
  return view.list('FelixConfiguration').flatMap(({ metadata, spec }) =>
    TUNNEL_MTUS.flatMap((key) => {
      const value = spec[key]
      if (value === undefined || value === 0 || isMtu(value)) return []
      return clusterProblem(identifierOf('FelixConfiguration', metadata.name), {
        field: `spec.${key}`,
        value,
        expected: `expected a whole number from ${LINK_MTU.least} to ${LINK_MTU.most}, or 0`,
        effect: 'as if it were absent',
      })
    }),
  )
}

/**
 * What every way out takes in one packet: a link that takes less would have the kernel cut what comes for
 * it in software. A tunl0 of programs is not among them, since it is made to take as much.
 */
function segmentOf(ways: readonly Link[]): number | undefined {
  const sizes = ways.flatMap(({ segmentOctets }) => segmentOctets ?? [])
  return sizes.length === 0 ? undefined : Math.min(...sizes)
}

function hostLinks(pattern: string | undefined): GoPattern {
  return parseGoPattern(pattern ?? HOST_LINKS) ?? parseGoPattern(HOST_LINKS)!
}

/**
 * tunl0 as it should be. It is there and takes packets out of their outer headers also while no pool
 * tunnels: when a pool's mode changes, nodes hear of it one after the other, and who hears of it first
 * sends first. Without an address then. Undefined where IPIP is switched off.
 */
export function tunnelDevice(
  view: ViewOf<'FelixConfiguration'>,
  node: string,
  address: IpAddress | undefined,
  mtus: NodeMtus,
): TunnelDevice | undefined {
  if (!hasTunnel(view, node)) return undefined
  return { address, mtu: mtus.ipip, segmentOctets: mtus.segment }
}
