import * as icmp from '../../../wire/packet/icmp.ts'
import * as icmpv6 from '../../../wire/packet/icmpv6.ts'
import * as ipip from '../../../wire/packet/ipip.ts'
import * as ipv4 from '../../../wire/packet/ipv4.ts'
import * as ipv6 from '../../../wire/packet/ipv6.ts'
import * as vxlan from '../../../wire/packet/vxlan.ts'
import { ETHER_TYPE, IP_PROTOCOL } from '../../../wire/packet/protocols.ts'
import type { Capture, CapturedPacket, CaptureFilter, CaptureOptions } from '../../kernel.ts'
import { type Addr, addrFromText, readAddr6 } from '../routing/addr.ts'
import type { Device, Frame, Tap } from './device.ts'

/** Packets that may wait for a capture's reader before they count as lost. */
const MOST_WAITING = 4096

/** A capture at one link: copies what passes the filter, and hands it over from the event loop. */
export class CaptureTap implements Tap, Capture {
  lost = 0
  readonly #device: Device
  readonly #snapOctets: number
  readonly #filter: Filter | undefined
  readonly #onPacket: (packet: CapturedPacket) => void
  #waiting: CapturedPacket[] = []
  #closed = false

  constructor(device: Device, options: CaptureOptions, onPacket: (packet: CapturedPacket) => void) {
    this.#device = device
    this.#snapOctets = options.snapOctets ?? 256
    this.#filter = numericFilter(options.filter)
    this.#onPacket = onPacket
    device.taps.add(this)
  }

  see(direction: 'in' | 'out', frame: Frame): void {
    const { octets, etherType } = frame
    if (etherType !== ETHER_TYPE.ipv4 && etherType !== ETHER_TYPE.ipv6) return
    if (this.#filter !== undefined && !passes(octets, etherType, this.#filter)) return
    if (this.#waiting.length >= MOST_WAITING) {
      this.lost++
      return
    }
    const { machine } = this.#device.namespace
    if (this.#waiting.length === 0) machine.clock.after(0, () => this.#flush())
    this.#waiting.push({
      atNanoseconds: machine.nanoseconds(),
      direction,
      octets: octets.slice(0, this.#snapOctets),
      length: octets.length,
    })
  }

  #flush(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const packet of waiting) {
      if (!this.#closed) this.#onPacket(packet)
    }
  }

  close(): void {
    this.#closed = true
    this.#device.taps.delete(this)
  }
}

interface Filter {
  readonly addresses: readonly [Addr, Addr]
  readonly icmpErrors: boolean
  readonly echoData: Uint8Array | undefined
  readonly vxlanPorts: readonly number[] | undefined
}

function numericFilter(filter: CaptureFilter | undefined): Filter | undefined {
  if (filter === undefined) return undefined
  const [a, b] = filter.addresses
  return {
    addresses: [addrFromText(a), addrFromText(b)],
    icmpErrors: filter.icmpErrors === true,
    echoData: filter.echoData,
    vxlanPorts: filter.vxlanPorts,
  }
}

function passes(octets: Uint8Array, etherType: number, filter: Filter): boolean {
  return etherType === ETHER_TYPE.ipv6 ? passes6(octets, filter) : passes4(octets, filter)
}

function passes6(octets: Uint8Array, { addresses, icmpErrors }: Filter): boolean {
  if (isBetween6(octets, 0, addresses)) return true
  const quoted = ipv6.HEADER_OCTETS + icmpv6.HEADER_OCTETS
  return (
    icmpErrors &&
    octets.length > quoted &&
    ipv6.nextHeader(octets) === IP_PROTOCOL.icmpv6 &&
    icmpv6.isError(icmpv6.type(octets, ipv6.HEADER_OCTETS)) &&
    isBetween6(octets, quoted, addresses)
  )
}

function isBetween6(octets: Uint8Array, at: number, addresses: readonly [Addr, Addr]): boolean {
  if (octets.length - at < ipv6.HEADER_OCTETS) return false
  return isBetween(readAddr6(octets, at + 8), readAddr6(octets, at + 24), addresses)
}

function passes4(octets: Uint8Array, filter: Filter): boolean {
  const { addresses, icmpErrors, echoData, vxlanPorts } = filter
  if (octets.length < ipv4.HEADER_OCTETS) return false
  if (isBetween4(octets, 0, addresses)) return true
  const inner = ipip.innerOffset(octets) ?? vxlan.innerOffset(octets, 0, vxlanPorts)
  if (inner !== undefined && isBetween4(octets, inner, addresses)) return true
  if (echoData !== undefined && holdsEcho(octets, inner ?? 0, echoData)) return true
  const quoted = icmpErrors ? quotedOffset(octets) : undefined
  return quoted !== undefined && isBetween4(octets, quoted, addresses)
}

function holdsEcho(octets: Uint8Array, at: number, data: Uint8Array): boolean {
  const dataAt = at + ipv4.headerOctets(octets, at) + icmp.HEADER_OCTETS
  return (
    ipv4.protocol(octets, at) === IP_PROTOCOL.icmp &&
    data.every((octet, offset) => octets[dataAt + offset] === octet)
  )
}

function isBetween4(octets: Uint8Array, at: number, addresses: readonly [Addr, Addr]): boolean {
  return isBetween(ipv4.source(octets, at), ipv4.destination(octets, at), addresses)
}

/** Where an ICMP error begins to quote, if the packet is one and quotes a whole header. */
function quotedOffset(octets: Uint8Array): number | undefined {
  const at = ipv4.headerOctets(octets)
  const quoted = at + icmp.HEADER_OCTETS
  const isError =
    ipv4.protocol(octets) === IP_PROTOCOL.icmp &&
    octets.length >= quoted + ipv4.HEADER_OCTETS &&
    icmp.isError(icmp.type(octets, at))
  return isError ? quoted : undefined
}

function isBetween(source: Addr, destination: Addr, [a, b]: readonly [Addr, Addr]): boolean {
  return (source === a && destination === b) || (source === b && destination === a)
}
