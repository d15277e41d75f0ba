import * as z from 'zod'
import { type IpAddress, parseIpAddress } from '../net/ip-address.ts'
import { parsePrefix, type Prefix } from '../net/prefix.ts'
import { CNI_ID, CNI_VERSIONS } from './cni-protocol.ts'
import { isInterfaceName } from '../net/interface-name.ts'
import type {
  AgentApi,
  Api,
  BgpApi,
  BgpdApi,
  DebugApi,
  LabHostApi,
  NoParams,
  Params,
  TraceApi,
} from './methods.ts'
import { type Netns, NODE_LIMITS } from './node-access.ts'

/** What the parameters of each method must be: a method without a row does not compile. */
export type ParamsSchemas<Table extends Api<Table>> = {
  readonly [M in keyof Table]: z.ZodType<Params<Table, M>>
}

const nothing = z
  .object({})
  .optional()
  .transform((): NoParams => ({}))

const text = (most: number) => z.string().max(most, `expected ${most} characters at most`)
const ADDRESS_EXPECTED = 'expected an IP address such as 10.0.0.1 or 2001:db8::1'
const ipAddress = z.string(ADDRESS_EXPECTED).transform((value, context): IpAddress => {
  const address = parseIpAddress(value)
  if (address === value) return address
  context.addIssue(ADDRESS_EXPECTED)
  return z.NEVER
})
const PREFIX_EXPECTED = 'expected a prefix such as 10.0.0.0/8'
const prefix = z.string(PREFIX_EXPECTED).transform((value, context): Prefix => {
  const parsed = parsePrefix(value)
  if (parsed !== undefined) return parsed
  context.addIssue(PREFIX_EXPECTED)
  return z.NEVER
})
/** RFC 9003 section 2: 255 octets. */
const communication = text(255)

export const BGP_PARAMS: ParamsSchemas<BgpApi> = {
  'bgp.neighbors': nothing,
  'bgp.routes': z.object({
    family: z.literal([4, 6]).exactOptional(),
    from: ipAddress.exactOptional(),
    to: ipAddress.exactOptional(),
    bestOnly: z.boolean().exactOptional(),
    within: prefix.exactOptional(),
    next: z.int().exactOptional(),
  }),
  'bgp.route': z.object({ prefix }),
  'bgp.history': z.object({ prefix }),
  'bgp.reset': z.object({ neighbor: ipAddress, communication: communication.exactOptional() }),
  'bgp.refresh': z.object({ neighbor: ipAddress, direction: z.enum(['in', 'out']) }),
}

const netns = text(512)
  .regex(/^(host|[^/]+\/[^/]+)$/, 'expected "host" or "namespace/pod"')
  .transform((value) => value as Netns)
const traceId = z.string().min(1, 'expected an id').max(64, 'expected 64 characters at most')
const hexOctets = (most: number) =>
  z
    .string()
    .max(most * 2, `expected ${most} octets at most`)
    .regex(/^([0-9a-f]{2})+$/, 'expected octets in hexadecimal')
const count = z.int().min(0, 'expected a number from 0')
const listOf = <Item extends z.ZodType>(item: Item, most: number) =>
  z.array(item).max(most, `expected ${most} at most`)

export const TRACE_PARAMS: ParamsSchemas<TraceApi> = {
  'trace.snapshot': z.object({
    pods: listOf(text(512), 4096).exactOptional(),
    toward: listOf(ipAddress, 1024).exactOptional(),
  }),
  'trace.lookup': z.object({
    queries: listOf(
      z.object({
        netns,
        destination: ipAddress,
        source: ipAddress.exactOptional(),
        inputLinkIndex: count.exactOptional(),
        outputLinkIndex: count.exactOptional(),
        mark: count.exactOptional(),
      }),
      NODE_LIMITS.lookups,
    ),
  }),
  'trace.arm': z.object({
    id: traceId,
    points: listOf(z.object({ netns, link: z.string().min(1).max(15) }), NODE_LIMITS.points),
    addresses: z.tuple([ipAddress, ipAddress]),
    marker: hexOctets(64).exactOptional(),
    vxlanPorts: listOf(z.int().min(1).max(0xffff), NODE_LIMITS.vxlanPorts).min(1).exactOptional(),
    snapOctets: z.int().min(64).max(NODE_LIMITS.packetOctets).exactOptional(),
    deadlineMilliseconds: z.number().min(1).max(NODE_LIMITS.deadlineMilliseconds),
  }),
  'trace.probe': z.object({
    netns,
    packets: listOf(hexOctets(NODE_LIMITS.packetOctets), NODE_LIMITS.packets),
  }),
  'trace.collect': z.object({
    id: traceId,
    after: count,
    waitMilliseconds: z.number().min(0).max(NODE_LIMITS.waitMilliseconds),
  }),
  'trace.finish': z.object({ id: traceId, after: count }),
}

const cniId = text(4096).regex(CNI_ID, 'expected letters, digits, "_", "." and "-"')
const cniInterface = z
  .string()
  .refine(isInterfaceName, 'expected 1 to 15 characters without "/", ":" or white space')
const cniDns = z.object({
  nameservers: z.array(z.string()).exactOptional(),
  domain: z.string().exactOptional(),
  search: z.array(z.string()).exactOptional(),
  options: z.array(z.string()).exactOptional(),
})
const cniResult = z.object({
  interfaces: z.array(
    z.object({
      name: z.string(),
      mac: z.string().exactOptional(),
      mtu: count.exactOptional(),
      sandbox: z.string().exactOptional(),
      socketPath: z.string().exactOptional(),
      pciID: z.string().exactOptional(),
    }),
  ),
  ips: z.array(
    z.object({
      address: z.string(),
      gateway: z.string().exactOptional(),
      interface: count.exactOptional(),
    }),
  ),
  routes: z.array(
    z.object({
      dst: z.string(),
      gw: z.string().exactOptional(),
      mtu: count.exactOptional(),
      advmss: count.exactOptional(),
      priority: count.exactOptional(),
      table: count.exactOptional(),
      scope: count.exactOptional(),
    }),
  ),
  dns: cniDns,
})
/** GC and STATUS are about no container. */
const none = z.literal('')
const cniPlace = { networkNamespace: text(4096), arguments: z.record(text(65_536), text(65_536)) }
const networkConfiguration = z.object({
  cniVersion: z.enum(CNI_VERSIONS),
  name: cniId,
  type: text(4096),
  agentSocket: text(4096).exactOptional(),
  mtu: z.int().min(0).max(65_535).exactOptional(),
  nodename: z.string().exactOptional(),
  hostname: z.string().exactOptional(),
  kubernetes: z.object({ node_name: z.string().exactOptional() }).exactOptional(),
  prevResult: cniResult.exactOptional(),
  'cni.dev/valid-attachments': z
    .array(z.object({ containerID: z.string(), ifname: z.string() }))
    .exactOptional(),
})
/** Of ADD, and of STATUS, which says what ADD would: what is wrong with it must not keep DEL from undoing what an ADD before it made. */
const addConfiguration = networkConfiguration.extend({
  ipam: z
    .object({
      type: z.string().exactOptional(),
      subnet: z.string().exactOptional(),
      ranges: z.array(z.unknown()).exactOptional(),
      ipv4_pools: z.array(z.string()).exactOptional(),
      routes: z.array(z.object({ dst: z.string() })).exactOptional(),
    })
    .exactOptional(),
  include_default_routes: z.boolean().exactOptional(),
  container_settings: z
    .object({ allow_ip_forwarding: z.boolean().exactOptional() })
    .exactOptional(),
  policy: z.object({ type: z.string().exactOptional() }).exactOptional(),
  dns: cniDns.exactOptional(),
  runtimeConfig: z
    .object({
      ips: z.array(text(64)).exactOptional(),
      mac: z.string().exactOptional(),
      dns: z
        .object({
          servers: z.array(z.string()).exactOptional(),
          domain: z.string().exactOptional(),
          searches: z.array(z.string()).exactOptional(),
          options: z.array(z.string()).exactOptional(),
        })
        .exactOptional(),
    })
    .exactOptional(),
  args: z
    .object({
      cni: z
        .object({
          ips: z.array(text(64)).exactOptional(),
          labels: z.array(z.object({ key: z.string(), value: z.string() })).exactOptional(),
        })
        .exactOptional(),
    })
    .exactOptional(),
})
const ofContainer = { containerId: cniId, interfaceName: cniInterface, ...cniPlace }
const ofNone = {
  containerId: cniId.or(none),
  interfaceName: cniInterface.or(none),
  ...cniPlace,
}
const cniRequest = z.discriminatedUnion(
  'command',
  [
    z.object({ command: z.literal('ADD'), ...ofContainer, configuration: addConfiguration }),
    z.object({
      command: z.enum(['DEL', 'CHECK']),
      ...ofContainer,
      configuration: networkConfiguration,
    }),
    z.object({ command: z.literal('GC'), ...ofNone, configuration: networkConfiguration }),
    z.object({ command: z.literal('STATUS'), ...ofNone, configuration: addConfiguration }),
  ],
  {
    error: ({ code }) =>
      code === 'invalid_union' ? 'expected one of ADD, DEL, CHECK, GC, STATUS' : undefined,
  },
)

const DEBUG_PARAMS: ParamsSchemas<DebugApi> = {
  debug: z.object({ topics: listOf(text(64), 64).exactOptional() }),
}

export const AGENT_PARAMS: ParamsSchemas<AgentApi> = {
  ...DEBUG_PARAMS,
  ...BGP_PARAMS,
  ...TRACE_PARAMS,
  status: nothing,
  cni: cniRequest,
}

export const BGPD_PARAMS: ParamsSchemas<BgpdApi> = {
  ...DEBUG_PARAMS,
  ...BGP_PARAMS,
  'bgpd.reload': nothing,
  'bgpd.stop': z.object({
    graceful: z.boolean().default(false),
    communication: communication.exactOptional(),
  }),
}

export const LAB_HOST_PARAMS: ParamsSchemas<LabHostApi> = {
  status: nothing,
  restart: z.object({ node: text(253) }),
  exec: z.object({ where: text(512), argv: listOf(text(65_536), 4096) }),
  down: nothing,
}
