import type { Neighbor } from '../../../kernel/kernel.ts'
import { familyOf } from '../../../net/ip-address.ts'
import { macOctets } from '../../../net/mac-address.ts'
import { NLM_F, RTM } from '../../../wire/netlink/message.ts'
import {
  neighborBody,
  type NeighborMessage,
  NTF_PROXY,
  NUD,
} from '../../../wire/netlink/neighbor.ts'
import { addressFamily, AF, type Context } from './context.ts'
import { macFrom } from './links.ts'
import { reverse } from './reverse.ts'

const stateNames = reverse(NUD)

export function listNeighbors({ netlink, name }: Context): Neighbor[] {
  return netlink
    .dump(
      {
        type: RTM.getNeighbor,
        body: (to) => neighborBody.encode(to, {}),
        what: () => `List neighbors on ${name}`,
      },
      ({ body }) => neighborFrom(neighborBody.decode(body)),
    )
    .filter((neighbor) => neighbor !== undefined)
}

export function setNeighbor({ netlink, name }: Context, neighbor: Neighbor): void {
  const { linkIndex, address, macAddress, state } = neighbor
  const body = {
    family: addressFamily(familyOf(address)),
    index: linkIndex,
    state: NUD[state],
    destination: address,
    linkLayerAddress: macAddress === undefined ? undefined : macOctets(macAddress),
  }
  netlink.execute({
    type: RTM.newNeighbor,
    flags: NLM_F.create | NLM_F.replace,
    body: (to) => neighborBody.encode(to, body),
    what: () => `Set neighbor ${address} on link ${linkIndex} on ${name}`,
  })
}

export function deleteNeighbor(
  { netlink, name }: Context,
  { linkIndex, address }: Pick<Neighbor, 'linkIndex' | 'address'>,
): void {
  const family = addressFamily(familyOf(address))
  netlink.execute({
    type: RTM.deleteNeighbor,
    body: (to) => neighborBody.encode(to, { family, index: linkIndex, destination: address }),
    what: () => `Delete neighbor ${address} on link ${linkIndex} on ${name}`,
  })
}

/** Undefined for forwarding databases, for proxy entries and for those that are being made or torn down (NUD_NONE). */
export function neighborFrom(message: NeighborMessage): Neighbor | undefined {
  const { family, index, state, flags, destination, linkLayerAddress } = message
  const stateName = stateNames.get(state)
  if (family === AF.bridge || destination === undefined) return undefined
  if (stateName === undefined || (flags & NTF_PROXY) !== 0) return undefined
  return {
    linkIndex: index,
    address: destination,
    macAddress: macFrom(linkLayerAddress),
    state: stateName,
  }
}
