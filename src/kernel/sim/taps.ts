import * as ipip from '../../wire/packet/ipip.ts'
import * as ipv4 from '../../wire/packet/ipv4.ts'
import { ETHER_TYPE } from '../../wire/packet/protocols.ts'
import type { Capture, CapturedPacket, CaptureFilter, CaptureOptions } from '../kernel.ts'
import { type Addr, addrFromText, readAddr6 } from './addr.ts'
import type { Device, Frame, Tap } from './device.ts'

/** Packets that may wait for a capture's reader before they count as lost. */
const MOST_WAITING = 4096

/** A capture at one link: copies what passes the filter, and hands it over from the event loop. */
export class CaptureTap implements Tap, Capture {
  lost = 0
  readonly #device: Device
  readonly #snapOctets: number
  readonly #filter: readonly [Addr, Addr] | undefined
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

function numericFilter(filter: CaptureFilter | undefined): readonly [Addr, Addr] | undefined {
  return filter === undefined
    ? undefined
    : [addrFromText(filter.addresses[0]), addrFromText(filter.addresses[1])]
}

function passes(octets: Uint8Array, etherType: number, [a, b]: readonly [Addr, Addr]): boolean {
  if (etherType === ETHER_TYPE.ipv6) {
    return octets.length >= 40 && isBetween(readAddr6(octets, 8), readAddr6(octets, 24), a, b)
  }
  if (octets.length < ipv4.HEADER_OCTETS) return false
  if (isBetween(ipv4.source(octets), ipv4.destination(octets), a, b)) return true
  const inner = ipip.innerOffset(octets)
  return (
    inner !== undefined &&
    isBetween(ipv4.source(octets, inner), ipv4.destination(octets, inner), a, b)
  )
}

function isBetween(source: Addr, destination: Addr, a: Addr, b: Addr): boolean {
  return (source === a && destination === b) || (source === b && destination === a)
}
