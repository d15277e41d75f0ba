import { z } from 'zod'
import { parseIpAddress } from '../net/ip-address.ts'
import { secretReference } from './bgp-configuration.ts'
import type { Checks } from './checks.ts'
import { loose } from './loose.ts'

/** A BGP session beyond the mesh: of one node, of the nodes that a selector names, or of all. */
export const bgpPeerSpec = loose({
  node: z.string().optional(),
  /** "192.0.2.1", "192.0.2.1:1790", "[2001:db8::1]:1790". */
  peerIP: z.string().optional(),
  asNumber: z.number().optional(),
  localASNumber: z.number().optional(),
  nodeSelector: z.string().optional(),
  peerSelector: z.string().optional(),
  keepOriginalNextHop: z.boolean().optional(),
  password: secretReference.optional(),
  sourceAddress: z.enum(['UseNodeIP', 'None']).optional(),
  maxRestartTime: z.string().optional(),
  keepaliveTime: z.string().optional(),
  numAllowedLocalASNumbers: z.number().optional(),
  ttlSecurity: z.number().optional(),
  reachableBy: z.string().optional(),
  filters: z.array(z.string()).optional(),
  localWorkloadSelector: z.string().optional(),
  nextHopMode: z.enum(['Auto', 'Self', 'Keep']).optional(),
  reversePeering: z.enum(['Auto', 'Manual']).optional(),
})

export function checkBgpPeer(
  checks: Checks,
  { spec }: { spec: z.infer<typeof bgpPeerSpec> },
): void {
  const exclusive = (a: keyof typeof spec, b: keyof typeof spec): void => {
    checks.require(
      !isSet(spec[a]) || !isSet(spec[b]),
      `spec.${a}`,
      spec[a],
      `cannot be given together with ${b}`,
    )
  }
  exclusive('node', 'nodeSelector')
  exclusive('peerIP', 'peerSelector')
  exclusive('asNumber', 'peerSelector')
  exclusive('localWorkloadSelector', 'peerIP')
  exclusive('localWorkloadSelector', 'peerSelector')
  exclusive('keepOriginalNextHop', 'nextHopMode')
  const targets = [spec.peerIP, spec.peerSelector, spec.localWorkloadSelector]
  checks.require(
    targets.some(isSet),
    'spec.peerIP',
    spec.peerIP,
    'expected peerIP, peerSelector or localWorkloadSelector',
  )
  if (isSet(spec.peerIP)) {
    const right = parsePeerAddress(spec.peerIP!) !== undefined
    checks.require(
      right,
      'spec.peerIP',
      spec.peerIP,
      'expected an address, with a port such as 192.0.2.1:179 or [2001:db8::1]:179 if it is another',
    )
    checks.require(
      spec.asNumber !== undefined,
      'spec.asNumber',
      spec.asNumber,
      'a peer given by address needs its AS number',
    )
  }
  checks.selector('spec.nodeSelector', spec.nodeSelector)
  checks.selector('spec.peerSelector', spec.peerSelector)
  checks.asNumber('spec.asNumber', spec.asNumber)
  checks.asNumber('spec.localASNumber', spec.localASNumber)
  checks.integer('spec.ttlSecurity', spec.ttlSecurity, 0, 255)
  checks.integer('spec.numAllowedLocalASNumbers', spec.numAllowedLocalASNumbers, 0, 2147483647)
  checks.ipAddress('spec.reachableBy', spec.reachableBy)
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== '' && value !== false
}

/** "address", "address:port" or "[address]:port" in parts; undefined if it is none of them. */
export function parsePeerAddress(
  text: string,
): { readonly address: string; readonly port: number | undefined } | undefined {
  const bare = parseIpAddress(text)
  if (bare !== undefined) return { address: bare, port: undefined }
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  const address = match === null ? undefined : parseIpAddress(match[1] ?? match[2]!)
  const port = Number(match?.[3])
  return address === undefined || port < 1 || port > 65535 ? undefined : { address, port }
}
