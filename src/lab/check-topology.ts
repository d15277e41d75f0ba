import { addressFromOctets, addressOctets, type IpAddress } from '../net/ip-address.ts'
import { closest } from '../lib/closest.ts'
import type { FieldPath, FieldProblem } from '../lib/schema-problems.ts'
import {
  contains,
  covers,
  overlaps,
  type Prefix,
  prefix,
  prefixAddress,
  prefixLength,
} from '../net/prefix.ts'
import type {
  TopologyInterface,
  TopologyNetwork,
  TopologyNode,
  TopologyPod,
  TopologyPool,
  TopologyRouter,
} from './topology-schema.ts'
import { reachable } from './underlay-routes.ts'

/** The lists of a topology file; an entry that is not well formed is undefined at its index. */
export interface TopologyDraft {
  readonly networks: readonly (TopologyNetwork | undefined)[]
  readonly nodes: readonly (TopologyNode | undefined)[]
  readonly routers: readonly (TopologyRouter | undefined)[]
  readonly pools: readonly (TopologyPool | undefined)[]
  readonly pods: readonly (TopologyPod | undefined)[]
  /** Names that may be referred to, those of malformed entries included. */
  readonly names: { readonly networks: readonly string[]; readonly nodes: readonly string[] }
}

type Check = (draft: TopologyDraft) => Iterable<FieldProblem>

/** Everything that is wrong with a topology beyond the shape of its fields. */
export function checkTopology(draft: TopologyDraft): FieldProblem[] {
  return CHECKS.flatMap((check) => [...check(draft)])
}

const CHECKS: readonly Check[] = [
  uniqueNames,
  uniquePods,
  uniqueInterfaces,
  interfacesInNetworks,
  uniqueAddresses,
  ordinaryRanges,
  apartRanges,
  joinedNetworks,
  poolSizes,
  poolTunnels,
  podBlocks,
  podNodes,
  podAddresses,
  enoughAddresses,
]

interface Placed<Item> {
  readonly item: Item
  readonly path: FieldPath
}

function placed<Item>(list: readonly (Item | undefined)[], name: string): Placed<Item>[] {
  return list.flatMap((item, at) => (item === undefined ? [] : [{ item, path: [name, at] }]))
}

/** A problem for each item whose key an earlier item has. */
function* repeated<Item>(
  items: Iterable<Item>,
  key: (item: Item) => string,
  path: (item: Item) => FieldPath,
  message: (key: string) => string,
): Generator<FieldProblem> {
  const first = new Map<string, Item>()
  for (const item of items) {
    const own = key(item)
    const before = first.get(own)
    if (before === undefined) first.set(own, item)
    else yield { path: path(item), message: message(own), other: path(before) }
  }
}

/** Networks, nodes, routers and pods each become a network namespace of their name. */
function* uniqueNames({
  networks,
  nodes,
  routers,
  pools,
  pods,
}: TopologyDraft): Generator<FieldProblem> {
  const hosts = [
    ...placed(networks, 'networks'),
    ...placed(nodes, 'nodes'),
    ...placed(routers, 'routers'),
  ]
  const name = ({ item }: Placed<{ name: string }>): string => item.name
  const at = ({ path }: Placed<unknown>): FieldPath => [...path, 'name']
  const taken = (): string =>
    'expected a name that no other network, node or router has: each becomes a namespace of its name'
  yield* repeated(hosts, name, at, taken)
  const hostNames = new Map(hosts.map((host) => [host.item.name, host]))
  for (const pod of placed(pods, 'pods')) {
    const host = hostNames.get(pod.item.name)
    if (host !== undefined) yield { path: at(pod), message: taken(), other: at(host) }
  }
  yield* repeated(placed(pools, 'pools'), name, at, () => 'expected a name that no other pool has')
}

function* uniquePods({ pods }: TopologyDraft): Generator<FieldProblem> {
  yield* repeated(
    placed(pods, 'pods'),
    ({ item }) => `${item.namespace}/${item.name}`,
    ({ path }) => [...path, 'name'],
    (key) => `expected a name that no other pod of namespace ${key.split('/')[0]!} has`,
  )
}

function interfaces({ nodes, routers }: TopologyDraft): Placed<TopologyInterface>[] {
  return [...placed(nodes, 'nodes'), ...placed(routers, 'routers')].flatMap(({ item, path }) =>
    item.interfaces.map((own, at) => ({
      item: own,
      path: [...path, 'interfaces', at],
    })),
  )
}

function* uniqueInterfaces(draft: TopologyDraft): Generator<FieldProblem> {
  yield* repeated(
    interfaces(draft),
    ({ item, path }) => `${path[0]} ${path[1]} ${item.name}`,
    ({ path }) => [...path, 'name'],
    () => 'expected a name that no other interface of this host has',
  )
}

function* interfacesInNetworks(draft: TopologyDraft): Generator<FieldProblem> {
  const networks = new Map(placed(draft.networks, 'networks').map(({ item }) => [item.name, item]))
  for (const { item, path } of interfaces(draft)) {
    if (!draft.names.networks.includes(item.network)) {
      const message = `expected a network of this file${oneOf(item.network, draft.names.networks)}`
      yield { path: [...path, 'network'], message }
      continue
    }
    const network = networks.get(item.network)
    if (network === undefined) continue // malformed itself, and reported so
    const message = addressMistake(network, item)
    if (message !== undefined) yield { path: [...path, 'address'], message }
  }
}

function addressMistake(
  { name, cidr }: TopologyNetwork,
  own: TopologyInterface,
): string | undefined {
  const { address, prefixLength: length } = own.address
  const where = `network ${name}, ${cidr}`
  if (!contains(cidr, address)) return `expected an address in ${where}`
  if (length !== prefixLength(cidr)) return `expected the length of ${where}`
  if (length < 31 && (address === prefixAddress(cidr) || address === lastAddress(cidr))) {
    return `expected an address of a host; this is the first or the last of ${where}`
  }
  return undefined
}

function* uniqueAddresses(draft: TopologyDraft): Generator<FieldProblem> {
  yield* repeated(
    interfaces(draft),
    ({ item }) => item.address.address,
    ({ path }) => [...path, 'address'],
    () => 'expected an address that no other interface has',
  )
}

/** Ranges that hosts treat in a way of their own (RFC 6890), and what they are for. */
const SPECIAL: readonly (readonly [Prefix, string])[] = [
  [prefix('0.0.0.0/8'), 'this host'],
  [prefix('127.0.0.0/8'), 'loopback'],
  [prefix('169.254.0.0/16'), "link-local; pods' default route leads there"],
  [prefix('224.0.0.0/4'), 'multicast'],
  [prefix('240.0.0.0/4'), 'reserved'],
]

function ranges(draft: TopologyDraft): Placed<{ name: string; cidr: Prefix }>[] {
  return [...placed(draft.networks, 'networks'), ...placed(draft.pools, 'pools')]
}

function* ordinaryRanges(draft: TopologyDraft): Generator<FieldProblem> {
  for (const { item, path } of ranges(draft)) {
    const special = SPECIAL.find(([range]) => overlaps(range, item.cidr))
    if (special === undefined) continue
    const message = `expected a range without ${special[0]} (${special[1]})`
    yield { path: [...path, 'cidr'], message }
  }
}

function* apartRanges(draft: TopologyDraft): Generator<FieldProblem> {
  const all = ranges(draft)
  for (const [at, { item, path }] of all.entries()) {
    const other = all.slice(0, at).find((before) => overlaps(before.item.cidr, item.cidr))
    if (other === undefined) continue
    const message = `expected a range that does not overlap ${other.item.name}, ${other.item.cidr}`
    yield { path: [...path, 'cidr'], message, other: [...other.path, 'cidr'] }
  }
}

function* joinedNetworks({ nodes, routers, names }: TopologyDraft): Generator<FieldProblem> {
  const known = (host: TopologyNode | TopologyRouter | undefined): boolean =>
    host !== undefined && networksOf(host).every((network) => names.networks.includes(network))
  if (!nodes.every(known) || !routers.every(known)) return
  const all = placed(nodes, 'nodes')
  const first = all[0]
  if (first === undefined) return
  const joining = placed(routers, 'routers').map(({ item }) => item)
  const joined = reachable(networksOf(first.item), joining)
  for (const { item, path } of all) {
    if (networksOf(item).some((network) => joined.has(network))) continue
    yield {
      path: [...path, 'interfaces'],
      message: `expected a network that ${first.item.name} is in too, or a router that joins theirs`,
      other: [...first.path, 'interfaces'],
    }
  }
}

function networksOf({ interfaces }: { interfaces: readonly TopologyInterface[] }): string[] {
  return interfaces.map(({ network }) => network)
}

function* poolSizes({ pools }: TopologyDraft): Generator<FieldProblem> {
  for (const { item, path } of placed(pools, 'pools')) {
    if (item.blockSize >= prefixLength(item.cidr)) continue
    const message = `expected at least ${prefixLength(item.cidr)}: pool ${item.cidr} is smaller than one block`
    yield { path: [...path, 'blockSize'], message, other: [...path, 'cidr'] }
  }
}

function* poolTunnels({ pools }: TopologyDraft): Generator<FieldProblem> {
  for (const { item, path } of placed(pools, 'pools')) {
    if (item.vxlanMode === 'Never' || (item.ipipMode ?? 'Never') === 'Never') continue
    const message = 'expected Never: a pool cannot have both IPIP and VXLAN'
    yield { path: [...path, 'ipipMode'], message, other: [...path, 'vxlanMode'] }
  }
}

function* podBlocks({ nodes, pools }: TopologyDraft): Generator<FieldProblem> {
  const own = placed(nodes, 'nodes').flatMap(({ item, path }) =>
    item.podCIDR === undefined ? [] : [{ cidr: item.podCIDR, path: [...path, 'podCIDR'] }],
  )
  for (const { cidr, path } of own) {
    const pool = placed(pools, 'pools').find(({ item }) => covers(item.cidr, cidr))
    if (pool === undefined) {
      if (pools.length > 0 && !pools.includes(undefined)) {
        yield { path, message: `expected a block of a pool${cidrs(pools)}` }
      }
    } else if (prefixLength(cidr) !== pool.item.blockSize) {
      const message = `expected the length /${pool.item.blockSize}, the block size of pool ${pool.item.name}`
      yield { path, message, other: [...pool.path, 'blockSize'] }
    }
  }
  yield* repeated(
    own,
    ({ cidr }) => cidr,
    ({ path }) => path,
    () => 'expected a block that no other node has',
  )
}

function* podNodes({ pods, names }: TopologyDraft): Generator<FieldProblem> {
  for (const { item, path } of placed(pods, 'pods')) {
    if (names.nodes.includes(item.node)) continue
    const message = `expected a node of this file${oneOf(item.node, names.nodes)}`
    yield { path: [...path, 'node'], message }
  }
}

function* podAddresses({ pods, nodes, pools }: TopologyDraft): Generator<FieldProblem> {
  const fixed = placed(pods, 'pods').flatMap(({ item, path }) =>
    item.address === undefined
      ? []
      : [{ ...item, address: item.address, path: [...path, 'address'] }],
  )
  const blocks = placed(nodes, 'nodes').flatMap(({ item, path }) =>
    item.podCIDR === undefined
      ? []
      : [{ node: item.name, cidr: item.podCIDR, path: [...path, 'podCIDR'] }],
  )
  const wholePools = pools.length > 0 && !pools.includes(undefined)
  for (const { address, node, path } of fixed) {
    if (wholePools && !pools.some((pool) => contains(pool!.cidr, address))) {
      yield { path, message: `expected an address of a pool${cidrs(pools)}` }
      continue
    }
    const own = blocks.find((block) => block.node === node)
    const holder = blocks.find(({ cidr }) => contains(cidr, address))
    if (own !== undefined && holder !== own) {
      const message = `expected an address of ${node}'s block, ${own.cidr}`
      yield { path, message, other: own.path }
    } else if (own === undefined && holder !== undefined) {
      const message = `expected an address outside ${holder.node}'s block, ${holder.cidr}`
      yield { path, message, other: holder.path }
    } else if (own !== undefined && address === firstAddressOf(own.cidr)) {
      const message = `expected another address: this one is tunl0's on ${node}`
      yield { path, message, other: own.path }
    }
  }
  yield* repeated(
    fixed,
    ({ address }) => address,
    ({ path }) => path,
    () => 'expected an address that no other pod has',
  )
}

/** Each node takes whole blocks, for its tunnel's address and its pods. */
function* enoughAddresses({ pools, nodes, pods }: TopologyDraft): Generator<FieldProblem> {
  if ([pools, nodes, pods].some((list) => (list as readonly unknown[]).includes(undefined))) return
  const all = placed(pools, 'pools').filter(({ item }) => item.blockSize >= prefixLength(item.cidr))
  if (all.length === 0 || nodes.length === 0) return
  const blockSize = Math.min(...all.map(({ item }) => item.blockSize))
  const perBlock = 2 ** (32 - blockSize)
  const available = all.reduce(
    (sum, { item }) => sum + 2 ** (blockSize - prefixLength(item.cidr)),
    0,
  )
  const needed = placed(nodes, 'nodes').reduce((sum, { item }) => {
    const addresses = 1 + placed(pods, 'pods').filter((pod) => pod.item.node === item.name).length
    return sum + Math.ceil(addresses / perBlock)
  }, 0)
  if (needed <= available) return
  const message =
    `expected room for ${needed} blocks of /${blockSize} (${nodes.length} nodes, ${pods.length} pods);` +
    ` the pools have ${available}`
  yield { path: [...all[0]!.path, 'cidr'], message }
}

/** The address of tunl0 on a node that starts with this block: the first after the block's own. */
export function firstAddressOf(block: Prefix): IpAddress {
  const octets = addressOctets(prefixAddress(block)).slice()
  if (prefixLength(block) < octets.length * 8) octets[octets.length - 1]! |= 1
  return addressFromOctets(octets)
}

function lastAddress(cidr: Prefix): IpAddress {
  const octets = addressOctets(prefixAddress(cidr)).slice()
  for (let bit = prefixLength(cidr); bit < octets.length * 8; bit++) {
    octets[bit >> 3]! |= 0x80 >> (bit & 7)
  }
  return addressFromOctets(octets)
}

function oneOf(word: string, names: readonly string[]): string {
  const near = closest(word, names)
  if (near !== undefined) return `; did you mean ${near}?`
  return names.length === 0
    ? ''
    : `: ${names.slice(0, 8).join(', ')}${names.length > 8 ? ', …' : ''}`
}

function cidrs(pools: readonly (TopologyPool | undefined)[]): string {
  const known = pools.flatMap((pool) => (pool === undefined ? [] : [`${pool.name} ${pool.cidr}`]))
  return known.length === 0 ? '' : `: ${known.join(', ')}`
}
