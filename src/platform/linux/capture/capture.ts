import { close as closeDescriptor } from 'node:fs'
import type { Capture, CapturedPacket, CaptureOptions } from '../../../kernel/kernel.ts'
import type { Context } from '../netlink/context.ts'
import { ERRNO } from '../process/errno.ts'
import { FdWatcher } from '../process/fd-watcher.ts'
import { checked, type Libc } from '../process/libc.ts'
import { compileFilter } from './packet-filter.ts'
import { MessageReceiver } from './received-message.ts'
import type { OpenHandles } from '../process/open-handles.ts'
import { getOption, setOption, SOCK } from '../sockets/socket-options.ts'

const AF_PACKET = 17
const ETH_P_ALL = 0x0003
const SOCKADDR_LL_OCTETS = 20
const PACKET_OUTGOING = 4
const SOL_SOCKET = 1
const SCM_TIMESTAMPNS = 35
const SOL_PACKET = 263
const PACKET_AUXDATA = 8
const DEFAULT_SNAP_OCTETS = 256
const MAX_SNAP_OCTETS = 65_535
const BUFFER_OCTETS = 8 * 1024 * 1024
/** Packets read in one turn of the event loop, so that a flood does not stop everything else. */
const PACKETS_PER_TURN = 1000

/**
 * A packet socket on one link. SOCK_DGRAM, so that the kernel takes link-layer headers off and every
 * kind of link looks alike.
 */
export function capture(
  context: Context,
  resources: OpenHandles,
  options: CaptureOptions,
  onPacket: (packet: CapturedPacket) => void,
): Capture {
  const { libc, name } = context
  const what = `Capture on link ${options.linkIndex} of ${name}`
  const snapOctets = Math.min(options.snapOctets ?? DEFAULT_SNAP_OCTETS, MAX_SNAP_OCTETS)
  const filter = compileFilter(options.filter, snapOctets)
  const fd = openSocket(context, what, options.linkIndex, filter)
  const receiver = new MessageReceiver(libc, snapOctets)
  let closed = false
  let lost = 0
  const watcher = new FdWatcher(fd, 'readable', () => {
    for (let count = 0; count < PACKETS_PER_TURN && !closed; count++) {
      const length = receiver.receive(fd)
      if (length === -ERRNO.EAGAIN) return
      // The link went down or away: the socket tells once and stays silent.
      if (length < 0) continue
      onPacket(packetFrom(receiver, length))
    }
  })
  const capturing: Capture = {
    get lost() {
      if (!closed) lost += readLost(libc, fd)
      return lost
    },
    close() {
      if (closed) return
      lost += readLost(libc, fd)
      closed = true
      watcher.close()
      // Closing a packet socket waits for all processors to have let go of it (packet_release in
      // net/packet/af_packet.c), some ten milliseconds: not on the thread that runs everything else.
      closeDescriptor(fd, () => {})
      resources.forget(capturing)
    },
  }
  return resources.keep(capturing)
}

/** Nothing is received before the socket is bound, so nothing from before the filter or another link. */
function openSocket(context: Context, what: string, linkIndex: number, filter: Uint8Array): number {
  const { libc } = context
  const type = SOCK.datagram | SOCK.cloexec | SOCK.nonblock
  const fd = context.inside(() => checked(what, libc.socket(AF_PACKET, type, 0)))
  try {
    setOption(libc, what, fd, 'receiveBufferForce', BUFFER_OCTETS)
    setOption(libc, what, fd, 'timestampNanoseconds', 1)
    setOption(libc, what, fd, 'packetAuxiliaryData', 1)
    setOption(libc, what, fd, 'attachFilter', filterProgram(libc, filter))
    checked(what, libc.bind(fd, linkAddress(linkIndex)))
    return fd
  } catch (thrown) {
    libc.close(fd)
    throw thrown
  }
}

function packetFrom(receiver: MessageReceiver, length: number): CapturedPacket {
  let atNanoseconds = 0n
  let fullLength = length
  for (const { level, type, value } of receiver.controls()) {
    if (level === SOL_SOCKET && type === SCM_TIMESTAMPNS) {
      atNanoseconds = value.readBigInt64LE(0) * 1_000_000_000n + value.readBigInt64LE(8)
    } else if (level === SOL_PACKET && type === PACKET_AUXDATA) {
      fullLength = value.readUInt32LE(4) // struct tpacket_auxdata, tp_len
    }
  }
  return {
    atNanoseconds,
    // sockaddr_ll, sll_pkttype
    direction: receiver.from[10] === PACKET_OUTGOING ? 'out' : 'in',
    octets: new Uint8Array(receiver.payload.subarray(0, length)),
    length: fullLength,
  }
}

/** struct sockaddr_ll */
function linkAddress(linkIndex: number): Uint8Array {
  const address = Buffer.alloc(SOCKADDR_LL_OCTETS)
  address.writeUInt16LE(AF_PACKET)
  address.writeUInt16BE(ETH_P_ALL, 2)
  address.writeInt32LE(linkIndex, 4)
  return address
}

/** struct sock_fprog; it points to the program, which lives as long as the call does. */
function filterProgram(libc: Libc, program: Uint8Array): Uint8Array {
  const value = Buffer.alloc(16)
  value.writeUInt16LE(program.length / 8)
  value.writeBigUInt64LE(libc.addressOf(program), 8)
  return value
}

/** Packets lost since last asked: struct tpacket_stats; reading sets it back. */
function readLost(libc: Libc, fd: number): number {
  const statistics = Buffer.alloc(8)
  return getOption(libc, fd, 'packetStatistics', statistics) < 0 ? 0 : statistics.readUInt32LE(4)
}
