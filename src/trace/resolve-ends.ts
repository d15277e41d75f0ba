import { UserError } from '../lib/errors.ts'
import { familyOf, type IpAddress, parseIpAddress } from '../net/ip-address.ts'
import { contains, type Prefix, prefix } from '../net/prefix.ts'
import type { Directory, DirectoryEndpoint } from './tables/directory.ts'
import { nearest } from './nearest.ts'
import type { Netns } from '../api/node-access.ts'

/** One end of a trace: a pod, a node, or an address that belongs to neither. */
export type End =
  | {
      readonly kind: 'pod'
      readonly pod: string
      readonly node: string
      readonly address: IpAddress
    }
  | { readonly kind: 'node'; readonly node: string; readonly address: IpAddress }
  | { readonly kind: 'address'; readonly address: IpAddress }

/** An end that packets can be sent from. */
export type SourceEnd = Exclude<End, { kind: 'address' }>

export interface Ends {
  readonly from: SourceEnd
  readonly to: End
}

/** What a person calls an end: "default/network-5z4qp", "server01", "10.211.9.9". */
export function endName(end: End): string {
  return end.kind === 'pod' ? end.pod : end.kind === 'node' ? end.node : end.address
}

/** The network namespace of an end on its node. */
export function endNetns(end: SourceEnd): Netns {
  return end.kind === 'pod' ? (end.pod as Netns) : 'host'
}

/**
 * The two ends that a person named: a pod as "name" or "namespace/name", a node, or an IP address.
 * Errors: UserError for a name that is unknown (with the nearest), that fits several pods, an address
 * that is not of one host, a source that nothing can be sent from, or two ends that are one.
 */
export function resolveEnds(from: string, to: string, directory: Directory): Ends {
  const sources = candidates(from, directory)
  const targets = candidates(to, directory)
  for (const source of sources) {
    if (source.kind === 'address') {
      throw new UserError(
        `Cannot send from ${from}: no pod and no node has this address; a trace starts inside one.`,
      )
    }
    const family = familyOf(source.address)
    const target = targets.find((end) => familyOf(end.address) === family)
    if (target === undefined) continue
    if (target.address === source.address) {
      throw new UserError(
        `Both ends are ${endName(source)} (${source.address}): name two different ones.`,
      )
    }
    return { from: source, to: target }
  }
  throw new UserError(`${from} and ${to} have no address of the same family (IPv4 or IPv6).`)
}

/** The end that `text` names, once for each of its addresses, IPv4 first. */
function candidates(text: string, directory: Directory): readonly End[] {
  const address = parseIpAddress(text)
  if (address !== undefined) return [endOfAddress(address, directory)]
  const pod = podNamed(text, directory.endpoints)
  if (pod !== undefined) return byFamily(pod.addresses).map((each) => podEnd(pod, each))
  const node = directory.nodes.find(({ name }) => name === text)
  if (node === undefined) throw unknownName(text, directory)
  return byFamily(node.addresses).map((each) => ({ kind: 'node', node: node.name, address: each }))
}

/** Addresses that are of many, of nobody, or of whoever sends: no way leads to them that a trace could follow. */
const NOT_OF_ONE: readonly (readonly [block: Prefix, what: string])[] = [
  [prefix('0.0.0.0/8'), 'no address of a host'],
  [prefix('127.0.0.0/8'), 'the loopback address of each host'],
  [prefix('169.254.1.1/32'), 'the gateway of every pod, which is nowhere'],
  [prefix('224.0.0.0/4'), 'a multicast address'],
  [prefix('240.0.0.0/4'), 'no address of a host'],
  [prefix('::/128'), 'no address of a host'],
  [prefix('::1/128'), 'the loopback address of each host'],
  [prefix('ff00::/8'), 'a multicast address'],
]

function endOfAddress(address: IpAddress, { nodes, endpoints }: Directory): End {
  const [, what] = NOT_OF_ONE.find(([block]) => contains(block, address)) ?? []
  if (what !== undefined) {
    throw new UserError(`${address} is ${what}: expected the address of one host or pod.`)
  }
  const endpoint = endpoints.find(({ addresses }) => addresses.includes(address))
  if (endpoint !== undefined) return podEnd(endpoint, address)
  const node = nodes.find(({ addresses }) => addresses.includes(address))
  return node === undefined
    ? { kind: 'address', address }
    : { kind: 'node', node: node.name, address }
}

function podEnd({ pod, node }: DirectoryEndpoint, address: IpAddress): End {
  return { kind: 'pod', pod, node, address }
}

function byFamily(addresses: readonly IpAddress[]): readonly IpAddress[] {
  return addresses.toSorted((a, b) => familyOf(a) - familyOf(b))
}

function podNamed(
  text: string,
  endpoints: readonly DirectoryEndpoint[],
): DirectoryEndpoint | undefined {
  const found = endpoints.filter(({ pod }) => pod === text || shortName(pod) === text)
  if (found.length <= 1) return found[0]
  const names = found.map(({ pod }) => pod).sort()
  const some = `${names.slice(0, 5).join(', ')}${names.length > 5 ? ', …' : ''}`
  throw new UserError(
    `"${text}" is the name of ${names.length} pods: ${some}. Put the namespace before it.`,
  )
}

function shortName(pod: string): string {
  return pod.slice(pod.indexOf('/') + 1)
}

function unknownName(text: string, { nodes, endpoints }: Directory): UserError {
  const hasNamespace = text.includes('/')
  const pods = endpoints.map(({ pod }) => (hasNamespace ? pod : shortName(pod)))
  const near = nearest(text, [...pods, ...nodes.map(({ name }) => name)])
  const hint =
    near.length > 0
      ? `Did you mean ${near.join(' or ')}?`
      : endpoints.length === 0
        ? 'The datastore has no workload endpoint at all: is the cluster up?'
        : 'See `tortie get workloadendpoint -A` for the pods there are.'
  return new UserError(`No pod, node or address is called "${text}". ${hint}`)
}
