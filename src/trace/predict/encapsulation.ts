import { IP_PROTOCOL } from '../../wire/packet/protocols.ts'
import * as vxlan from '../../wire/packet/vxlan.ts'
import type { OuterHeader } from './prediction.ts'

/** Octets that a tunnel puts before a packet, outer headers and all. */
export function outerOctets({ vxlan: inside }: Pick<OuterHeader, 'vxlan'>): number {
  return inside === undefined ? IPIP_OCTETS : vxlan.OVERHEAD_OCTETS
}

const IPIP_OCTETS = 20

/** "IPIP", "VXLAN (UDP 4789, VNI 4096)". */
export function encapsulationText(outer: {
  readonly protocol: number
  readonly vxlan?: OuterHeader['vxlan'] | undefined
}): string {
  const { protocol, vxlan: inside } = outer
  if (inside !== undefined) return `VXLAN (UDP ${inside.port}, VNI ${inside.vni})`
  return protocol === IP_PROTOCOL.ipip ? 'IPIP' : `IP protocol ${protocol}`
}
