import type { ForwardingEntry } from '../../../kernel/kernel.ts'
import { macOctets } from '../../../net/mac-address.ts'
import { NLM_F, RTM } from '../../../wire/netlink/message.ts'
import {
  neighborBody,
  type NeighborMessage,
  NTF_SELF,
  NUD,
} from '../../../wire/netlink/neighbor.ts'
import { AF, type Context } from './context.ts'
import { macFrom } from './links.ts'

/** Forwarding databases are spoken of as neighbors of the family AF_BRIDGE (net/core/rtnetlink.c, rtnl_fdb_dump). */
export function listForwardingEntries(
  { netlink, name }: Context,
  linkIndex: number,
): ForwardingEntry[] {
  return netlink
    .dump(
      {
        type: RTM.getNeighbor,
        body: (to) => neighborBody.encode(to, { family: AF.bridge, link: linkIndex }),
        what: () => `List the forwarding database of link ${linkIndex} on ${name}`,
      },
      ({ body }) => forwardingFrom(neighborBody.decode(body)),
    )
    .filter((entry) => entry?.linkIndex === linkIndex)
    .filter((entry) => entry !== undefined)
}

export function setForwardingEntry({ netlink, name }: Context, entry: ForwardingEntry): void {
  const { linkIndex, macAddress, remoteAddress } = entry
  const body = {
    family: AF.bridge,
    index: linkIndex,
    state: NUD.permanent,
    flags: NTF_SELF,
    destination: remoteAddress,
    linkLayerAddress: macOctets(macAddress),
  }
  netlink.execute({
    type: RTM.newNeighbor,
    flags: NLM_F.create | NLM_F.replace,
    body: (to) => neighborBody.encode(to, body),
    what: () => `Forward ${macAddress} to ${remoteAddress} by link ${linkIndex} on ${name}`,
  })
}

export function deleteForwardingEntry(
  { netlink, name }: Context,
  { linkIndex, macAddress }: Pick<ForwardingEntry, 'linkIndex' | 'macAddress'>,
): void {
  const body = {
    family: AF.bridge,
    index: linkIndex,
    flags: NTF_SELF,
    linkLayerAddress: macOctets(macAddress),
  }
  netlink.execute({
    type: RTM.deleteNeighbor,
    body: (to) => neighborBody.encode(to, body),
    what: () => `Delete the forwarding of ${macAddress} by link ${linkIndex} on ${name}`,
  })
}

/** Undefined for what is no row of a VXLAN link: bridges' own, groups that a link listens to. */
export function forwardingFrom(message: NeighborMessage): ForwardingEntry | undefined {
  const { family, index, destination, linkLayerAddress } = message
  const macAddress = macFrom(linkLayerAddress)
  if (family !== AF.bridge || destination === undefined || macAddress === undefined) {
    return undefined
  }
  return { linkIndex: index, macAddress, remoteAddress: destination }
}
