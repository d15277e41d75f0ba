import type { LinkAddress, Scope } from '../../../kernel/kernel.ts'
import { familyOf, ipv4FromNumber, ipv4ToNumber, type IpAddress } from '../../../net/ip-address.ts'
import { addressBody, type AddressMessage, IFA_F } from '../../../wire/netlink/address.ts'
import { type NetlinkMessage, NLM_F, RTM } from '../../../wire/netlink/message.ts'
import { RT_SCOPE } from '../../../wire/netlink/route.ts'
import { addressFamily, type Context } from './context.ts'
import { reverse } from './reverse.ts'

const scopeNames = reverse(RT_SCOPE)

export function scopeFrom(number: number): Scope {
  return scopeNames.get(number) ?? 'global'
}

export function listAddresses({ netlink, name }: Context): LinkAddress[] {
  return netlink.dump(
    {
      type: RTM.getAddress,
      body: (to) => addressBody.encode(to, {}),
      what: () => `List addresses on ${name}`,
    },
    decodeAddress,
  )
}

export function addAddress({ netlink, name }: Context, address: LinkAddress): void {
  netlink.execute({
    type: RTM.newAddress,
    flags: NLM_F.create | NLM_F.exclusive,
    body: (to) => addressBody.encode(to, addressRequest(address)),
    what: () => `Add address ${describe(address)} on ${name}`,
  })
}

export function deleteAddress({ netlink, name }: Context, address: LinkAddress): void {
  netlink.execute({
    type: RTM.deleteAddress,
    body: (to) => addressBody.encode(to, addressRequest(address)),
    what: () => `Delete address ${describe(address)} on ${name}`,
  })
}

function addressRequest({
  linkIndex,
  address,
  prefixLength,
  scope,
}: LinkAddress): Partial<AddressMessage> {
  const family = familyOf(address)
  return {
    family: addressFamily(family),
    prefixLength,
    scope: RT_SCOPE[scope],
    index: linkIndex,
    address,
    local: address,
    // The kernel makes none up; every tool that configures an interface gives it one.
    broadcast: family === 4 && prefixLength < 31 ? lastAddress(address, prefixLength) : undefined,
    // Whoever hands out addresses knows them to be unique; without this an IPv6 address could not be
    // used for the first second or two (RFC 4862 section 5.4).
    allFlags: family === 6 ? IFA_F.noDuplicateDetection : undefined,
  }
}

function lastAddress(address: IpAddress, prefixLength: number): IpAddress {
  return ipv4FromNumber(ipv4ToNumber(address) | (0xffffffff >>> prefixLength))
}

export function decodeAddress(message: NetlinkMessage): LinkAddress {
  const { index, local, address, prefixLength, scope } = addressBody.decode(message.body)
  return { linkIndex: index, address: (local ?? address)!, prefixLength, scope: scopeFrom(scope) }
}

function describe({ linkIndex, address, prefixLength }: LinkAddress): string {
  return `${address}/${prefixLength} to link ${linkIndex}`
}
