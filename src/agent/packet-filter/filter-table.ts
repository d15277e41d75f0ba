import { type DropCounter, FILTER_TABLE, MASQUERADE_COUNTER } from '../../kernel/own-filter.ts'
import {
  FILTER_PRIORITY,
  type FilterChain,
  type FilterMatch,
  type FilterRule,
  type FilterSet,
  type FilterTable,
  type NewSource,
} from '../../kernel/packet-filter.ts'
import type { EncapsulationMode } from '../../model/ip-pool.ts'
import type { IPPool } from '../../model/resource.ts'
import { type Family, familyOf, ip } from '../../net/ip-address.ts'
import { covers, hostPrefix, type Prefix, prefix } from '../../net/prefix.ts'
import { POD_LINK_PREFIX } from '../../routes/ownership.ts'
import * as vxlan from '../../wire/packet/vxlan.ts'
import type { ViewOf } from '../cluster/derived.ts'
import { externalNodes } from '../cluster/external-nodes.ts'
import { felixParameter } from '../cluster/felix-parameter.ts'
import { nodePrefixes } from '../cluster/node-addresses.ts'
import { outgoingNat } from './outgoing-nat.ts'
import { hasTunnel } from '../tunnel/tunnel-settings.ts'

const PROTOCOL = { ipip: 4, tcp: 6, udp: 17 } as const
/** Calico's gateway of all pods. It has a route on the host for ARP's sake alone; nobody lives there. */
const GATEWAY = hostPrefix(ip('169.254.1.1'))
/** RFC 4291 section 2.5.6. */
const LINK_LOCAL = prefix('fe80::/10')
const FROM_PODS = `${POD_LINK_PREFIX}*`

/** What a node's table follows from. */
export interface FilterInputs {
  readonly view: ViewOf<'Node' | 'IPPool' | 'FelixConfiguration'>
  /** Name of the Node resource. */
  readonly node: string
  /** Whether packets come in VXLAN. */
  readonly hasVxlan: boolean
  /** The own network of the node; undefined while it has none. */
  readonly ownNetwork: Prefix | undefined
  /** Pools that were there a moment ago. */
  readonly formerPools: readonly Prefix[]
  /** Links by which only pods' packets may come another way than the node would answer. */
  readonly strictLinks: readonly string[]
}

/**
 * What a node's packet filter should be, as a pure function of the cluster:
 *
 *     from pods:  a source that is not the pod's own, tunnels, the gateway itself    --> dropped
 *     from nodes: a source that is no pod's and is reached by another link           --> dropped
 *     to the node: IPIP and VXLAN from anybody but nodes, before decapsulation       --> dropped
 *     from pools with natOutgoing to what is neither pool nor node                   --> masqueraded
 *
 * There is no chain for what the cluster does not use: one of type nat has the kernel track all
 * connections.
 */
export function filterTable(inputs: FilterInputs): FilterTable {
  const chains = [podsChain(inputs), strictChain(inputs), nodeChain(inputs), sourceNatChain(inputs)]
  const used = chains.filter(({ rules }) => rules.length > 0)
  const matches = used.flatMap(({ rules }) => rules.flatMap(({ match }) => match))
  const names = matches.flatMap((match) => (match.kind === 'set' ? match.set : []))
  return { name: FILTER_TABLE, sets: setsOf(inputs, new Set(names)), chains: used }
}

/** Pools that only stand for load balancers' addresses are no pod's. */
function podPools(view: ViewOf<'IPPool'>): readonly IPPool[] {
  return view.list('IPPool').filter(({ spec }) => !spec.allowedUses.includes('LoadBalancer'))
}

/** The sets that rules name. */
function setsOf(inputs: FilterInputs, used: ReadonlySet<string>): readonly FilterSet[] {
  const { view, node, ownNetwork, formerPools } = inputs
  const pools = podPools(view)
  const nodes = (family: Family): readonly Prefix[] => nodePrefixes(view.list('Node'), family)
  const external = externalNodes(view, node)
  const members: Readonly<Record<string, (family: Family) => readonly Prefix[]>> = {
    gateway: () => [GATEWAY],
    'link-local': () => [LINK_LOCAL],
    pools: () => [...new Set([...cidrsOf(pools), ...formerPools])],
    masquerade: () => cidrsOf(pools.filter(isMasqueraded)),
    nodes: (family) => (external.length === 0 ? nodes(family) : [...nodes(family), ...external]),
    'never-tunnelled': () => cidrsOf(poolsWithMode(view, 'Never')),
    'near-bare': () => cidrsOf(poolsWithMode(view, 'CrossSubnet')),
    'near-nodes': (family) =>
      ownNetwork === undefined ? [] : nodes(family).filter((node) => covers(ownNetwork, node)),
  }
  return Object.entries(members).flatMap(([name, list]) =>
    FAMILIES.filter((family) => used.has(`${name}${family}`)).map((family) => ({
      name: `${name}${family}`,
      key: [ADDRESS_TYPES[family]],
      elements: ofFamily(list(family), family),
    })),
  )
}

/** The same list where all of it is. */
function ofFamily(prefixes: readonly Prefix[], family: Family): readonly Prefix[] {
  const isOf = (prefix: Prefix): boolean => prefix.includes(':') === (family === 6)
  return prefixes.every(isOf) ? prefixes : prefixes.filter(isOf)
}

const FAMILIES = [4, 6] as const
const ADDRESS_TYPES = { 4: 'ipv4', 6: 'ipv6' } as const

function cidrsOf(pools: readonly IPPool[]): readonly Prefix[] {
  return pools.map(({ spec }) => spec.cidr)
}

/** A pool that is disabled gives out no more addresses, but serves those that are out. */
function isMasqueraded({ spec }: IPPool): boolean {
  return spec.natOutgoing === true
}

/** Pools with natOutgoing of one encapsulation. */
function poolsWithMode(view: ViewOf<'IPPool'>, mode: EncapsulationMode): readonly IPPool[] {
  return podPools(view).filter((pool) => {
    const { ipipMode, vxlanMode } = pool.spec
    return isMasqueraded(pool) && (ipipMode === 'Never' ? vxlanMode : ipipMode) === mode
  })
}

/** Before anything is made of it, connection tracking included: what pods must not send. */
function podsChain({ view, node }: FilterInputs): FilterChain {
  const drop = (counter: DropCounter, ...match: readonly FilterMatch[]): FilterRule => ({
    match,
    counter,
    verdict: 'drop',
  })
  return {
    name: 'from-pods',
    type: 'filter',
    hook: 'prerouting',
    priority: FILTER_PRIORITY.raw,
    policy: 'accept',
    rules: [
      // Every packet of the node comes by here: one rule is all that those of others cost.
      { match: [{ kind: 'inputLink', link: FROM_PODS, not: true }], verdict: 'accept' },
      // Such packets stay on the link, and come before the host's end has an address there itself.
      { match: [inSet('source', 'link-local6')], verdict: 'accept' },
      drop('spoofed-source', { kind: 'sourceIsElsewhere' }),
      drop('to-gateway', inSet('destination', 'gateway4')),
      ...(felixParameter(view, node, 'allowIPIPPacketsFromWorkloads') === true
        ? []
        : [drop('tunnel-of-pod', protocolIs(PROTOCOL.ipip))]),
      ...(felixParameter(view, node, 'allowVXLANPacketsFromWorkloads') === true
        ? []
        : [drop('tunnel-of-pod', ...vxlanPackets(view, node))]),
    ],
  }
}

/** What the kernel's strict filter of reverse paths would drop, packets of pods excepted. */
function strictChain({ strictLinks }: FilterInputs): FilterChain {
  return {
    name: 'from-nodes',
    type: 'filter',
    hook: 'prerouting',
    priority: FILTER_PRIORITY.raw,
    policy: 'accept',
    rules: strictLinks.map((link) => ({
      match: [
        { kind: 'inputLink', link },
        notInSet('source', 'pools4'),
        { kind: 'sourceIsElsewhere' },
      ],
      counter: 'reverse-path' satisfies DropCounter,
      verdict: 'drop',
    })),
  }
}

function inSet(field: 'source' | 'destination', set: string): FilterMatch {
  return { kind: 'set', set, key: [field] }
}

function notInSet(field: 'source' | 'destination', set: string): FilterMatch {
  return { kind: 'set', set, key: [field], not: true }
}

function protocolIs(protocol: number): FilterMatch {
  return { kind: 'protocol', protocol }
}

function vxlanPackets(view: ViewOf<'FelixConfiguration'>, node: string): readonly FilterMatch[] {
  const ports = felixParameter(view, node, 'vxlanPort') ?? vxlan.PORT
  return [protocolIs(PROTOCOL.udp), { kind: 'destinationPort', ports }]
}

/** What a tunnel of the kernel would take out of its outer header. */
function nodeChain({ view, node, hasVxlan }: FilterInputs): FilterChain {
  const stranger = (
    family: Family,
    counter: DropCounter,
    match: readonly FilterMatch[],
  ): FilterRule => ({
    match: [...match, notInSet('source', `nodes${family}`)],
    counter,
    verdict: 'drop',
  })
  const encapsulated = vxlanPackets(view, node)
  const ipipRules = [stranger(4, 'forged-ipip', [protocolIs(PROTOCOL.ipip)])]
  const vxlanRules = [
    stranger(4, 'forged-vxlan', encapsulated),
    stranger(6, 'forged-vxlan', encapsulated),
  ]
  return {
    name: 'to-node',
    type: 'filter',
    hook: 'input',
    priority: FILTER_PRIORITY.filter,
    policy: 'accept',
    rules: [...(hasTunnel(view, node) ? ipipRules : []), ...(hasVxlan ? vxlanRules : [])],
  }
}

/**
 * Packets to nodes keep their source where the answer comes back the way that they went: a node sends
 * it through the tunnel if it would send any packet to the pod so, and a filter of reverse paths drops
 * what came bare. Calico says with natOutgoingExclusions that all nodes are excluded, or none.
 */
function sourceNatChain({ view, node }: FilterInputs): FilterChain {
  const excluded = felixParameter(view, node, 'natOutgoingExclusions')
  const rules = FAMILIES.filter((family) =>
    podPools(view).some(
      (pool) => isMasqueraded(pool) && pool.spec.cidr.includes(':') === (family === 6),
    ),
  ).flatMap((family) => [
    ...(excluded === 'IPPoolsAndHostIPs' ? [keep(`masquerade${family}`, `nodes${family}`)] : []),
    ...(excluded === undefined
      ? [
          keep(`never-tunnelled${family}`, `nodes${family}`),
          keep(`near-bare${family}`, `near-nodes${family}`),
        ]
      : []),
    ...masqueradeRules(family, outgoingNat(view, node)),
  ])
  return {
    name: 'from-pools',
    type: 'nat',
    hook: 'postrouting',
    priority: FILTER_PRIORITY.sourceNat,
    policy: 'accept',
    rules,
  }
}

function keep(source: string, destination: string): FilterRule {
  return {
    match: [inSet('source', source), inSet('destination', destination)],
    verdict: 'accept',
  }
}

/** Ports are drawn anew, so that two pods' connections that begin at once do not get the same one. */
function masqueradeRules(family: Family, wanted: NewSource): readonly FilterRule[] {
  const leaving = [
    inSet('source', `masquerade${family}`),
    notInSet('destination', `pools${family}`),
  ]
  const counter = MASQUERADE_COUNTER
  const { address, ports } = wanted
  const own = address !== undefined && familyOf(address) === family ? { address } : {}
  const withPorts = ports === undefined ? own : { ...own, ports }
  return [
    ...[PROTOCOL.tcp, PROTOCOL.udp].map((protocol): FilterRule => ({
      match: [protocolIs(protocol), ...leaving],
      counter,
      verdict: 'masqueradeRandomly',
      ...newSource(withPorts),
    })),
    { match: leaving, counter, verdict: 'masquerade', ...newSource(own) },
  ]
}

function newSource(source: NewSource): Pick<FilterRule, 'newSource'> {
  return Object.keys(source).length === 0 ? {} : { newSource: source }
}
