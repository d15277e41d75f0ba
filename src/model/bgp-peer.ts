import * as z from 'zod'
import { familyOf, type IpAddress, parseIpAddress } from '../net/ip-address.ts'
import { secretReference } from './bgp-configuration.ts'
import type { Checks } from './checks.ts'
import { address, asNumber, integer, selector } from './fields.ts'
import { loose } from './loose.ts'
import { nameColumn } from './column.ts'
import { checkPrefixLimit } from './prefix-limit.ts'
import type { Metadata } from './metadata.ts'
import type { KindDefinition } from './kind-definition.ts'

const PEER_IP =
  'expected an address, with a port such as 192.0.2.1:179 or [2001:db8::1]:179 if it is another'

/** A BGP session beyond the mesh: of one node, of the nodes that a selector names, or of all. */
export const bgpPeerSpec = loose({
  node: z.string().optional(),
  /** "192.0.2.1", "192.0.2.1:1790", "[2001:db8::1]:1790". */
  peerIP: z
    .string()
    .refine((text) => text === '' || parsePeerAddress(text) !== undefined, { error: PEER_IP })
    .optional(),
  asNumber: asNumber.optional(),
  localASNumber: asNumber.optional(),
  nodeSelector: selector.optional(),
  peerSelector: selector.optional(),
  keepOriginalNextHop: z.boolean().optional(),
  password: secretReference.optional(),
  sourceAddress: z.enum(['UseNodeIP', 'None']).optional(),
  maxRestartTime: z.string().optional(),
  keepaliveTime: z.string().optional(),
  numAllowedLocalASNumbers: integer(0, 2_147_483_647).optional(),
  /** Hops to the peer (RFC 5082); 0: whatever the distance. */
  ttlSecurity: integer(0, 254).optional(),
  reachableBy: address().optional(),
  filters: z.array(z.string()).optional(),
  localWorkloadSelector: selector.optional(),
  nextHopMode: z.enum(['Auto', 'Self', 'Keep']).optional(),
  reversePeering: z.enum(['Auto', 'Manual']).optional(),
})

type Spec = z.infer<typeof bgpPeerSpec>

/** Fields that say the same thing in two ways (Calico: the CEL rules of bgppeer.go). */
const EXCLUSIVE: readonly (readonly [keyof Spec, keyof Spec])[] = [
  ['node', 'nodeSelector'],
  ['peerIP', 'peerSelector'],
  ['asNumber', 'peerSelector'],
  ['localWorkloadSelector', 'peerIP'],
  ['localWorkloadSelector', 'peerSelector'],
  ['keepOriginalNextHop', 'nextHopMode'],
]

function checkBgpPeer(
  checks: Checks,
  { metadata, spec }: { metadata: Metadata; spec: Spec },
): void {
  checkPrefixLimit(checks, metadata)
  for (const [a, b] of EXCLUSIVE) {
    const isOne = !isSet(spec[a]) || !isSet(spec[b])
    checks.require(isOne, `spec.${a}`, spec[a], `cannot be given together with ${b}`)
  }
  const { peerIP, peerSelector, localWorkloadSelector } = spec
  checks.require(
    [peerIP, peerSelector, localWorkloadSelector].some(isSet),
    'spec.peerIP',
    peerIP,
    'expected peerIP, peerSelector or localWorkloadSelector',
  )
  checkAsNumber(checks, spec)
  checkReachableBy(checks, spec)
}

function checkAsNumber(checks: Checks, spec: Spec): void {
  const { peerIP, localWorkloadSelector } = spec
  const isThere = spec.asNumber !== undefined
  const ofAddress = 'a peer given by address needs its AS number'
  checks.require(isThere || !isSet(peerIP), 'spec.asNumber', spec.asNumber, ofAddress)
  const ofWorkload = 'peers given by localWorkloadSelector need their AS number'
  checks.require(
    isThere || !isSet(localWorkloadSelector),
    'spec.asNumber',
    spec.asNumber,
    ofWorkload,
  )
}

function checkReachableBy(checks: Checks, { peerIP, reachableBy }: Spec): void {
  if (reachableBy === undefined) return
  const needs = 'reachableBy is the gateway to peerIP: it needs one'
  checks.require(isSet(peerIP), 'spec.reachableBy', reachableBy, needs)
  const peer = parsePeerAddress(peerIP ?? '')?.address
  checks.require(
    peer === undefined || familyOf(peer) === familyOf(reachableBy),
    'spec.reachableBy',
    reachableBy,
    `expected an address of the family of peerIP (${peerIP})`,
  )
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== '' && value !== false
}

/** "address", "address:port" or "[address]:port" in parts; undefined if it is none of them. */
export function parsePeerAddress(
  text: string,
): { readonly address: IpAddress; readonly port: number | undefined } | undefined {
  const bare = parseIpAddress(text)
  if (bare !== undefined) return { address: bare, port: undefined }
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  const address = match === null ? undefined : parseIpAddress(match[1] ?? match[2]!)
  const port = Number(match?.[3])
  return address === undefined || port < 1 || port > 65535 ? undefined : { address, port }
}

export const bgpPeer: KindDefinition<'BGPPeer'> = {
  plural: 'bgppeers',
  aliases: ['bgpp', 'bgpps', 'bp', 'bps'],
  namespaced: false,
  spec: bgpPeerSpec,
  check: checkBgpPeer,
  uses: {
    node: 'obeyed',
    peerIP: 'obeyed',
    asNumber: 'obeyed',
    localASNumber: 'obeyed',
    nodeSelector: 'obeyed',
    peerSelector: 'obeyed',
    keepOriginalNextHop: 'obeyed',
    password: 'kept',
    sourceAddress: 'obeyed',
    maxRestartTime: 'kept',
    keepaliveTime: 'kept',
    numAllowedLocalASNumbers: 'obeyed',
    ttlSecurity: 'obeyed',
    reachableBy: 'kept',
    filters: 'obeyed',
    localWorkloadSelector: 'kept',
    nextHopMode: 'obeyed',
    reversePeering: 'obeyed',
  },
  kept: ['spec.password.secretKeyRef.optional'],
  columns: [
    nameColumn,
    { header: 'PEERIP', value: ({ spec }) => spec.peerIP ?? '' },
    { header: 'NODE', value: ({ spec }) => spec.node || spec.nodeSelector || '(global)' },
    { header: 'ASN', value: ({ spec }) => String(spec.asNumber ?? 0) },
  ],
}
