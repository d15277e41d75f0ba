import { describe, expect, it } from 'vitest'
import { UserError } from '../lib/errors.ts'
import { BUILT_IN_TOPOLOGIES } from './built-in-topologies.ts'
import { parseTopology, TOPOLOGY_OCTETS_MAX } from './parse-topology.ts'

const GOOD = `name: small
networks:
  - { name: lan, cidr: 192.0.2.0/24 }
  - { name: far, cidr: 198.51.100.0/24 }
nodes:
  - name: a
    interfaces: [{ name: eth0, network: lan, address: 192.0.2.1/24 }]
    podCIDR: 10.0.0.0/26
    labels: { rack: one }
  - name: b
    interfaces: [{ name: eth0, network: far, address: 198.51.100.2/24 }]
routers:
  - name: r
    interfaces:
      - { name: eth0, network: lan, address: 192.0.2.254/24 }
      - { name: eth1, network: far, address: 198.51.100.254/24 }
pools:
  - { name: pool, cidr: 10.0.0.0/24 }
pods:
  - { name: p, node: a, address: 10.0.0.5 }
  - { name: q, node: b }
`

function mistakesIn(text: string): string[] {
  try {
    parseTopology(text, 'lab.yaml')
  } catch (thrown) {
    if (thrown instanceof UserError) return thrown.message.split('\n')
    throw thrown
  }
  return []
}

/** A change of GOOD, and the lines of the message that it must give, without the first. */
const BAD: readonly (readonly [string, from: string, to: string, ...lines: string[]])[] = [
  [
    'a name that is no DNS label',
    'name: small',
    'name: Small',
    'lab.yaml:1:7: name is "Small": expected a DNS label: a-z, 0-9 and inner "-", 24 characters at most',
  ],
  [
    'a name too long for a socket path',
    'name: small',
    `name: ${'a'.repeat(25)}`,
    `lab.yaml:1:7: name is "${'a'.repeat(25)}": expected a DNS label: a-z, 0-9 and inner "-", 24 characters at most`,
  ],
  [
    'networks that overlap',
    '198.51.100.0/24',
    '192.0.2.128/25',
    'lab.yaml:4:24: networks[1].cidr is "192.0.2.128/25": expected a range that does not overlap lan, 192.0.2.0/24 (networks[0].cidr, line 3)',
    'lab.yaml:11:55: nodes[1].interfaces[0].address is "198.51.100.2/24": expected an address in network far, 192.0.2.128/25',
    'lab.yaml:16:46: routers[0].interfaces[1].address is "198.51.100.254/24": expected an address in network far, 192.0.2.128/25',
  ],
  [
    'a network with host bits',
    'cidr: 192.0.2.0/24',
    'cidr: 192.0.2.7/24',
    'lab.yaml:3:24: networks[0].cidr is "192.0.2.7/24": expected an IPv4 network with its host bits zero, such as 172.16.170.0/24',
  ],
  [
    'a network that hosts treat in a way of their own',
    '10.0.0.0/24 }',
    '169.254.0.0/24 }',
    'lab.yaml:8:14: nodes[0].podCIDR is "10.0.0.0/26": expected a block of a pool: pool 169.254.0.0/24',
    'lab.yaml:18:25: pools[0].cidr is "169.254.0.0/24": expected a range without 169.254.0.0/16 (link-local; pods\' default route leads there)',
    'lab.yaml:20:34: pods[0].address is "10.0.0.5": expected an address of a pool: pool 169.254.0.0/24',
  ],
  [
    'an address outside its network',
    '192.0.2.1/24',
    '192.0.3.1/24',
    'lab.yaml:7:55: nodes[0].interfaces[0].address is "192.0.3.1/24": expected an address in network lan, 192.0.2.0/24',
  ],
  [
    "an address with another length than its network's",
    '192.0.2.1/24',
    '192.0.2.1/25',
    'lab.yaml:7:55: nodes[0].interfaces[0].address is "192.0.2.1/25": expected the length of network lan, 192.0.2.0/24',
  ],
  [
    'the broadcast address',
    '192.0.2.1/24',
    '192.0.2.255/24',
    'lab.yaml:7:55: nodes[0].interfaces[0].address is "192.0.2.255/24": expected an address of a host; this is the first or the last of network lan, 192.0.2.0/24',
  ],
  [
    'an address given twice',
    '192.0.2.1/24',
    '192.0.2.254/24',
    'lab.yaml:15:46: routers[0].interfaces[0].address is "192.0.2.254/24": expected an address that no other interface has (nodes[0].interfaces[0].address, line 7)',
  ],
  [
    'an unknown network',
    'network: lan, address: 192.0.2.1',
    'network: lna, address: 192.0.2.1',
    'lab.yaml:7:41: nodes[0].interfaces[0].network is "lna": expected a network of this file; did you mean lan?',
  ],
  [
    'an unknown node',
    'node: b',
    'node: server09',
    'lab.yaml:21:22: pods[1].node is "server09": expected a node of this file: a, b',
  ],
  [
    'a node named as another',
    'name: b',
    'name: a',
    'lab.yaml:10:11: nodes[1].name is "a": expected a name that no other network, node or router has: each becomes a namespace of its name (nodes[0].name, line 6)',
    'lab.yaml:21:22: pods[1].node is "b": expected a node of this file: a, a',
  ],
  [
    'a pod named as a node',
    'name: q',
    'name: a',
    'lab.yaml:21:13: pods[1].name is "a": expected a name that no other network, node or router has: each becomes a namespace of its name (nodes[0].name, line 6)',
  ],
  [
    'a pod named as another of its namespace',
    'name: q',
    'name: p',
    'lab.yaml:21:13: pods[1].name is "p": expected a name that no other pod of namespace default has (pods[0].name, line 20)',
  ],
  [
    'an interface name with a space',
    'name: eth0, network: lan, address: 192.0.2.1/',
    'name: eth 0, network: lan, address: 192.0.2.1/',
    'lab.yaml:7:26: nodes[0].interfaces[0].name is "eth 0": expected an interface name: 1 to 15 visible ASCII characters, no space',
  ],
  [
    'an interface name of 16 octets',
    'name: eth0, network: lan, address: 192.0.2.1/',
    'name: abcdefghijklmnop, network: lan, address: 192.0.2.1/',
    'lab.yaml:7:26: nodes[0].interfaces[0].name is "abcdefghijklmnop": expected an interface name: 1 to 15 visible ASCII characters, no space',
  ],
  [
    'an interface name with a slash',
    'name: eth0, network: lan, address: 192.0.2.1/',
    'name: eth/0, network: lan, address: 192.0.2.1/',
    'lab.yaml:7:26: nodes[0].interfaces[0].name is "eth/0": expected an interface name without "/" or ":", and not "." or ".."',
  ],
  [
    'an interface name that Calico uses',
    'name: eth0, network: lan, address: 192.0.2.1/',
    'name: tunl0, network: lan, address: 192.0.2.1/',
    'lab.yaml:7:26: nodes[0].interfaces[0].name is "tunl0": expected a name that is not taken: lo, all, default, tunl0, vxlan.calico and cali… have a meaning',
  ],
  [
    'an interface named twice on one host',
    'name: eth1',
    'name: eth0',
    'lab.yaml:16:17: routers[0].interfaces[1].name is "eth0": expected a name that no other interface of this host has (routers[0].interfaces[0].name, line 15)',
  ],
  [
    'nodes that nothing joins',
    'network: far, address: 198.51.100.254/24',
    'network: lan, address: 192.0.2.253/24',
    'lab.yaml:11:17: nodes[1].interfaces: expected a network that a is in too, or a router that joins theirs (nodes[0].interfaces, line 7)',
  ],
  [
    'a pool smaller than a block',
    'cidr: 10.0.0.0/24 }',
    'cidr: 10.0.0.0/24, blockSize: 22 }',
    'lab.yaml:8:14: nodes[0].podCIDR is "10.0.0.0/26": expected the length /22, the block size of pool pool (pools[0].blockSize, line 18)',
    'lab.yaml:18:49: pools[0].blockSize is 22: expected at least 24: pool 10.0.0.0/24 is smaller than one block (pools[0].cidr, line 18)',
  ],
  [
    'a pool with fewer blocks than the nodes need',
    'cidr: 10.0.0.0/24 }',
    'cidr: 10.0.0.0/26 }',
    'lab.yaml:18:25: pools[0].cidr is "10.0.0.0/26": expected room for 2 blocks of /26 (2 nodes, 2 pods); the pools have 1',
  ],
  [
    'a podCIDR outside all pools',
    'podCIDR: 10.0.0.0/26',
    'podCIDR: 10.9.0.0/26',
    'lab.yaml:8:14: nodes[0].podCIDR is "10.9.0.0/26": expected a block of a pool: pool 10.0.0.0/24',
    'lab.yaml:20:34: pods[0].address is "10.0.0.5": expected an address of a\'s block, 10.9.0.0/26 (nodes[0].podCIDR, line 8)',
  ],
  [
    'a fixed address outside all pools',
    'address: 10.0.0.5',
    'address: 10.9.0.5',
    'lab.yaml:20:34: pods[0].address is "10.9.0.5": expected an address of a pool: pool 10.0.0.0/24',
  ],
  [
    "a fixed address outside the node's block",
    'address: 10.0.0.5',
    'address: 10.0.0.70',
    'lab.yaml:20:34: pods[0].address is "10.0.0.70": expected an address of a\'s block, 10.0.0.0/26 (nodes[0].podCIDR, line 8)',
  ],
  [
    "a fixed address in another node's block",
    'name: q, node: b',
    'name: q, node: b, address: 10.0.0.7',
    'lab.yaml:21:34: pods[1].address is "10.0.0.7": expected an address outside a\'s block, 10.0.0.0/26 (nodes[0].podCIDR, line 8)',
  ],
  [
    "a fixed address that is tunl0's",
    'address: 10.0.0.5',
    'address: 10.0.0.1',
    'lab.yaml:20:34: pods[0].address is "10.0.0.1": expected another address: this one is tunl0\'s on a (nodes[0].podCIDR, line 8)',
  ],
  [
    'a label that is a number',
    'rack: one',
    'rack: 1',
    'lab.yaml:9:21: nodes[0].labels.rack is 1: expected text; write numbers and true or false in quotes',
  ],
  [
    'a misspelled field',
    'podCIDR:',
    'podCidr:',
    'lab.yaml:8:14: nodes[0].podCidr is "10.0.0.0/26": not a field here; did you mean podCIDR?',
  ],
  [
    'a mode that there is not',
    'cidr: 10.0.0.0/24 }',
    'cidr: 10.0.0.0/24, ipipMode: crosssubnet }',
    'lab.yaml:18:48: pools[0].ipipMode is "crosssubnet": expected one of Never, Always, CrossSubnet',
  ],
  [
    'a pool with both kinds of tunnel',
    'cidr: 10.0.0.0/24 }',
    'cidr: 10.0.0.0/24, ipipMode: Always, vxlanMode: Always }',
    'lab.yaml:18:48: pools[0].ipipMode is "Always": expected Never: a pool cannot have both IPIP and VXLAN (pools[0].vxlanMode, line 18)',
  ],
  [
    'a missing field',
    'name: q, node: b',
    'name: q',
    'lab.yaml:21:5: pods[1].node is missing: expected text',
  ],
  [
    'a reserved AS number',
    'name: small',
    'name: small\nbgp: { asNumber: 23456 }',
    'lab.yaml:2:18: bgp.asNumber is 23456: expected an AS number that is not reserved (RFC 6793: 23456, RFC 7300: 65535)',
  ],
  [
    'a key given twice',
    'name: small',
    'name: small\nname: large',
    'lab.yaml:2:1: not YAML: Map keys must be unique',
  ],
  [
    'a second document',
    'pods:',
    '---\npods:',
    'lab.yaml:19:1: expected one document, found a second after "---"',
  ],
]

describe('a topology file', () => {
  it('that is well formed has no mistakes, and defaults', () => {
    expect(mistakesIn(GOOD)).toEqual([])
    const { pools, pods, bgp, networks } = parseTopology(GOOD, 'lab.yaml')
    expect(pools[0]).toMatchObject({ blockSize: 26, vxlanMode: 'Never', natOutgoing: false })
    expect(pods[1]).toEqual({ namespace: 'default', name: 'q', node: 'b', labels: {} })
    expect(bgp.asNumber).toBe(64512)
    expect(networks[0]!.mtu).toBe(1500)
  })

  it.each(Object.keys(BUILT_IN_TOPOLOGIES))('that is built in, %s, is well formed', (name) => {
    expect(parseTopology(BUILT_IN_TOPOLOGIES[name]!, name).name).toBe(name)
  })

  it.each(BAD)('with %s is told so', (_, from, to, ...lines) => {
    expect(GOOD).toContain(from)
    expect(mistakesIn(GOOD.replace(from, () => to)).slice(1)).toEqual(lines)
  })

  it('is told of all its mistakes at once, in order, and how many they are', () => {
    const text = GOOD.replace('node: b', 'node: c').replace('name: small', 'name: S')
    expect(mistakesIn(text)).toEqual([
      'lab.yaml has 2 mistakes; nothing was made',
      expect.stringContaining('lab.yaml:1:7: name'),
      expect.stringContaining('lab.yaml:21:22: pods[1].node'),
    ])
  })

  it.each([
    ['', 'lab.yaml:1:1: the file is empty: expected a map of fields'],
    ['- a\n', 'lab.yaml:1:1: the file: expected a map of fields'],
    ['{', /^lab\.yaml:1:\d: not YAML: /],
  ])('%j is no topology', (text, line) => {
    expect(mistakesIn(text)[1]).toMatch(line)
  })

  it('too long to be one is not read', () => {
    expect(mistakesIn(' '.repeat(TOPOLOGY_OCTETS_MAX + 1))[0]).toContain('is it the right file?')
  })

  it('that multiplies itself by aliases is not expanded', () => {
    const levels = Array.from({ length: 12 }, (_, at) =>
      at === 0 ? 'x0: &x0 [1,1,1,1,1,1,1,1,1]' : `x${at}: &x${at} [${`*x${at - 1},`.repeat(9)}]`,
    )
    expect(mistakesIn(levels.join('\n'))[0]).toContain('cannot be read')
  })
})
