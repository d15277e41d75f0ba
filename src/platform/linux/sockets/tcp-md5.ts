import type { Secret } from '../../../lib/secret.ts'
import { addressBits, familyOf, type IpAddress } from '../../../net/ip-address.ts'
import { socketAddress } from './socket-address.ts'
import type { OptionName } from './socket-options.ts'

/** struct tcp_md5sig (linux/tcp.h): sockaddr_storage, flags, prefixlen, keylen, ifindex, key. */
const OCTETS = 216
const AT = { flags: 128, prefixLength: 129, keyLength: 130, key: 136 } as const
const KEY_OCTETS_MAX = 80
const TCP_MD5SIG_FLAG_PREFIX = 1

/** The option that sets, or without a key removes, the MD5 key (RFC 2385) of one address or prefix. */
export function md5Signature(
  remote: IpAddress,
  key: Secret | undefined,
  prefixLength = addressBits(familyOf(remote)) as number,
): { option: OptionName; value: Uint8Array } {
  const octets = Buffer.from(key?.reveal() ?? '', 'utf8')
  if (octets.length > KEY_OCTETS_MAX) {
    throw new RangeError(`Expected an MD5 key of at most ${KEY_OCTETS_MAX} octets for ${remote}`)
  }
  const value = Buffer.alloc(OCTETS)
  value.set(socketAddress({ address: remote, port: 0 }))
  value.writeUInt16LE(octets.length, AT.keyLength)
  value.set(octets, AT.key)
  // The plain option is known to older kernels, so the other is used only where it is needed.
  if (prefixLength === addressBits(familyOf(remote))) return { option: 'tcpMd5', value }
  value.writeUInt8(TCP_MD5SIG_FLAG_PREFIX, AT.flags)
  value.writeUInt8(prefixLength, AT.prefixLength)
  return { option: 'tcpMd5Prefix', value }
}
