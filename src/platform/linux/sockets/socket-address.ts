import {
  addressFromOctets,
  addressOctets,
  familyOf,
  type Family,
  type IpAddress,
} from '../../../net/ip-address.ts'
import type { TcpEndpoint } from '../../../net/transport.ts'
import { AF } from '../netlink/context.ts'

export const SOCKET_ADDRESS_OCTETS = 128

/** struct sockaddr_in or sockaddr_in6. `scope` is the index of the link of a link-local address. */
export function socketAddress({ address, port }: TcpEndpoint, scope = 0): Uint8Array {
  const six = familyOf(address) === 6
  const octets = Buffer.alloc(six ? 28 : 16)
  octets.writeUInt16LE(six ? AF.inet6 : AF.inet)
  octets.writeUInt16BE(port, 2)
  octets.set(addressOctets(address), six ? 8 : 4)
  if (six) octets.writeUInt32LE(scope, 24)
  return octets
}

/** The reverse; an IPv4 address mapped into IPv6 comes out as IPv4. */
export function endpointFrom(octets: Uint8Array): TcpEndpoint {
  const port = (octets[2]! << 8) | octets[3]!
  if (octets[0] !== AF.inet6) return { address: addressFromOctets(octets.subarray(4, 8)), port }
  return { address: addressFromOctets(octets.subarray(8, 24)), port }
}

export function anyAddress(family: Family): IpAddress {
  return addressFromOctets(new Uint8Array(family === 4 ? 4 : 16))
}

export function isLinkLocal(address: IpAddress): boolean {
  return /^fe[89ab]/.test(address)
}
