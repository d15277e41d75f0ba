import type { Closable } from '../../../lib/closable.ts'
import { addressFromOctets, type IpAddress } from '../../../net/ip-address.ts'
import { AF, type Context } from '../netlink/context.ts'
import { FdWatcher } from '../process/fd-watcher.ts'
import { checked } from '../process/libc.ts'
import { SOCK } from '../sockets/socket-options.ts'

const IPPROTO_ICMP = 1
const PROTOCOL_IPIP = 4
const SOL_RAW = 255
const ICMP_FILTER = 1
const DESTINATION_UNREACHABLE = 3
const FRAGMENTATION_NEEDED = 4
const PACKET_OCTETS = 1500
/** Messages read in one turn of the event loop, so that a flood does not stop everything else. */
const MESSAGES_PER_TURN = 100

/**
 * Tells of every ICMP message that an IPIP packet of this node was too large for a router (RFC 1191): where
 * the packet was to go, and the octets that would have passed.
 */
export function watchPathMtus(
  context: Context,
  localAddress: IpAddress,
  listener: (node: IpAddress, mtu: number) => void,
): Closable {
  const { libc, name } = context
  const what = `Listen to ICMP errors on ${name}`
  const type = SOCK.raw | SOCK.cloexec | SOCK.nonblock
  const fd = context.inside(() => checked(what, libc.socket(AF.inet, type, IPPROTO_ICMP)))
  const filter = Buffer.alloc(4)
  filter.writeUInt32LE(~(1 << DESTINATION_UNREACHABLE) >>> 0) // bits of types not wanted
  checked(what, libc.setOption(fd, SOL_RAW, ICMP_FILTER, filter))
  const packet = Buffer.alloc(PACKET_OCTETS)
  const watcher = new FdWatcher(fd, 'readable', () => {
    for (let count = 0; count < MESSAGES_PER_TURN; count++) {
      const octets = libc.receive(fd, packet, 0)
      if (octets <= 0) return
      const found = tooLargePacket(packet.subarray(0, octets))
      if (found?.source === localAddress) listener(found.destination, found.mtu)
    }
  })
  return {
    close() {
      watcher.close()
      libc.close(fd)
    },
  }
}

/** The IPIP packet that an IPv4 packet says was too large; undefined if it says something else. */
export function tooLargePacket(
  packet: Uint8Array,
): { source: IpAddress; destination: IpAddress; mtu: number } | undefined {
  const view = Buffer.from(packet.buffer, packet.byteOffset, packet.length)
  const icmp = ((view[0] ?? 0) & 15) * 4
  const quoted = icmp + 8
  if (icmp < 20 || view.length < quoted + 20) return undefined
  if (view[icmp] !== DESTINATION_UNREACHABLE || view[icmp + 1] !== FRAGMENTATION_NEEDED) {
    return undefined
  }
  const mtu = view.readUInt16BE(icmp + 6)
  // Routers of before RFC 1191 say 0, which tells nothing.
  if (mtu === 0 || view[quoted + 9] !== PROTOCOL_IPIP) return undefined
  return {
    source: addressFromOctets(view.subarray(quoted + 12, quoted + 16)),
    destination: addressFromOctets(view.subarray(quoted + 16, quoted + 20)),
    mtu,
  }
}
