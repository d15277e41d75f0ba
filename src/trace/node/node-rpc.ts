import { z } from 'zod'
import { RpcError, type RpcMethods } from '../../lib/rpc.ts'
import { type IpAddress, parseIpAddress } from '../../net/ip-address.ts'
import { type Netns, NODE_LIMITS, type NodeAccess } from './node-access.ts'

/**
 * {@link NodeAccess} over requests by name: the agent serves `nodeMethods` on its socket, and whoever
 * holds a connection to it gets the port back from `remoteNode`.
 */

const ipAddress = z
  .string()
  .max(45)
  .refine((text) => parseIpAddress(text) === text, 'expected an IP address in canonical form')
  .transform((text) => text as IpAddress)
const netns = z
  .string()
  .max(512)
  .regex(/^(host|[^/]+\/[^/]+)$/, 'expected "host" or "namespace/pod"')
  .transform((text) => text as Netns)
const id = z.string().min(1).max(64)
const octets = (most: number) =>
  z
    .string()
    .max(most * 2)
    .regex(/^([0-9a-f]{2})+$/, 'expected octets in hexadecimal')
const count = z.int().min(0)

const REQUESTS = {
  snapshot: z.object({
    pods: z.array(z.string().max(512)).max(4096).exactOptional(),
    toward: z.array(ipAddress).max(1024).exactOptional(),
  }),
  lookup: z.object({
    queries: z
      .array(
        z.object({
          netns,
          destination: ipAddress,
          source: ipAddress.exactOptional(),
          inputLinkIndex: count.exactOptional(),
          outputLinkIndex: count.exactOptional(),
          mark: count.exactOptional(),
        }),
      )
      .max(NODE_LIMITS.lookups),
  }),
  arm: z.object({
    id,
    points: z.array(z.object({ netns, link: z.string().min(1).max(15) })).max(NODE_LIMITS.points),
    addresses: z.tuple([ipAddress, ipAddress]),
    marker: octets(64).exactOptional(),
    vxlanPorts: z
      .array(z.int().min(1).max(0xffff))
      .min(1)
      .max(NODE_LIMITS.vxlanPorts)
      .exactOptional(),
    snapOctets: z.int().min(64).max(NODE_LIMITS.packetOctets).exactOptional(),
    deadlineMilliseconds: z.number().min(1).max(NODE_LIMITS.deadlineMilliseconds),
  }),
  probe: z.object({
    netns,
    packets: z.array(octets(NODE_LIMITS.packetOctets)).max(NODE_LIMITS.packets),
  }),
  collect: z.object({
    id,
    after: count,
    waitMilliseconds: z.number().min(0).max(NODE_LIMITS.waitMilliseconds),
  }),
  finish: z.object({ id, after: count }),
} as const

type Method = keyof typeof REQUESTS

/** The methods of an agent's socket by which traces reach its node: "trace.snapshot" and so on. */
export function nodeMethods(access: NodeAccess): RpcMethods {
  return {
    'trace.snapshot': async (params) => access.snapshot(parse('snapshot', params)),
    'trace.lookup': async (params) => access.lookup(parse('lookup', params)),
    'trace.arm': async (params) => access.arm(parse('arm', params)),
    'trace.probe': async (params) => access.probe(parse('probe', params)),
    'trace.collect': async (params) => access.collect(parse('collect', params)),
    'trace.finish': async (params) => access.finish(parse('finish', params)),
  }
}

function parse<Name extends Method>(
  method: Name,
  params: unknown,
): z.output<(typeof REQUESTS)[Name]> {
  const result = REQUESTS[method].safeParse(params)
  if (result.success) return result.data as z.output<(typeof REQUESTS)[Name]>
  const issue = result.error.issues[0]!
  const where = issue.path.length === 0 ? 'the request' : issue.path.join('.')
  throw new RpcError('EINVAL', `trace.${method}: ${where}: ${issue.message}`)
}

/** A connection to a node's agent. */
export interface NodeConnection {
  readonly node: string
  call(method: string, params: unknown, timeoutMilliseconds?: number): Promise<unknown>
}

/** The port over a connection. Answers are the agent's own and are believed. */
export function remoteNode(connection: NodeConnection): NodeAccess {
  const call =
    <Name extends Method>(method: Name) =>
    (request: Parameters<NodeAccess[Name]>[0]): ReturnType<NodeAccess[Name]> =>
      connection.call(`trace.${method}`, request) as ReturnType<NodeAccess[Name]>
  return {
    node: connection.node,
    snapshot: call('snapshot'),
    lookup: call('lookup'),
    arm: call('arm'),
    probe: call('probe'),
    collect: call('collect'),
    finish: call('finish'),
  }
}
