import { checked, type Libc } from '../process/libc.ts'

/** Numbers of the socket interface that node:os does not name (asm-generic/socket.h, linux/in.h, …). */
export const SOCK = { stream: 1, datagram: 2, raw: 3, nonblock: 0o4_000, cloexec: 0o2_000_000 }

/** [level, option] */
export const SOCKET_OPTION = {
  reuseAddress: [1, 2],
  error: [1, 4],
  broadcast: [1, 6],
  bindToDevice: [1, 25],
  attachFilter: [1, 26],
  receiveBufferForce: [1, 33],
  timestampNanoseconds: [1, 35],
  ipTtl: [0, 2],
  ipPacketInfo: [0, 8],
  ipReceiveTtl: [0, 12],
  ipMinimumTtl: [0, 21],
  bindAddressNoPort: [0, 24],
  ipv6UnicastHops: [41, 16],
  ipv6Only: [41, 26],
  ipv6HeaderIncluded: [41, 36],
  ipv6ReceivePacketInfo: [41, 49],
  ipv6ReceiveHopLimit: [41, 51],
  ipv6MinimumHopCount: [41, 73],
  tcpNoDelay: [6, 1],
  tcpMd5: [6, 14],
  tcpMd5Prefix: [6, 32],
  packetStatistics: [263, 6],
  packetAuxiliaryData: [263, 8],
  packetIgnoreOutgoing: [263, 23],
  netlinkNoBufferErrors: [270, 5],
} as const

export type OptionName = keyof typeof SOCKET_OPTION

/** An int as the kernel's option values are. */
export function int(value: number): Uint8Array {
  const octets = Buffer.alloc(4)
  octets.writeInt32LE(value)
  return octets
}

/** Sets an option; throws KernelError that names `what`. */
export function setOption(
  libc: Libc,
  what: string,
  fd: number,
  option: OptionName,
  value: number | Uint8Array,
): void {
  const [level, name] = SOCKET_OPTION[option]
  const octets = typeof value === 'number' ? int(value) : value
  checked(() => `${what}: set ${option}`, libc.setOption(fd, level, name, octets))
}

/** Fills `into` with an option's value and answers what libc answers. */
export function getOption(libc: Libc, fd: number, option: OptionName, into: Uint8Array): number {
  const [level, name] = SOCKET_OPTION[option]
  return libc.getOption(fd, level, name, into)
}
