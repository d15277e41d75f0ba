import { ip } from '../../net/ip-address.ts'
import type { Directory } from '../tables/directory.ts'
import type { NamespaceSnapshot, NodeSnapshot, PodAttachment } from '../../api/node-access.ts'
import { namespaceSnapshot, type NamespaceText } from './namespace-snapshot.ts'

/** The seed document's cluster, its tables as it prints them; server04 is in another subnet. */

const CALI_MAC = 'ee:ee:ee:ee:ee:ee'

interface SeedPod {
  readonly pod: string
  readonly node: string
  readonly address: string
  readonly hostInterface: string
  /** Index of the host's end. */
  readonly index: number
  readonly mac: string
}

export const SEED_PODS: readonly SeedPod[] = [
  pod(
    'default/network-5z4qp',
    'server01',
    '10.211.0.6',
    'cali50914021272',
    11,
    '4e:30:25:dc:21:88',
  ),
  pod('default/network-mngxw', 'server02', '10.211.1.4', 'calid406b8b6c93', 7, 'e2:89:27:9e:6f:a6'),
  pod('default/network-6k87z', 'server03', '10.211.2.4', 'calif17d1193010', 7, '22:11:27:9e:6f:a6'),
  pod('default/network-far', 'server04', '10.211.3.4', 'cali0123456789a', 7, '32:11:27:9e:6f:a6'),
  pod(
    'kube-system/coredns-777d78ff6f-6sjt5',
    'server01',
    '10.211.0.3',
    'calib99e709bd2c',
    6,
    '0a:00:00:00:00:03',
  ),
]

function pod(
  name: string,
  node: string,
  address: string,
  hostInterface: string,
  index: number,
  mac: string,
): SeedPod {
  return { pod: name, node, address, hostInterface, index, mac }
}

interface SeedNode {
  readonly node: string
  readonly address: string
  readonly block: string
  readonly tunnel: string
  readonly gateway: string
}

export const SEED_NODES: readonly SeedNode[] = [
  seedNode('server01', '172.16.170.128', 0),
  seedNode('server02', '172.16.170.129', 1),
  seedNode('server03', '172.16.170.130', 2),
  seedNode('server04', '172.16.180.131', 3),
]

function seedNode(node: string, address: string, block: number): SeedNode {
  return {
    node,
    address,
    block: `10.211.${block}.0/24`,
    tunnel: `10.211.${block}.${block === 0 ? 1 : 0}`,
    gateway: address.replace(/\d+$/, '2'),
  }
}

export const seedDirectory: Directory = {
  nodes: SEED_NODES.map(({ node, address, tunnel }) => ({
    name: node,
    addresses: [ip(address), ip(tunnel)],
  })),
  endpoints: SEED_PODS.map(({ pod, node, address, hostInterface }) => ({
    pod,
    node,
    addresses: [ip(address)],
    hostInterface,
    containerInterface: 'eth0',
  })),
}

/** What a test changes in a namespace's text before it becomes a snapshot. */
export type Change = (text: NamespaceText) => NamespaceText

/** Snapshots of all nodes, with changes by "node netns": `{ 'server01 host': (text) => … }`. */
export function seedSnapshots(changes: Readonly<Record<string, Change>> = {}): NodeSnapshot[] {
  return SEED_NODES.map((node) => {
    const pods = SEED_PODS.filter((each) => each.node === node.node)
    const make = (text: NamespaceText): NamespaceSnapshot =>
      namespaceSnapshot((changes[`${node.node} ${text.netns}`] ?? ((same) => same))(text))
    return {
      node: node.node,
      machine: 'one',
      pods: pods.map(attachment),
      namespaces: [make(hostText(node, pods)), ...pods.map((each) => make(podText(each)))],
    }
  })
}

function attachment({ pod, hostInterface }: SeedPod): PodAttachment {
  return { pod, containerInterface: 'eth0', hostInterface }
}

function hostText(node: SeedNode, pods: readonly SeedPod[]): NamespaceText {
  const network = (address: string): string => address.replace(/\.\d+$/, '')
  return {
    netns: 'host',
    path: `/run/netns/${node.node}`,
    links: [
      { index: 1, name: 'lo', mtu: 65536, addresses: ['127.0.0.1/8'] },
      {
        index: 2,
        name: 'ens33',
        mac: `00:0c:29:21:eb:0${SEED_NODES.indexOf(node)}`,
        addresses: [`${node.address}/24`],
      },
      { index: 4, name: 'tunl0', mtu: 1440, addresses: [`${node.tunnel}/32`] },
      ...pods.map(({ index, hostInterface }) => ({
        index,
        name: hostInterface,
        mac: CALI_MAC,
        peerIndex: 4,
      })),
    ],
    routes: [
      `default via ${node.gateway} dev ens33`,
      `blackhole ${node.block} proto bird`,
      ...pods.map(({ address, hostInterface }) => `${address} dev ${hostInterface} scope link`),
      `${network(node.address)}.0/24 dev ens33 proto kernel scope link`,
      ...SEED_NODES.filter((other) => other !== node).map((other) =>
        network(other.address) === network(node.address)
          ? `${other.block} via ${other.address} dev ens33 proto bird`
          : `${other.block} via ${other.address} dev tunl0 proto bird onlink`,
      ),
    ],
  }
}

function podText(pod: SeedPod): NamespaceText {
  return {
    netns: pod.pod as NamespaceText['netns'],
    path: `/run/netns/${pod.pod.slice(pod.pod.indexOf('/') + 1)}`,
    links: [
      { index: 1, name: 'lo', mtu: 65536, addresses: ['127.0.0.1/8'] },
      { index: 2, name: 'tunl0', mtu: 1480, up: false },
      {
        index: 4,
        name: 'eth0',
        mac: pod.mac,
        peerIndex: pod.index,
        addresses: [`${pod.address}/32`],
      },
    ],
    routes: ['default via 169.254.1.1 dev eth0', '169.254.1.1 dev eth0 scope link'],
  }
}
