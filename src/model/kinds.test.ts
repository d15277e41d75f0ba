import { describe, expect, it } from 'vitest'
import { decodeResource } from './decode-resource.ts'
import { ALL_KINDS } from './kinds.ts'
import { encodeResource, validResource } from './parse-resource.ts'
import { InvalidResource } from './problem.ts'
import type { Kind } from './resource.ts'

/** A spec that may not be applied: what it is, the field that is told of, and what is said of it. */
type Refused = readonly [spec: object, field: string, expected: RegExp]

interface Golden {
  /** Of a name that the kind takes. */
  readonly metadata?: object
  /** Specs that may be applied, each with all of them that is stored. */
  readonly valid: readonly (readonly [spec: object, stored?: object])[]
  readonly invalid: readonly Refused[]
}

const peer = { peerIP: '192.0.2.1', asNumber: 65001 }
const endpoint = {
  orchestrator: 'k8s',
  node: 'n',
  pod: 'p',
  endpoint: 'eth0',
  interfaceName: 'cali0123456789a',
}
const rule = (fields: object): object => ({ exportV4: [{ action: 'Accept', ...fields }] })
const CIDR = /^expected a CIDR such as/
const AS = /^expected an AS number from 1 to 4294967295/

const GOLDENS: { readonly [K in Kind]: Golden } = {
  Node: {
    valid: [
      [{ bgp: { ipv4Address: '172.16.170.128/24', asNumber: 64512 } }],
      [
        { bgp: { ipv4Address: '172.16.170.128', asNumber: '1.10' } },
        { bgp: { ipv4Address: '172.16.170.128/32', asNumber: 65546 } },
      ],
      [{ addresses: [{ address: '10.0.0.1' }, { address: 'fd00::1/64', type: 'CalicoNodeIP' }] }],
      [{ vxlanTunnelMACAddr: '66:AA:00:00:00:01' }, { vxlanTunnelMACAddr: '66:aa:00:00:00:01' }],
    ],
    invalid: [
      [{ bgp: {} }, 'spec.bgp', /should not be empty/],
      [{ bgp: { asNumber: 0 } }, 'spec.bgp.asNumber', AS],
      [{ bgp: { asNumber: 23456 } }, 'spec.bgp.asNumber', AS],
      [{ bgp: { asNumber: '70000.1' } }, 'spec.bgp.asNumber', AS],
      [{ bgp: { ipv4Address: 'fd00::1/64' } }, 'spec.bgp.ipv4Address', /such as 172.18.0.2\/24/],
      [{ bgp: { ipv4Address: '172.16.170.128/33' } }, 'spec.bgp.ipv4Address', /prefix length/],
      [{ bgp: { ipv4IPIPTunnelAddr: '10.0.0.1/32' } }, 'spec.bgp.ipv4IPIPTunnelAddr', /IPv4/],
      [
        { bgp: { routeReflectorClusterID: '0.0.0.0' } },
        'spec.bgp.routeReflectorClusterID',
        /other than 0.0.0.0/,
      ],
      [{ ipv4VXLANTunnelAddr: 'fd00::1' }, 'spec.ipv4VXLANTunnelAddr', /IPv4 address/],
      [{ vxlanTunnelMACAddr: '66' }, 'spec.vxlanTunnelMACAddr', /MAC address/],
      [{ addresses: [{ address: 'here' }] }, 'spec.addresses[0].address', /IP address/],
    ],
  },
  WorkloadEndpoint: {
    metadata: { namespace: 'default', name: 'n-k8s-p-eth0' },
    valid: [
      [{ ...endpoint, ipNetworks: ['10.0.0.1/32'], mac: 'ee:ee:ee:ee:ee:ee' }],
      [
        { ...endpoint, ipNetworks: ['fd00::0:1'] },
        { ...endpoint, ipNetworks: ['fd00::1/128'] },
      ],
    ],
    invalid: [
      [{ ...endpoint, ipNetworks: ['10.0.0.0/24'] }, 'spec.ipNetworks[0]', /multiple addresses/],
      [{ ...endpoint, ipNetworks: ['garbage'] }, 'spec.ipNetworks[0]', CIDR],
      [{ ...endpoint, ipv4Gateway: 'fd00::1' }, 'spec.ipv4Gateway', /IPv4 address/],
      [{ ...endpoint, mac: '1' }, 'spec.mac', /MAC address/],
      [{ ...endpoint, interfaceName: 'a/b' }, 'spec.interfaceName', /interface name/],
      [
        { ...endpoint, ipNATs: [{ internalIP: '10.0.0.1', externalIP: '192.0.2.1' }] },
        'spec.ipNATs[0].internalIP',
        /one of spec.ipNetworks/,
      ],
      [{ ...endpoint, pod: 'q' }, 'metadata.name', /expected name n-k8s-q-eth0/],
    ],
  },
  IPPool: {
    valid: [
      [
        { cidr: '10.0.0.0/16', ipipMode: '', blockSize: 0 },
        {
          cidr: '10.0.0.0/16',
          vxlanMode: 'Never',
          ipipMode: 'Never',
          blockSize: 26,
          nodeSelector: 'all()',
          allowedUses: ['Workload', 'Tunnel'],
          assignmentMode: 'Automatic',
        },
      ],
    ],
    invalid: [
      [{}, 'spec.cidr', CIDR],
      [{ cidr: '' }, 'spec.cidr', CIDR],
      [{ cidr: '10.0.0.0' }, 'spec.cidr', CIDR],
      [{ cidr: 'garbage' }, 'spec.cidr', CIDR],
      [{ cidr: '10.0.0.1/16' }, 'spec.cidr', /without bits beyond/],
      [{ cidr: '169.254.0.0/20' }, 'spec.cidr', /Link Local/],
      [{ cidr: '10.0.0.0/28' }, 'spec.cidr', /too small/],
      [{ cidr: '10.0.0.0/16', blockSize: 33 }, 'spec.blockSize', /from 20 to 32/],
      [{ cidr: 'fd00::/64', blockSize: 26 }, 'spec.blockSize', /from 116 to 128/],
      [{ cidr: 'fd00::/64', ipipMode: 'Always' }, 'spec.ipipMode', /not supported/],
      [{ cidr: '10.0.0.0/16', nodeSelector: 'all(' }, 'spec.nodeSelector', /selector/],
      [{ cidr: '10.0.0.0/16', vxlanMode: 'Often' }, 'spec.vxlanMode', /one of Never, Always/],
    ],
  },
  IPReservation: {
    valid: [
      [
        { reservedCIDRs: ['10.0.0.0/24', '10.0.1.7', 'fd00::/120'] },
        { reservedCIDRs: ['10.0.0.0/24', '10.0.1.7/32', 'fd00::/120'] },
      ],
    ],
    invalid: [
      [{ reservedCIDRs: ['10.0.0.1/24'] }, 'spec.reservedCIDRs[0]', /without bits beyond/],
      [{ reservedCIDRs: ['10.0.0.0/24', 'x'] }, 'spec.reservedCIDRs[1]', CIDR],
    ],
  },
  BGPConfiguration: {
    valid: [
      [
        { asNumber: '64512', listenPort: 1790 },
        { asNumber: 64512, listenPort: 1790 },
      ],
      [
        { serviceLoadBalancerIPs: [{}, { cidr: '192.0.2.1' }] },
        { serviceLoadBalancerIPs: [{ cidr: '192.0.2.1/32' }] },
      ],
      [
        {
          communities: [{ name: 'internal', value: '65000:1' }],
          prefixAdvertisements: [
            { cidr: '10.0.0.0/8', communities: ['internal', '65000:2', '4294967295:1:2'] },
          ],
        },
      ],
    ],
    metadata: { name: 'default' },
    invalid: [
      [{ asNumber: 0 }, 'spec.asNumber', AS],
      [{ listenPort: 65536 }, 'spec.listenPort', /from 1 to 65535/],
      [{ serviceClusterIPs: [{ cidr: 'garbage' }] }, 'spec.serviceClusterIPs[0].cidr', CIDR],
      [
        { serviceClusterIPs: [{ cidr: '10.96.0.1/12' }] },
        'spec.serviceClusterIPs[0].cidr',
        /without bits beyond/,
      ],
      [
        { prefixAdvertisements: [{ cidr: '10.0.0.0/8', communities: ['70000:5'] }] },
        'spec.prefixAdvertisements[0].communities[0]',
        /expected a community aa:nn or aa:nn:mm, or the name of one/,
      ],
      [
        { prefixAdvertisements: [{ cidr: '10.0.0.0/8', communities: ['not-defined'] }] },
        'spec.prefixAdvertisements[0].communities[0]',
        /the name of one in spec.communities/,
      ],
      [
        { communities: [{ name: 'c', value: '70000:1' }] },
        'spec.communities[0].value',
        /two numbers up to 65535/,
      ],
      [{ bindMode: 'All' }, 'spec.bindMode', /one of None, NodeIP/],
    ],
  },
  BGPPeer: {
    valid: [
      [peer],
      [
        { ...peer, asNumber: '1.10', ttlSecurity: 254 },
        { ...peer, asNumber: 65546, ttlSecurity: 254 },
      ],
      [{ ...peer, reachableBy: '192.0.2.254' }],
      [{ peerIP: '[2001:db8::1]:1790', asNumber: 1 }],
      [{ peerSelector: 'all()', nodeSelector: "rack == 'a'" }],
    ],
    invalid: [
      [{}, 'spec.peerIP', /expected peerIP, peerSelector or localWorkloadSelector/],
      [{ ...peer, peerIP: '192.0.2.1:0' }, 'spec.peerIP', /expected an address, with a port/],
      [{ peerIP: '192.0.2.1' }, 'spec.asNumber', /needs its AS number/],
      [{ ...peer, asNumber: 0 }, 'spec.asNumber', AS],
      [{ ...peer, localASNumber: 0 }, 'spec.localASNumber', AS],
      [{ ...peer, ttlSecurity: 255 }, 'spec.ttlSecurity', /from 0 to 254/],
      [{ localWorkloadSelector: 'all()' }, 'spec.asNumber', /localWorkloadSelector need/],
      [{ peerSelector: 'all()', reachableBy: '10.0.0.1' }, 'spec.reachableBy', /needs one/],
      [{ ...peer, reachableBy: 'fd00::1' }, 'spec.reachableBy', /of the family of peerIP/],
      [{ ...peer, peerSelector: 'all()' }, 'spec.peerIP', /together with peerSelector/],
      [{ ...peer, nodeSelector: '!' }, 'spec.nodeSelector', /selector/],
      [{ ...peer, numAllowedLocalASNumbers: -1 }, 'spec.numAllowedLocalASNumbers', /from 0/],
    ],
  },
  BGPFilter: {
    valid: [
      [rule({ cidr: '10.0.0.0/8', matchOperator: 'In', prefixLength: { min: 16, max: 24 } })],
      [rule({ communities: { values: ['65000:1'] }, priority: 1 })],
      [rule({ operations: [{ addCommunity: { value: '1:2:3' } }, { setPriority: { value: 5 } }] })],
    ],
    invalid: [
      [rule({ cidr: 'fd00::/8', matchOperator: 'In' }), 'spec.exportV4[0].cidr', /IPv4/],
      [rule({ cidr: '10.0.0.1/8', matchOperator: 'In' }), 'spec.exportV4[0].cidr', /bits beyond/],
      [rule({ cidr: '10.0.0.0/8' }), 'spec.exportV4[0].matchOperator', /both be given/],
      [rule({ prefixLength: { max: 33 } }), 'spec.exportV4[0].prefixLength.max', /from 0 to 32/],
      [
        rule({ communities: { values: ['x'] } }),
        'spec.exportV4[0].communities.values[0]',
        /expected a community/,
      ],
      [
        rule({ communities: { values: ['1:1', '1:2'] } }),
        'spec.exportV4[0].communities.values',
        /expected one community/,
      ],
      [rule({ priority: 0 }), 'spec.exportV4[0].priority', /from 1 to 2147483646/],
      [rule({ asPathPrefix: [0] }), 'spec.exportV4[0].asPathPrefix[0]', AS],
      [rule({ operations: [{}] }), 'spec.exportV4[0].operations[0]', /exactly one/],
      [
        rule({ action: 'Reject', operations: [{ setPriority: { value: 5 } }] }),
        'spec.exportV4[0].operations',
        /need the action Accept/,
      ],
      [{ exportV4: [{}] }, 'spec.exportV4[0].action', /one of Accept, Reject/],
    ],
  },
  ClusterInformation: {
    metadata: { name: 'default' },
    valid: [[{ clusterGUID: 'a', datastoreReady: true }]],
    invalid: [[{ datastoreReady: 'yes' }, 'spec.datastoreReady', /boolean/]],
  },
  FelixConfiguration: {
    metadata: { name: 'default' },
    valid: [
      [{ ipipMTU: 1400, vxlanMTU: 0, mtuIfacePattern: '(?i)^eth', natPortRange: '1024:2047' }],
      [{ externalNodesList: ['192.0.2.1'] }, { externalNodesList: ['192.0.2.1/32'] }],
      [{ logSeverityScreen: 'Debug' }],
    ],
    invalid: [
      [{ ipipMTU: 5 }, 'spec.ipipMTU', /expected 0, or an MTU from 68 to 65515/],
      [{ ipipMTU: 100_000 }, 'spec.ipipMTU', /from 0 to 65515/],
      [{ vxlanMTU: 67 }, 'spec.vxlanMTU', /expected 0, or an MTU from 68/],
      [{ vxlanVNI: 0 }, 'spec.vxlanVNI', /from 1 to 16777215/],
      [{ vxlanPort: 0 }, 'spec.vxlanPort', /from 1 to 65535/],
      [{ mtuIfacePattern: '(?=eth)' }, 'spec.mtuIfacePattern', /RE2/],
      [{ natOutgoingAddress: 'here' }, 'spec.natOutgoingAddress', /IP address/],
      [{ natPortRange: '9:8' }, 'spec.natPortRange', /range of ports/],
      [{ natOutgoingExclusions: 'None' }, 'spec.natOutgoingExclusions', /IPPoolsOnly/],
      [{ externalNodesList: ['here'] }, 'spec.externalNodesList[0]', CIDR],
    ],
  },
  BlockAffinity: {
    valid: [[{ state: 'pending', node: 'n', cidr: '10.0.0.0/26', deleted: 'false' }]],
    invalid: [
      [{ node: 'n', cidr: '10.0.0.0' }, 'spec.cidr', CIDR],
      [{ node: 'n', cidr: '10.0.0.0/26', state: 'lost' }, 'spec.state', /one of confirmed/],
    ],
  },
  IPAMConfiguration: {
    metadata: { name: 'default' },
    valid: [[{ strictAffinity: true, autoAllocateBlocks: false, maxBlocksPerHost: 20 }]],
    invalid: [
      [{ maxBlocksPerHost: -1 }, 'spec.maxBlocksPerHost', /from 0/],
      [{ autoAllocateBlocks: false }, 'spec.autoAllocateBlocks', /cannot disable both/],
    ],
  },
}

/** A table that lacks a row does not compile; one without cases would say nothing. */
describe.each(ALL_KINDS)('%s', (kind) => {
  const { metadata = { name: 'a' }, valid, invalid } = GOLDENS[kind]
  const documentOf = (spec: object): object => ({
    kind,
    apiVersion: 'projectcalico.org/v3',
    metadata,
    spec,
  })

  it('has cases of both kinds', () => {
    expect(Math.min(valid.length, invalid.length)).toBeGreaterThan(0)
  })

  it.each(valid.map(([spec, stored = spec]) => ({ spec, stored })))(
    'takes $spec',
    ({ spec, stored }) => {
      const text = encodeResource(validResource(documentOf(spec)))
      expect((JSON.parse(text) as { spec: object }).spec).toEqual(stored)
      const decoded = decodeResource(kind, { key: 'k', value: text, modRevision: 1 })
      if (!('resource' in decoded)) throw new Error(decoded.problem.expected)
      expect(encodeResource(decoded.resource)).toBe(text)
      expect(decoded.problems).toEqual([])
    },
  )

  it.each(invalid)('refuses %j', (spec, field, expected) => {
    let found: unknown
    try {
      validResource(documentOf(spec))
    } catch (thrown) {
      found = thrown
    }
    if (!(found instanceof InvalidResource)) throw new Error('it was not refused')
    const problem = found.problems.find((one) => one.field === field)
    expect(problem?.reason, JSON.stringify(found.problems)).toMatch(expected)
  })

  it('keeps unknown fields, in the order of their arrival behind the known ones', () => {
    const document = { ...documentOf({ later: 1, ...valid[0]![0] }), more: [2] }
    const decoded = decodeResource(kind, {
      key: 'k',
      value: JSON.stringify(document),
      modRevision: 1,
    })
    if (!('resource' in decoded)) throw new Error(decoded.problem.expected)
    expect(JSON.parse(encodeResource(decoded.resource))).toMatchObject({
      spec: { later: 1 },
      more: [2],
    })
  })
})
