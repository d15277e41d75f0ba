import type { IpAddress } from '../../net/ip-address.ts'

/** What a node lacks whose own address is on none of its links: nothing is sent from there, or received. */
export function withoutUplink(ownAddress: IpAddress): string {
  return `no link has ${ownAddress}, the address of this node (spec.bgp.ipv4Address)`
}
