/** https://www.iana.org/assignments/protocol-numbers */
export const IP_PROTOCOL = {
  hopByHop: 0,
  icmp: 1,
  ipip: 4,
  tcp: 6,
  udp: 17,
  ipv6: 41,
  routing: 43,
  fragment: 44,
  gre: 47,
  icmpv6: 58,
  noNextHeader: 59,
  destinationOptions: 60,
} as const

/** https://www.iana.org/assignments/ieee-802-numbers */
export const ETHER_TYPE = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, ipv6: 0x86dd } as const
