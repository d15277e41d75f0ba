import * as z from 'zod'
import { parseGoPattern } from '../lib/go-pattern.ts'
import { address, cidrOrAddress, integer, port } from './fields.ts'
import { loose } from './loose.ts'

/** Octets of a packet inside a tunnel: 0 is Tortie's choice; the kernel's least is 68 (RFC 791). */
function mtu(most: number): z.ZodType<number> {
  const error = `expected 0, or an MTU from 68 to ${most}`
  return integer(0, most).refine((octets) => octets === 0 || octets >= 68, { error })
}

/** The longest IP packet less the outer headers. */
const IPIP_MTU_MAX = 65_535 - 20
const VXLAN_MTU_MAX = 65_535 - 50

/** Parameters of Calico's Felix. */
export const felixConfigurationSpec = loose({
  /** Where pods of pools with natOutgoing keep their address: IPPoolsOnly, IPPoolsAndHostIPs. */
  natOutgoingExclusions: z.enum(['IPPoolsOnly', 'IPPoolsAndHostIPs']).optional(),
  /** Source of what leaves such pools, and ports for it ("1024:65535"); absent: the kernel's choice. */
  natOutgoingAddress: address().optional(),
  natPortRange: z
    .union([z.string(), z.int()])
    .refine((range) => parsePortRange(range) !== undefined, {
      error: 'expected a port, or a range of ports such as 32768:65535',
    })
    .optional(),
  /** Hosts that are no nodes and whose tunnels are trusted all the same: addresses, networks. */
  externalNodesList: z.array(cidrOrAddress()).optional(),
  /** Pods may send IPIP, VXLAN themselves. */
  allowIPIPPacketsFromWorkloads: z.boolean().optional(),
  allowVXLANPacketsFromWorkloads: z.boolean().optional(),
  /** IPIP on or off whatever the pools say; absent: as the pools say. */
  ipipEnabled: z.boolean().optional(),
  /** Octets inside tunl0; absent or 0: 20 less than the uplink. */
  ipipMTU: mtu(IPIP_MTU_MAX).optional(),
  /** Regular expression (RE2) for names of links whose smallest MTU is the host's; absent: Calico's. */
  mtuIfacePattern: z
    .string()
    .refine((pattern) => parseGoPattern(pattern) !== undefined, {
      error: 'expected a regular expression as Go reads it (RE2)',
    })
    .optional(),
  /** The same of VXLAN; absent or 0: 50 less than the uplink. */
  vxlanEnabled: z.boolean().optional(),
  vxlanMTU: mtu(VXLAN_MTU_MAX).optional(),
  /** Network identifier; absent: 4096. */
  vxlanVNI: integer(1, 0xffffff).optional(),
  /** UDP port; absent: 4789. */
  vxlanPort: port.optional(),
})

/** A parameter that is wrong counts as absent, as with Felix. */
export const FELIX_CONFIGURATION_PARTS = ['spec.*', 'spec.externalNodesList.*']

export interface PortRange {
  readonly first: number
  readonly last: number
}

/** "32768:60999", "4000" or a number; undefined if it is none of them. "0:0" is the kernel's choice. */
export function parsePortRange(range: string | number): PortRange | undefined {
  const match = /^(\d{1,5})(?::(\d{1,5}))?$/.exec(String(range))
  if (match === null) return undefined
  const first = Number(match[1])
  const last = Number(match[2] ?? match[1])
  return first <= last && last <= 0xffff ? { first, last } : undefined
}
