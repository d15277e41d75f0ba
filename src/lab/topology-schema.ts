import { INTERFACE_NAME_OCTETS_MAX, isInterfaceName } from '../net/interface-name.ts'
import * as z from 'zod'
import { ip, parseIpAddress } from '../net/ip-address.ts'
import {
  interfaceAddress as toInterfaceAddress,
  parseInterfaceAddress,
  parsePrefix,
  prefix,
} from '../net/prefix.ts'

/**
 * The shape of a topology file, field by field. What one field cannot know by itself (references,
 * overlaps, sizes) is in check-topology.ts. Messages say what was expected; the value and its place are
 * added where they are printed.
 */

/** A unix socket's path has 107 octets; the lab's and the node's name are both part of it. */
const LAB_NAME_MAX = 24
const NODE_NAME_MAX = 48

export const TOPOLOGY_LIMITS = { networks: 64, nodes: 256, routers: 64, pools: 64, pods: 1024 }

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/

function dnsLabel(most: number, what: string): z.ZodString {
  const expected = `expected a DNS label: a-z, 0-9 and inner "-", ${most} characters at most`
  return z.string().max(most, expected).regex(DNS_LABEL, expected).describe(what)
}

const RESERVED_INTERFACES = /^(lo|all|default|tunl0|vxlan\.calico|cali.*)$/
const interfaceName = z
  .string()
  .regex(/^[\x21-\x7e]{1,15}$/, {
    error: `expected an interface name: 1 to ${INTERFACE_NAME_OCTETS_MAX} visible ASCII characters, no space`,
    abort: true,
  })
  .refine(isInterfaceName, {
    error: 'expected an interface name without "/" or ":", and not "." or ".."',
  })
  .refine((name) => !RESERVED_INTERFACES.test(name), {
    error:
      'expected a name that is not taken: lo, all, default, tunl0, vxlan.calico and cali… have a meaning',
  })
  .describe('interface name, as ip link shows it: "ens33"')

const isIpv4 = (text: string): boolean => !text.includes(':')

const network = z
  .string()
  .refine((text) => isIpv4(text) && parsePrefix(text) !== undefined, {
    error: 'expected an IPv4 network with its host bits zero, such as 172.16.170.0/24',
  })
  .transform((text) => prefix(text))

const interfaceAddress = z
  .string()
  .refine((text) => isIpv4(text) && parseInterfaceAddress(text) !== undefined, {
    error: 'expected an IPv4 address with the length of its network, such as 172.16.170.128/24',
  })
  .transform((text) => toInterfaceAddress(text))
  .describe('address and length, such as 172.16.170.128/24')

const address = z
  .string()
  .refine((text) => isIpv4(text) && parseIpAddress(text) !== undefined, {
    error: 'expected an IPv4 address, such as 10.211.0.6',
  })
  .transform((text) => ip(text))

/** Kubernetes' qualified name: an optional DNS subdomain and "/", then a name of 63 characters. */
const LABEL_KEY =
  /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/
const labels = z
  .record(
    z.string().regex(LABEL_KEY, 'expected a label key such as app or example.org/app'),
    z
      .string({ error: 'expected text; write numbers and true or false in quotes' })
      .regex(LABEL_VALUE, 'expected a label value: letters, digits, "-", "_", ".", at most 63'),
  )
  .default({})

function integer(least: number, most: number): z.ZodNumber {
  const expected = `expected a whole number from ${least} to ${most}`
  return z.number({ error: expected }).int(expected).min(least, expected).max(most, expected)
}

function list<Item extends z.ZodType>(item: Item, most: number): z.ZodArray<Item> {
  return z.array(item).max(most, `expected ${most} entries at most`)
}

const interfaceSchema = z.strictObject({
  name: interfaceName,
  network: z.string().describe('the name of one of the networks'),
  address: interfaceAddress,
})

const networkSchema = z.strictObject({
  name: dnsLabel(NODE_NAME_MAX, 'also the namespace that holds its bridge'),
  cidr: network,
  // 65535 is the most that veth takes; below 576 IPv4 hosts need not accept a datagram (RFC 791).
  mtu: integer(576, 65535).default(1500),
})

const nodeSchema = z.strictObject({
  name: dnsLabel(NODE_NAME_MAX, 'also the name of its namespace'),
  interfaces: list(interfaceSchema, 16).min(1, 'expected one interface at least'),
  podCIDR: network.optional().describe('the block that the node starts with'),
  labels,
})

const routerSchema = z.strictObject({
  name: dnsLabel(NODE_NAME_MAX, 'also the name of its namespace'),
  interfaces: list(interfaceSchema, 16).min(2, 'expected interfaces in two networks at least'),
})

const modeSchema = z.enum(['Never', 'Always', 'CrossSubnet'])

const poolSchema = z.strictObject({
  name: dnsLabel(63, 'the name of the IPPool'),
  cidr: network,
  blockSize: integer(20, 32).default(26),
  ipipMode: modeSchema.optional().describe('CrossSubnet when absent; Never where vxlanMode is not'),
  vxlanMode: modeSchema.default('Never'),
  natOutgoing: z.boolean({ error: 'expected true or false' }).default(false),
  disableBGPExport: z.boolean({ error: 'expected true or false' }).default(false),
})

const podSchema = z.strictObject({
  namespace: dnsLabel(63, 'the Kubernetes namespace').default('default'),
  name: dnsLabel(63, 'also the name of its network namespace'),
  node: z.string().describe('the name of one of the nodes'),
  address: address.optional().describe('assigned from the node’s block when absent'),
  labels,
})

const bgpSchema = z.strictObject({
  asNumber: integer(1, 4294967294)
    .refine((number) => number !== 23456 && number !== 65535, {
      error: 'expected an AS number that is not reserved (RFC 6793: 23456, RFC 7300: 65535)',
    })
    .default(64512),
  nodeToNodeMeshEnabled: z
    .boolean({ error: 'expected true or false' })
    .default(true)
    .describe('pools with VXLAN need no BGP'),
})

const mtuSchema = z.strictObject({
  pod: integer(576, 65535)
    .optional()
    .describe('octets of pods’ interfaces; the agent’s choice when absent'),
  tunnel: integer(576, 65535)
    .optional()
    .describe('octets inside tunl0; 20 less than the network when absent'),
})

/** One schema for each list of the file, so that one bad entry does not hide what is wrong with another. */
export const TOPOLOGY_LISTS = {
  networks: networkSchema,
  nodes: nodeSchema,
  routers: routerSchema,
  pools: poolSchema,
  pods: podSchema,
} as const

export const topologySchema = z.strictObject({
  name: dnsLabel(LAB_NAME_MAX, 'the name of the lab, unless --name gives another'),
  networks: list(networkSchema, TOPOLOGY_LIMITS.networks).min(1, 'expected one network at least'),
  nodes: list(nodeSchema, TOPOLOGY_LIMITS.nodes).min(1, 'expected one node at least'),
  routers: list(routerSchema, TOPOLOGY_LIMITS.routers).default([]),
  pools: list(poolSchema, TOPOLOGY_LIMITS.pools).min(1, 'expected one pool at least'),
  pods: list(podSchema, TOPOLOGY_LIMITS.pods).default([]),
  bgp: bgpSchema.default({ asNumber: 64512, nodeToNodeMeshEnabled: true }),
  mtu: mtuSchema.default({}),
})

/** A cluster to be built: what one topology file says, checked. */
export type Topology = Readonly<z.output<typeof topologySchema>>
export type TopologyNetwork = Readonly<z.output<typeof networkSchema>>
export type TopologyNode = Readonly<z.output<typeof nodeSchema>>
export type TopologyRouter = Readonly<z.output<typeof routerSchema>>
export type TopologyPool = Readonly<z.output<typeof poolSchema>>
export type TopologyPod = Readonly<z.output<typeof podSchema>>
export type TopologyInterface = Readonly<z.output<typeof interfaceSchema>>
