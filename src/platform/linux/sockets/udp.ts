import type { Closable } from '../../../lib/closable.ts'
import { addressFromOctets, type Family, type IpAddress } from '../../../net/ip-address.ts'
import type { TcpEndpoint, UdpDatagram, UdpSocket, UdpStack } from '../../../net/transport.ts'
import { addressFamily, type Context } from '../netlink/context.ts'
import { ERRNO } from '../process/errno.ts'
import { FdWatcher } from '../process/fd-watcher.ts'
import { checked } from '../process/libc.ts'
import { MessageReceiver } from '../capture/received-message.ts'
import type { OpenHandles } from '../process/open-handles.ts'
import { anyAddress, endpointFrom, socketAddress, SOCKET_ADDRESS_OCTETS } from './socket-address.ts'
import { setOption, SOCK } from './socket-options.ts'

const DATAGRAM_OCTETS = 65_536
const DATAGRAMS_PER_TURN = 256
/** Ancillary values: [level, type, offset of what is wanted] (ip(7), ipv6(7)). */
const IP_TTL = 2
const IP_PKTINFO = 8
const IPV6_PKTINFO = 50
const IPV6_HOPLIMIT = 52

/** UDP in one namespace, with the TTL of every datagram that arrives, which BFD checks (RFC 5881). */
export class LinuxUdpStack implements UdpStack {
  readonly #context: Context
  readonly #resources: OpenHandles

  constructor(context: Context, resources: OpenHandles) {
    this.#context = context
    this.#resources = resources
  }

  bind(
    options: { address?: IpAddress; family: Family; port: number; ttl?: number },
    onDatagram: (datagram: UdpDatagram) => void,
  ): UdpSocket {
    const { libc, name } = this.#context
    const address = options.address ?? anyAddress(options.family)
    const what = `Bind UDP ${address} port ${options.port} of ${name}`
    const fd = this.#socket(what, options.family)
    const local = new Uint8Array(SOCKET_ADDRESS_OCTETS)
    try {
      this.#dress(what, fd, options.family, options.ttl)
      checked(what, libc.bind(fd, socketAddress({ address, port: options.port })))
      checked(what, libc.socketName(fd, local))
    } catch (thrown) {
      libc.close(fd)
      throw thrown
    }
    const bound = endpointFrom(local)
    const socket = new LinuxUdpSocket(this.#context, fd, bound, onDatagram, this.#resources)
    return this.#resources.keep(socket)
  }

  #socket(what: string, family: Family): number {
    const type = SOCK.datagram | SOCK.cloexec | SOCK.nonblock
    const { libc } = this.#context
    return this.#context.inside(() => checked(what, libc.socket(addressFamily(family), type, 0)))
  }

  #dress(what: string, fd: number, family: Family, ttl: number | undefined): void {
    const { libc } = this.#context
    if (family === 4) {
      setOption(libc, what, fd, 'ipReceiveTtl', 1)
      setOption(libc, what, fd, 'ipPacketInfo', 1)
      if (ttl !== undefined) setOption(libc, what, fd, 'ipTtl', ttl)
    } else {
      setOption(libc, what, fd, 'ipv6Only', 1)
      setOption(libc, what, fd, 'ipv6ReceiveHopLimit', 1)
      setOption(libc, what, fd, 'ipv6ReceivePacketInfo', 1)
      if (ttl !== undefined) setOption(libc, what, fd, 'ipv6UnicastHops', ttl)
    }
  }
}

class LinuxUdpSocket implements UdpSocket, Closable {
  readonly port: number
  readonly #context: Context
  readonly #fd: number
  readonly #local: TcpEndpoint
  readonly #onDatagram: (datagram: UdpDatagram) => void
  readonly #resources: OpenHandles
  readonly #receiver: MessageReceiver
  readonly #watcher: FdWatcher
  #closed = false

  constructor(
    context: Context,
    fd: number,
    local: TcpEndpoint,
    onDatagram: (datagram: UdpDatagram) => void,
    resources: OpenHandles,
  ) {
    this.#context = context
    this.#fd = fd
    this.#local = local
    this.port = local.port
    this.#onDatagram = onDatagram
    this.#resources = resources
    this.#receiver = new MessageReceiver(context.libc, DATAGRAM_OCTETS)
    this.#watcher = new FdWatcher(fd, 'readable', () => this.#receive())
  }

  #receive(): void {
    for (let count = 0; count < DATAGRAMS_PER_TURN && !this.#closed; count++) {
      const length = this.#receiver.receive(this.#fd)
      if (length === -ERRNO.EAGAIN) return
      // Other errors are answers (ICMP) to what was sent; UDP promises nothing, so they pass.
      if (length >= 0) this.#onDatagram(this.#datagram(length))
    }
  }

  #datagram(length: number): UdpDatagram {
    let ttl = 0
    let to = this.#local.address
    for (const { level, type, value } of this.#receiver.controls()) {
      if (level === 0 && type === IP_TTL) ttl = value.readInt32LE()
      else if (level === 41 && type === IPV6_HOPLIMIT) ttl = value.readInt32LE()
      else if (level === 0 && type === IP_PKTINFO) to = addressFromOctets(value.subarray(8, 12))
      else if (level === 41 && type === IPV6_PKTINFO) to = addressFromOctets(value.subarray(0, 16))
    }
    const octets = new Uint8Array(this.#receiver.payload.subarray(0, length))
    return { from: endpointFrom(this.#receiver.from), to, ttl, octets }
  }

  send(octets: Uint8Array, to: TcpEndpoint): void {
    if (this.#closed) throw new Error(`UDP port ${this.port} of ${this.#context.name} is closed`)
    // Lost is what a datagram may be: no way to the address today may be one tomorrow.
    this.#context.libc.sendTo(this.#fd, octets, 0, socketAddress(to))
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#watcher.close()
    this.#context.libc.close(this.#fd)
    this.#resources.forget(this)
  }
}
