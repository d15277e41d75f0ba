import { attributes, nested } from './attributes.ts'
import { body } from './body.ts'
import {
  cstring,
  encoded,
  ipAddress,
  octets,
  padding,
  struct,
  u16,
  u16be,
  u32,
  u8,
} from './codec.ts'

/** IFF_* (linux/if.h). */
export const IFF = {
  up: 0x1,
  loopback: 0x8,
  running: 0x40,
  noArp: 0x80,
  lowerUp: 0x1_0000,
} as const

/** ARPHRD_* (linux/if_arp.h): what kind of link layer. */
export const ARPHRD = { ether: 1, tunnel: 768, loopback: 772, none: 0xfffe } as const

/** struct ifinfomsg (linux/rtnetlink.h). */
const header = struct({
  family: u8,
  _pad: padding(1),
  type: u16,
  index: u32,
  flags: u32,
  /** Which flags a request means to set or clear. */
  change: u32,
})

const linkAttributes = attributes({
  address: ['IFLA_ADDRESS', 1, octets],
  name: ['IFLA_IFNAME', 3, cstring],
  mtu: ['IFLA_MTU', 4, u32],
  /** Index of the link beneath, or of a veth's other end in its own namespace. */
  link: ['IFLA_LINK', 5, u32],
  /** 0 in a request leaves the bridge. */
  master: ['IFLA_MASTER', 10, u32],
  operationalState: ['IFLA_OPERSTATE', 16, u8],
  info: [
    'IFLA_LINKINFO',
    nested(18),
    attributes({
      kind: ['IFLA_INFO_KIND', 1, cstring],
      /** The numbers inside differ by kind: see {@link vethData} and {@link vxlanData}. */
      data: ['IFLA_INFO_DATA', nested(2), octets],
    }),
  ],
  namespaceFd: ['IFLA_NET_NS_FD', 28, u32],
  extendedMask: ['IFLA_EXT_MASK', 29, u32],
  carrier: ['IFLA_CARRIER', 33, u8],
  linkNamespaceId: ['IFLA_LINK_NETNSID', 37, u32],
  /** Of a request: the namespace that it is about, by the number that this one knows it by. */
  targetNamespaceId: ['IFLA_TARGET_NETNSID', 46, u32],
  /** Linux 6.3. */
  gsoIpv4MaxSize: ['IFLA_GSO_IPV4_MAX_SIZE', 63, u32],
})

/** RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK. */
export const linkBody = body(header, linkAttributes)
export type LinkMessage = ReturnType<typeof linkBody.decode>
export type LinkRequest = Partial<LinkMessage>

/** IFLA_INFO_DATA of a veth request: the whole message of the other end (linux/veth.h). */
const veth = attributes({ peer: ['VETH_INFO_PEER', nested(1), octets] })

export function vethData(peer: LinkRequest): Uint8Array {
  const message = encoded((to) => linkBody.encode(to, peer))
  return encoded((to) => veth.encode(to, { peer: message }))
}

/** IFLA_INFO_DATA of a VXLAN link (linux/if_link.h IFLA_VXLAN_*). */
export const vxlanData = attributes({
  vni: ['IFLA_VXLAN_ID', 1, u32],
  link: ['IFLA_VXLAN_LINK', 3, u32],
  local: ['IFLA_VXLAN_LOCAL', 4, ipAddress],
  learning: ['IFLA_VXLAN_LEARNING', 7, u8],
  port: ['IFLA_VXLAN_PORT', 15, u16be],
  local6: ['IFLA_VXLAN_LOCAL6', 17, ipAddress],
})

/** RTEXT_FILTER_SKIP_STATS: leave the counters out of a dump. */
export const SKIP_STATISTICS = 1 << 3
