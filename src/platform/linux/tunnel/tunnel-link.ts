import { isKernelError, KernelError, type Link } from '../../../kernel/kernel.ts'
import { IFF, linkBody } from '../../../wire/netlink/link.ts'
import { RTM } from '../../../wire/netlink/message.ts'
import type { LinuxKernel } from '../linux-kernel.ts'

/** The other end of tunl0: what is routed into tunl0 comes out there, and the other way round. */
const INSIDE_SUFFIX = '-inside'

/**
 * A tunnel's link without the ipip module: a pair of links, of which tunl0 is the end that routes,
 * addresses, counters and captures see, and the other is where the programs are. Packets pass through
 * tunl0 as through any link, so the kernel counts and shows them; a TUN device, which only a process
 * could make pass anything, does neither when programs redirect around it.
 */
export function createTunnelPair(kernel: LinuxKernel, name: string, mtu?: number): Link {
  const inside = `${name}${INSIDE_SUFFIX}`
  // Of a pair whose other end somebody gave another name, which goes with it.
  const left = kernel.link(inside)
  if (left?.kind === 'veth') kernel.deleteLink(left.index)
  const made = kernel.createLink({
    kind: 'veth',
    name,
    peer: { name: inside },
    ...(mtu === undefined ? {} : { mtu }),
  })
  const other = kernel.link(inside)
  if (other === undefined) throw new KernelError('ENODEV', `${inside} on ${kernel.name}`)
  for (const link of [made, other]) {
    silence(kernel, link)
    disableVersion6(kernel, link.name)
  }
  kernel.changeLink(other.index, { up: true })
  return kernel.link(name) ?? made
}

/** The inside end of a tunnel that {@link createTunnelPair} made; undefined for any other link. */
export function insideEnd(kernel: LinuxKernel, link: Link): Link | undefined {
  if (link.kind !== 'veth') return undefined
  const other = kernel.link(`${link.name}${INSIDE_SUFFIX}`)
  return other?.peerIndex === link.index ? other : undefined
}

/** No ARP: the gateway of a route through a tunnel is nobody's neighbor. */
function silence({ netlink, name }: LinuxKernel, { index }: Link): void {
  netlink.execute({
    type: RTM.newLink,
    body: (to) => linkBody.encode(to, { index, flags: IFF.noArp, change: IFF.noArp }),
    what: () => `Change link ${index} on ${name} (no ARP)`,
  })
}

/** IPIP carries IPv4 alone; a link-local address and its announcements would be noise. */
function disableVersion6(kernel: LinuxKernel, name: string): void {
  try {
    kernel.writeSysctl(`ipv6.conf.${name}.disable_ipv6`, '1')
  } catch (thrown) {
    if (!isKernelError(thrown, 'ENOENT')) throw thrown // a kernel without IPv6
  }
}
