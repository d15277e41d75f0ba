import { fromHex, hex } from '../../lib/bytes.ts'
import { type Clock, sleep, type Timer } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Capture, CapturedPacket, Kernel } from '../../kernel/kernel.ts'
import {
  type ArmAnswer,
  type ArmRequest,
  type CapturePoint,
  type NamespaceCounters,
  type Netns,
  NODE_LIMITS,
  type Sighting,
} from '../../api/node-access.ts'

const SNAP_OCTETS = 256

/**
 * The kernel begins to stamp packets a moment after the first who wants stamps has asked
 * (net_enable_timestamp in net/core/dev.c); until then the time of reading stands in for them.
 */
const STAMPS_AFTER_MILLISECONDS = 3

export interface ArmedTracePorts {
  readonly clock: Clock
  countersOf(netns: Netns, kernel: Kernel): Readonly<Record<string, number>>
  /** Called after the captures were closed because nobody had finished them. */
  onDeadline(): void
}

/** The captures of one trace on one node: they fill a bounded list, and end at a deadline. */
export class ArmedTrace {
  readonly #request: ArmRequest
  readonly #ports: ArmedTracePorts
  readonly #marker: Uint8Array | undefined
  readonly #captures: (Capture | undefined)[] = []
  readonly #kernels = new Map<Netns, Kernel>()
  readonly #sightings: Sighting[] = []
  readonly #overflow: number[]
  readonly #waiting = new Set<() => void>()
  readonly #deadline: Timer

  constructor(request: ArmRequest, ports: ArmedTracePorts) {
    this.#request = request
    this.#ports = ports
    this.#marker = request.marker === undefined ? undefined : fromHex(request.marker)
    this.#overflow = request.points.map(() => 0)
    this.#deadline = ports.clock.after(
      Math.min(request.deadlineMilliseconds, NODE_LIMITS.deadlineMilliseconds),
      () => {
        this.close()
        ports.onDeadline()
      },
    )
  }

  /** Opens every capture; one that cannot be opened is told, and the others stay. */
  async open(kernelOf: (netns: Netns) => Kernel): Promise<ArmAnswer> {
    const points = this.#request.points.map((point, index) => {
      try {
        const kernel = kernelOf(point.netns)
        this.#kernels.set(point.netns, kernel)
        this.#captures.push(this.#capture(kernel, point, index))
        return { armed: true }
      } catch (thrown) {
        this.#captures.push(undefined)
        return { armed: false, reason: messageOf(thrown) }
      }
    })
    await sleep(this.#ports.clock, STAMPS_AFTER_MILLISECONDS)
    return { points, counters: this.#counters() }
  }

  #capture(kernel: Kernel, point: CapturePoint, index: number): Capture {
    const link = kernel.link(point.link)
    if (link === undefined) throw new Error(`${point.netns} has no interface ${point.link}`)
    // Eight octets are what a filter in the kernel looks at; all of them are compared in #isOurs.
    const echoData =
      this.#marker === undefined || this.#marker.length < 8 ? undefined : this.#marker.slice(0, 8)
    const { vxlanPorts } = this.#request
    return kernel.capture(
      {
        linkIndex: link.index,
        snapOctets: this.#request.snapOctets ?? SNAP_OCTETS,
        filter: {
          addresses: this.#request.addresses,
          icmpErrors: true,
          ...(echoData === undefined ? {} : { echoData }),
          ...(vxlanPorts === undefined ? {} : { vxlanPorts }),
        },
      },
      (packet) => this.#see(packet, index),
    )
  }

  #see(packet: CapturedPacket, point: number): void {
    if (!this.#isOurs(packet.octets)) return
    if (this.#sightings.length >= NODE_LIMITS.sightings) {
      this.#overflow[point]! += 1
      return
    }
    this.#sightings.push({
      point,
      direction: packet.direction,
      atMicroseconds: Number(packet.atNanoseconds) / 1000,
      octets: hex(packet.octets),
      length: packet.length,
    })
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }

  #isOurs(octets: Uint8Array): boolean {
    return this.#marker === undefined || holds(octets, this.#marker) || isIcmpError(octets)
  }

  /** Sightings from `after` on; waits for the first of them, at most so long. */
  async collect(after: number, waitMilliseconds: number): Promise<readonly Sighting[]> {
    if (this.#sightings.length <= after && waitMilliseconds > 0) {
      await this.#news(Math.min(waitMilliseconds, NODE_LIMITS.waitMilliseconds))
    }
    return this.#sightings.slice(after)
  }

  #news(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        timer.cancel()
        this.#waiting.delete(wake)
        resolve()
      }
      const timer = this.#ports.clock.after(milliseconds, wake)
      this.#waiting.add(wake)
    })
  }

  /** What each point could not keep, and the counters now; before {@link close}. */
  account(): { readonly lost: readonly number[]; readonly counters: readonly NamespaceCounters[] } {
    const lost = this.#overflow.map((count, at) => count + (this.#captures[at]?.lost ?? 0))
    return { lost, counters: this.#counters() }
  }

  #counters(): readonly NamespaceCounters[] {
    const { countersOf } = this.#ports
    return [...this.#kernels].map(([netns, kernel]) => ({
      netns,
      counters: countersOf(netns, kernel),
    }))
  }

  close(): void {
    this.#deadline.cancel()
    for (const capture of this.#captures) capture?.close()
    this.#captures.fill(undefined)
    for (const wake of this.#waiting) wake()
  }
}

function holds(octets: Uint8Array, marker: Uint8Array): boolean {
  const last = octets.length - marker.length
  for (let at = octets.indexOf(marker[0]!); at >= 0 && at <= last;) {
    if (marker.every((octet, offset) => octets[at + offset] === octet)) return true
    at = octets.indexOf(marker[0]!, at + 1)
  }
  return false
}

/** Destination unreachable, time exceeded, parameter problem (RFC 792); ICMPv6 types below 128. */
function isIcmpError(octets: Uint8Array): boolean {
  const version = octets[0]! >>> 4
  if (version === 4 && octets[9] === 1) {
    const type = octets[(octets[0]! & 15) * 4]
    return type === 3 || type === 11 || type === 12
  }
  return version === 6 && octets[6] === 58 && octets[40]! < 128
}
