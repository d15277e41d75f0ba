import { describe, expect, it } from 'vitest'
import { BUILT_IN_TOPOLOGIES } from './built-in-topologies.ts'
import { chooseNames } from './lab-names.ts'
import { parseTopology } from './parse-topology.ts'
import { type BuildStep, type LabPlan, namespacesOf, planLab } from './plan.ts'

function plan(name: string, options: { lab?: string; taken?: readonly string[] } = {}): LabPlan {
  const topology = parseTopology(BUILT_IN_TOPOLOGIES[name]!, name)
  const { lab = name, taken = [] } = options
  return planLab(topology, chooseNames(lab, topology, new Set(taken)))
}

/** A step as the command of iproute2 that does the same. */
function line(step: BuildStep): string {
  switch (step.do) {
    case 'namespace':
      return `netns add ${step.namespace} # ${step.role}`
    case 'sysctl':
      return `-n ${step.namespace} sysctl net.${step.path}=${step.value}`
    case 'bridge':
      return `-n ${step.namespace} link add ${step.name} mtu ${step.mtu} type bridge`
    case 'cable':
      return `-n ${step.namespace} link add ${step.name} mtu ${step.mtu} type veth peer ${step.port} netns ${step.bridgeNamespace}`
    case 'address':
      return `-n ${step.namespace} address add ${step.address.address}/${step.address.prefixLength} dev ${step.name}`
    case 'up':
      return `-n ${step.namespace} link set ${step.name} up`
    case 'route':
      return `-n ${step.namespace} route add ${step.destination} via ${step.gateway} dev ${step.name}`
  }
}
const of = ({ steps }: LabPlan, ...namespaces: string[]): string[] =>
  steps.filter(({ namespace }) => namespaces.includes(namespace)).map(line)

describe('the plan of a lab', () => {
  it('of seed makes a network, its nodes and its pods, and no default route', () => {
    const seed = plan('seed')
    expect(of(seed, 'lan', 'server01', 'network-5z4qp')).toEqual([
      'netns add lan # network',
      '-n lan link add br0 mtu 1500 type bridge',
      '-n lan link set br0 up',
      'netns add server01 # node',
      '-n server01 link set lo up',
      '-n server01 sysctl net.ipv4.ip_forward=1',
      '-n server01 sysctl net.ipv4.conf.all.rp_filter=0',
      '-n server01 sysctl net.ipv4.conf.default.rp_filter=1',
      '-n server01 link add ens33 mtu 1500 type veth peer server01 netns lan',
      '-n server01 address add 172.16.170.128/24 dev ens33',
      '-n server01 link set ens33 up',
      'netns add network-5z4qp # pod',
      '-n network-5z4qp link set lo up',
    ])
    const hosts = 'lan server01 server02 server03'
    const system = 'coredns-777d78ff6f-mr977 coredns-777d78ff6f-6sjt5'
    const pods = 'network-5z4qp network-6k87z network-mngxw'
    expect(namespacesOf(seed).join(' ')).toBe(`${hosts} ${system} ${pods}`)
    expect(seed.steps.filter((step) => step.do === 'route')).toEqual([])
  })

  it('of seed puts pool, BGP and nodes into the store', () => {
    expect(plan('seed').resources).toEqual([
      { kind: 'FelixConfiguration', metadata: { name: 'default' }, spec: { ipipMTU: 1440 } },
      {
        kind: 'ClusterInformation',
        metadata: { name: 'default' },
        spec: { clusterType: 'tortie,bgp', datastoreReady: true },
      },
      {
        kind: 'BGPConfiguration',
        metadata: { name: 'default' },
        spec: { asNumber: 64512, nodeToNodeMeshEnabled: true, logSeverityScreen: 'Info' },
      },
      {
        kind: 'IPPool',
        metadata: { name: 'default-ipv4-ippool' },
        spec: {
          cidr: '10.211.0.0/16',
          blockSize: 24,
          ipipMode: 'CrossSubnet',
          vxlanMode: 'Never',
          natOutgoing: false,
          disableBGPExport: false,
        },
      },
      ...[1, 2, 3].map((number) => ({
        kind: 'Node',
        metadata: { name: `server0${number}`, labels: {} },
        spec: {
          addresses: [{ address: `172.16.170.${127 + number}`, type: 'InternalIP' }],
          bgp: { ipv4Address: `172.16.170.${127 + number}/24` },
        },
        status: { podCIDRs: [`10.211.${number - 1}.0/24`] },
      })),
    ])
  })

  it('of cross-subnet gives each side routes by the router, and the router none', () => {
    const cross = plan('cross-subnet')
    const routes = cross.steps.filter((step) => step.do === 'route').map(line)
    expect(routes).toEqual([
      '-n server01 route add 172.16.171.0/24 via 172.16.170.1 dev ens33',
      '-n server02 route add 172.16.171.0/24 via 172.16.170.1 dev ens33',
      '-n server03 route add 172.16.171.0/24 via 172.16.170.1 dev ens33',
      '-n server04 route add 172.16.170.0/24 via 172.16.171.1 dev ens33',
    ])
  })

  it('prefixes with the name of the lab only the names that are taken', () => {
    const { nodes, pods } = plan('seed', { lab: 'two', taken: ['server01', 'network-mngxw'] })
    expect(nodes.map(({ namespace }) => namespace)).toEqual([
      'two-server01',
      'server02',
      'server03',
    ])
    expect(pods.map(({ netns }) => netns).slice(2)).toEqual([
      'network-5z4qp',
      'network-6k87z',
      'two-network-mngxw',
    ])
  })

  it('is the same whenever it is made', () => {
    expect(plan('cross-subnet')).toEqual(plan('cross-subnet'))
  })
})

describe('the way between networks', () => {
  it('goes by the fewest routers', () => {
    const text = `name: chain
networks:
  - { name: n1, cidr: 192.0.2.0/26 }
  - { name: n2, cidr: 192.0.2.64/26 }
  - { name: n3, cidr: 192.0.2.128/26 }
nodes:
  - { name: a, interfaces: [{ name: eth0, network: n1, address: 192.0.2.10/26 }] }
  - { name: b, interfaces: [{ name: eth0, network: n3, address: 192.0.2.140/26 }] }
routers:
  - name: r12
    interfaces:
      - { name: eth0, network: n1, address: 192.0.2.1/26 }
      - { name: eth1, network: n2, address: 192.0.2.65/26 }
  - name: r23
    interfaces:
      - { name: eth0, network: n2, address: 192.0.2.66/26 }
      - { name: eth1, network: n3, address: 192.0.2.129/26 }
pools: [{ name: pool, cidr: 10.0.0.0/24 }]
`
    const topology = parseTopology(text, 'chain')
    const chain = planLab(topology, chooseNames('chain', topology, new Set()))
    expect(chain.steps.filter((step) => step.do === 'route').map(line)).toEqual([
      '-n a route add 192.0.2.64/26 via 192.0.2.1 dev eth0',
      '-n a route add 192.0.2.128/26 via 192.0.2.1 dev eth0',
      '-n b route add 192.0.2.64/26 via 192.0.2.129 dev eth0',
      '-n b route add 192.0.2.0/26 via 192.0.2.129 dev eth0',
      '-n r12 route add 192.0.2.128/26 via 192.0.2.66 dev eth1',
      '-n r23 route add 192.0.2.0/26 via 192.0.2.65 dev eth0',
    ])
  })
})
