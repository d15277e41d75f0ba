import { attributes } from './attributes.ts'
import { body } from './body.ts'
import { ipAddress, octets, padding, struct, u16, u32, u8 } from './codec.ts'

/** NUD_* (linux/neighbour.h). */
export const NUD = {
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
} as const

/** NTF_SELF: of the link itself rather than of the bridge that it is a port of. */
export const NTF_SELF = 0x02

/** NTF_PROXY: an address to answer for rather than one that was learned. */
export const NTF_PROXY = 0x08

/** struct ndmsg (linux/neighbour.h). */
const header = struct({
  family: u8,
  _pad: padding(3),
  index: u32,
  state: u16,
  flags: u8,
  type: u8,
})

const neighborAttributes = attributes({
  destination: ['NDA_DST', 1, ipAddress],
  linkLayerAddress: ['NDA_LLADDR', 2, octets],
  /** What a dump of forwarding databases is narrowed down to. */
  link: ['NDA_IFINDEX', 8, u32],
})

/** RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH. */
export const neighborBody = body(header, neighborAttributes)
export type NeighborMessage = ReturnType<typeof neighborBody.decode>
