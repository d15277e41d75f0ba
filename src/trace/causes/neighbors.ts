import { type Family, familyOf, type IpAddress } from '../../net/ip-address.ts'
import type { Steps } from '../predict/steps.ts'
import { lookUpRoute } from '../tables/route-lookup.ts'
import type { NamespaceView } from '../tables/namespace-view.ts'
import type { FarEnd, TracedCluster } from '../tables/topology.ts'
import { cause, type Finding } from './cause.ts'
import { forwardingSetting } from './host.ts'
import { neighborOfNode } from './missing-routes.ts'
import { counterDeltas, gapOf } from './symptoms.ts'
import { command, ipOf, linkSetting, neighborProtocol, where, sysctlCommand } from './words.ts'

/** Causes in the way from a next hop to a MAC address. */

type NeighborFailed = {
  readonly link: string
  readonly address: IpAddress
  /** Of the neighbor entry; "unanswered" where nobody at the other end has the address. */
  readonly state: string
  /** A command's end that names the right neighbor: an entry, or a route by another next hop. */
  readonly entry: string | undefined
  readonly route: string | undefined
}

export const neighborFailed = cause<NeighborFailed>()({
  id: 'neighbor-failed',
  class: 'underlay',
  detect: {
    resolve(step) {
      const { view, link, address, entry, far } = step
      if (link.macAddress === undefined || isResolved(step)) return undefined
      if (link.vxlan !== undefined) return unknownVtep(step)
      const state =
        far === undefined ? entry?.state : holds(far, address) ? undefined : 'unanswered'
      // Between a pod and its node others answer, or the pod has lost its address.
      const isOfPod = view.netns !== 'host' || (far !== undefined && far.view.netns !== 'host')
      if (state === undefined || (isOfPod && far !== undefined)) return undefined
      if (far === undefined && state !== 'failed') return undefined
      const { topology, request, route } = step
      const next = { link: link.name, address, route, destination: request.destination }
      return { view, link: link.name, facts: failed(topology, view, next, state) }
    },
    loss({ leg, after }) {
      const { missing } = gapOf(leg)
      const way = missing?.predicted?.way
      if (way === undefined || missing?.direction !== 'out') return undefined
      const view = after.view(missing.node, missing.netns)
      const entry = view?.neighbor(missing.predicted!.linkIndex, way.nextHop)
      if (entry?.state !== 'failed' && entry?.state !== 'incomplete') return undefined
      const { destination } = leg.prediction
      const next = { link: missing.link, address: way.nextHop, route: way.route, destination }
      return { view: view!, link: missing.link, facts: failed(after, view!, next, entry.state) }
    },
  },
  sentence: ({ link, address }, place) =>
    `Nobody answers for ${address} on ${link} of ${where(place)}.`,
  evidence: ({ address, state, link }) => [
    state === 'unanswered'
      ? `nothing at the other end of ${link} has ${address}`
      : state === 'absent'
        ? `${link} has no neighbor entry for ${address}, which the agent writes`
        : `its neighbor entry is ${state.toUpperCase()}`,
  ],
  mend: ({ family, entry, route }) => [
    ...(entry === undefined ? [] : [command(`${ipOf(family)} neigh replace ${entry}`)]),
    ...(route === undefined ? [] : [command(`${ipOf(family)} route replace ${route}`)]),
  ],
  look: ({ family, address, link }) => [
    command(`${ipOf(family)} neigh show ${address} dev ${link}`),
    command(family === 4 ? `arping -I ${link} -c 3 ${address}` : `ndisc6 ${address} ${link}`),
  ],
  fault: 'neighbor-failed',
})

/** Linux has one neighbor table a family for all network namespaces, with one limit. */
export const neighborTableFull = cause<{
  readonly link: string
  readonly address: IpAddress
  readonly entries: number
  /** gc_thresh3, which only the first namespace shows. */
  readonly limit: number | undefined
}>()({
  id: 'neighbor-table-full',
  class: 'host',
  detect: {
    loss({ leg, after, observation }) {
      const { missing } = gapOf(leg)
      const way = missing?.predicted?.way
      if (missing === undefined || way === undefined || missing.direction !== 'out')
        return undefined
      const view = after.view(missing.node, missing.netns)
      if (view?.neighbor(missing.predicted!.linkIndex, way.nextHop)?.macAddress !== undefined) {
        return undefined
      }
      const table = TABLE_FILES[familyOf(way.nextHop)]
      const moved = counterDeltas(observation, missing.node, missing.netns)
      if (!moved.some(({ name }) => name === `${table}.table_fulls`)) return undefined
      const counted = observation.countersAfter.find(
        ({ node, netns }) => node === missing.node && netns === missing.netns,
      )
      const limit = view?.snapshot.sysctls[tableLimit(familyOf(way.nextHop))]
      const facts = {
        link: missing.link,
        address: way.nextHop,
        entries: counted?.counters[`${table}.entries`] ?? 0,
        limit: limit === undefined ? undefined : Number(limit),
      }
      return view && { view, link: missing.link, facts }
    },
  },
  sentence: ({ family, link, address }, place) =>
    `The kernel's ${neighborProtocol(family)} table is full: ${where(place)} cannot find ${address} on ${link}.`,
  evidence: ({ family, entries, limit }) => [
    `the table, one for all network namespaces, has ${entries} entries`,
    ...(limit === undefined ? [] : [`net.${tableLimit(family)} = ${limit}`]),
  ],
  mend: ({ family, entries }) => [
    command(`nsenter -t 1 -n sysctl -w net.${tableLimit(family)}=${Math.max(4096, 4 * entries)}`),
  ],
  counters: ['arp_cache.table_fulls', 'ndisc_cache.table_fulls'],
  fault: 'neighbor-table-full',
})

/** Under /proc/net/stat, by family. */
const TABLE_FILES = { 4: 'arp_cache', 6: 'ndisc_cache' } as const

function tableLimit(family: Family): string {
  return `ipv${family}.neigh.default.gc_thresh3`
}

/** Whether the entry that is there gives a MAC address. */
function isResolved({ entry }: Steps['resolve']): boolean {
  return entry?.macAddress !== undefined && entry.state !== 'failed' && entry.state !== 'incomplete'
}

/** The address is the far end's own: of its node in ARP, of the very link in neighbor discovery. */
function holds({ view, link }: FarEnd, address: IpAddress): boolean {
  if (familyOf(address) === 4) {
    return lookUpRoute(view, { destination: address, inputLink: link.name })?.type === 'local'
  }
  return view.snapshot.addresses.some(
    (own) => own.address === address && own.linkIndex === link.index,
  )
}

interface NextHop {
  readonly link: string
  readonly address: IpAddress
  /** The route that named it, and what was to be reached. */
  readonly route: string
  readonly destination: IpAddress
}

/** Where another node has the pod, the route by that one would be right. */
function failed(
  topology: TracedCluster,
  view: NamespaceView,
  { link, address, route, destination }: NextHop,
  state: string,
): NeighborFailed {
  const owner = topology.registeredPod(destination)?.node
  const family = familyOf(address)
  const near =
    owner === undefined || owner === view.node
      ? undefined
      : neighborOfNode(topology, view, owner, family)
  const isOther = near !== undefined && near.address !== address && near.link === link
  const right = isOther ? route.replace(`via ${address} dev`, `via ${near.address} dev`) : undefined
  return { link, address, state, entry: undefined, route: right }
}

/** The neighbors of a VXLAN link are written, not asked for. */
function unknownVtep({
  view,
  link,
  address,
  far,
  entry: asked,
}: Steps['resolve']): Finding<NeighborFailed> {
  const mac = far?.link.macAddress
  const entry =
    mac === undefined ? undefined : `${address} lladdr ${mac} dev ${link.name} nud permanent`
  const state = asked?.state ?? 'absent'
  const facts = { link: link.name, address, state, entry, route: undefined }
  return { view, link: link.name, facts }
}

export const neighborWrongMac = cause<{
  readonly link: string
  readonly address: IpAddress
  readonly mac: string
  readonly actual: string
}>()({
  id: 'neighbor-wrong-mac',
  class: 'host',
  detect: {
    resolve(step) {
      const { view, link, address, entry, far } = step
      const actual = far?.link.macAddress
      const mac = entry?.macAddress
      if (link.macAddress === undefined || !isResolved(step)) return undefined
      if (mac === undefined || actual === undefined || actual === mac) return undefined
      return { view, link: link.name, facts: { link: link.name, address, mac, actual } }
    },
  },
  sentence: ({ address, mac, actual }, place) =>
    `${where(place)} sends packets for ${address} to the MAC address ${mac}, but it is ${actual}.`,
  evidence: ({ address, link, mac }) => [`neighbor entry ${address} dev ${link} lladdr ${mac}`],
  mend: ({ family, address, link }) => [
    command(`${ipOf(family)} neigh del ${address} dev ${link}`),
  ],
  look: ({ family, address, link }) => [
    command(`${ipOf(family)} neigh show ${address} dev ${link}`),
  ],
  fault: 'neighbor-wrong-mac',
})

/**
 * What a node must do to answer a pod for the gateway, as arp_process in net/ipv4/arp.c: forward, have
 * proxy_arp, and send a packet for the address out of another link. In IPv6 the gateway is the node's.
 */
type ProxyFacts = {
  readonly link: string
  readonly address: IpAddress
}

/** The node's end of a pod's link that would have to answer for an address that is not its own. */
function askedProxy(step: Steps['resolve']): FarEnd | undefined {
  const { view, address, far } = step
  const isAsked = view.netns !== 'host' && far?.view.netns === 'host' && familyOf(address) === 4
  if (!isAsked || isResolved(step) || holds(far, address)) return undefined
  return far
}

function proxyFinding({ view, link }: FarEnd, address: IpAddress): Finding<ProxyFacts> {
  return { view, link: link.name, facts: { link: link.name, address } }
}

export const proxyArpOff = cause<ProxyFacts>()({
  id: 'proxy-arp-off',
  class: 'host',
  detect: {
    resolve(step) {
      const far = askedProxy(step)
      const isOff = far?.view.largerSetting('ipv4', far.link.name, 'proxy_arp') === 0
      return far !== undefined && isOff ? proxyFinding(far, step.address) : undefined
    },
  },
  sentence: ({ link, address }, place) =>
    `${where(place)} does not answer ARP for ${address} on ${link}: proxy_arp is off.`,
  evidence: ({ link }) => [`${linkSetting(4, link, 'proxy_arp')} = 0`],
  mend: ({ link }) => [sysctlCommand(linkSetting(4, link, 'proxy_arp'), 1)],
  fault: 'proxy-arp-off',
})

export const proxyArpNoForwarding = cause<ProxyFacts & { readonly everywhere: boolean }>()({
  id: 'proxy-arp-no-forwarding',
  class: 'host',
  detect: {
    resolve(step) {
      const far = askedProxy(step)
      if (far?.view.setting('ipv4', far.link.name, 'forwarding') !== 0) return undefined
      const found = proxyFinding(far, step.address)
      const everywhere = far.view.setting('ipv4', 'all', 'forwarding') === 0
      return { ...found, facts: { ...found.facts, everywhere } }
    },
  },
  sentence: ({ link, address }, place) =>
    `${where(place)} does not answer ARP for ${address} on ${link}: forwarding is off there.`,
  evidence: ({ link, everywhere }) => [
    `${forwardingSetting(4, everywhere ? undefined : link)} = 0; proxy ARP needs forwarding`,
  ],
  mend: ({ link, everywhere }) => [
    sysctlCommand(forwardingSetting(4, everywhere ? undefined : link), 1),
  ],
  fault: 'proxy-arp-no-forwarding',
})

export const proxyArpNoRoute = cause<ProxyFacts>()({
  id: 'proxy-arp-no-route',
  class: 'host',
  detect: {
    resolve(step) {
      const far = askedProxy(step)
      if (far === undefined) return undefined
      const { view, link } = far
      const route = lookUpRoute(view, { destination: step.address, inputLink: link.name })
      const leavesElsewhere =
        route?.type === 'unicast' &&
        route.route.nextHops.some(({ linkIndex }) => linkIndex !== link.index)
      return leavesElsewhere ? undefined : proxyFinding(far, step.address)
    },
  },
  sentence: ({ link, address }, place) =>
    `${where(place)} does not answer ${neighborProtocol(4)} for ${address} on ${link}: it has no route to it.`,
  evidence: ({ link, address }, place) => [
    `proxy_arp of ${link} is on, but answers only for what leaves by another interface`,
    `no route of ${where(place)} covers ${address}; usually the default route is missing`,
  ],
  mend: ({ address }) => [command(`ip route add ${address} dev lo scope link`)],
  advice: 'or give the node a default route',
  fault: 'proxy-arp-no-route',
})
