import type { IpAddress } from '../../net/ip-address.ts'
import type { Link } from '../../kernel/kernel.ts'
import type { NamespaceView } from './namespace-view.ts'

/** IPIP, by the kernel's module or by Calico's name for it, and VXLAN. */
export function isTunnel(link: Link): boolean {
  return link.kind === 'ipip' || link.name === 'tunl0' || link.vxlan !== undefined
}

/** Links whose carrier is a cable's; what a tunnel is made of is its own affair. */
export function isWired(link: Link): boolean {
  return link.macAddress !== undefined && link.kind !== 'loopback' && !isTunnel(link)
}

/** Whether the neighbor need not be asked for, so that a packet leaves although nobody hears it. */
export function isKnown(view: NamespaceView, link: Link, address: IpAddress): boolean {
  const state = view.neighbor(link.index, address)?.state
  return state !== undefined && state !== 'failed' && state !== 'incomplete'
}

/** The wired link by which a node is reached: that of the address, else the first with a global one. */
export function uplinkOf(view: NamespaceView, address?: IpAddress): Link | undefined {
  const candidates = view.snapshot.addresses.filter(({ scope }) => scope === 'global')
  const ordered =
    address === undefined
      ? candidates
      : candidates.toSorted((a, b) => Number(b.address === address) - Number(a.address === address))
  return ordered
    .map(({ linkIndex }) => view.link(linkIndex))
    .find((link) => link !== undefined && isWired(link) && link.up)
}
