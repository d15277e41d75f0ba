import { transportChecksumValid } from '../../../wire/packet/checksum.ts'
import * as icmp from '../../../wire/packet/icmp.ts'
import * as icmpv6 from '../../../wire/packet/icmpv6.ts'
import { IP_PROTOCOL } from '../../../wire/packet/protocols.ts'
import * as udp from '../../../wire/packet/udp.ts'
import type { TcpEndpoint, UdpDatagram, UdpSocket } from '../../../net/transport.ts'
import type { IpAddress } from '../../../net/ip-address.ts'
import { type Addr, addrFromText, addrToText } from '../routing/addr.ts'
import { sendError, sendPayload } from '../ip/ip-output.ts'
import type { Inbound, Namespace } from '../namespace.ts'
import { receiveVxlan } from '../links/vxlan-driver.ts'

interface Bound {
  readonly family: 4 | 6
  readonly address: Addr | undefined
  readonly port: number
  onDatagram(datagram: UdpDatagram): void
}

/** The UDP sockets of one namespace. */
export class UdpSockets {
  readonly #namespace: Namespace
  readonly #bound = new Set<Bound>()

  constructor(namespace: Namespace) {
    this.#namespace = namespace
    namespace.transports.set(IP_PROTOCOL.udp, (packet) => this.#receive(packet))
  }

  bind(
    options: { address?: IpAddress; family: 4 | 6; port: number; ttl?: number },
    onDatagram: (datagram: UdpDatagram) => void,
  ): UdpSocket {
    const address = options.address === undefined ? undefined : addrFromText(options.address)
    const port = options.port === 0 ? this.#freePort(options.family) : options.port
    const where = `udp port ${port} on ${options.address ?? 'any address'}`
    if (address !== undefined && !this.#namespace.isLocal(address)) {
      throw new Error(`Unable to bind ${where}: EADDRNOTAVAIL`)
    }
    const isTaken = [...this.#bound].some(
      (other) =>
        other.port === port &&
        other.family === options.family &&
        (other.address === undefined || address === undefined || other.address === address),
    )
    if (isTaken) throw new Error(`Unable to bind ${where}: EADDRINUSE`)
    const bound: Bound = { family: options.family, address, port, onDatagram }
    this.#bound.add(bound)
    return {
      port,
      send: (octets, to) => this.#send(bound, octets, to, options.ttl),
      close: () => {
        this.#bound.delete(bound)
      },
    }
  }

  #freePort(family: 4 | 6): number {
    for (;;) {
      const port = 32_768 + this.#namespace.machine.random.below(28_232)
      const isTaken = [...this.#bound].some((each) => each.port === port && each.family === family)
      if (!isTaken) return port
    }
  }

  #send(bound: Bound, octets: Uint8Array, to: TcpEndpoint, ttl: number | undefined): void {
    this.#namespace.counters.add('Udp.OutDatagrams')
    sendPayload(this.#namespace, {
      source: bound.address,
      destination: addrFromText(to.address),
      protocol: IP_PROTOCOL.udp,
      payload: udp.encode({ sourcePort: bound.port, destinationPort: to.port }, octets),
      dontFragment: true,
      ...(ttl === undefined ? {} : { timeToLive: ttl }),
    })
  }

  #receive(packet: Inbound): boolean {
    const { counters, machine } = this.#namespace
    const { octets, at, end } = packet
    const family = packet.family === 4 ? 'Udp' : 'Udp6'
    const ipAt = 0
    const isSound =
      udp.check(octets, at, end) &&
      transportChecksumValid(octets, ipAt, IP_PROTOCOL.udp, at, end) !== false
    if (!isSound) {
      counters.add(`${family}.InErrors`)
      return true
    }
    const port = udp.destinationPort(octets, at)
    const found = this.#find(packet, port)
    if (found === undefined && receiveVxlan(this.#namespace, packet)) return true
    if (found === undefined) {
      if (!packet.isBroadcast) {
        counters.add(`${family}.NoPorts`)
        if (!packet.isLinkGroup) this.#refuse(packet)
      }
      return true
    }
    counters.add(`${family}.InDatagrams`)
    const datagram: UdpDatagram = {
      from: { address: addrToText(packet.source), port: udp.sourcePort(octets, at) },
      to: addrToText(packet.destination),
      ttl: packet.timeToLive,
      octets: octets.slice(at + udp.HEADER_OCTETS, at + udp.length(octets, at)),
    }
    machine.clock.after(0, () => {
      if (this.#bound.has(found)) found.onDatagram(datagram)
    })
    return true
  }

  #find(packet: Inbound, port: number): Bound | undefined {
    let any: Bound | undefined
    for (const each of this.#bound) {
      if (each.port !== port || each.family !== packet.family) continue
      if (each.address === packet.destination) return each
      if (each.address === undefined) any = each
    }
    return any
  }

  #refuse(packet: Inbound): void {
    const { octets, device } = packet
    if (packet.family === 4) {
      const { port } = icmp.UNREACHABLE
      sendError(this.#namespace, octets, device, icmp.TYPE.destinationUnreachable, port)
    } else {
      const { port } = icmpv6.UNREACHABLE
      sendError(this.#namespace, octets, device, icmpv6.TYPE.destinationUnreachable, port)
    }
  }
}
