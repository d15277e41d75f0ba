import { ipv4ToNumber, type IpAddress } from '../../src/net/ip-address.ts'
import * as icmp from '../../src/wire/packet/icmp.ts'
import * as ipv4 from '../../src/wire/packet/ipv4.ts'
import { every, type Timer } from '../../src/lib/clock.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import type { SimulatedCluster } from './cluster.ts'

const INTERVAL_MILLISECONDS = 10

/** Pings from one pod to another, one after the other, with what was answered. */
export class PingStream {
  readonly #kernel: Kernel
  readonly #timer: Timer
  readonly #unanswered = new Set<number>()
  #sent = 0

  constructor(cluster: SimulatedCluster, from: string, to: string) {
    const address = (pod: string): IpAddress =>
      cluster.attached().find(({ attachment }) => attachment.pod === pod)!.attachment.addresses[0]!
    const [source, destination] = [from, to].map((pod) => ipv4ToNumber(address(pod))) as [
      number,
      number,
    ]
    this.#kernel = cluster.machine.openNamespace(from)
    const { index } = this.#kernel.link('eth0')!
    this.#kernel.capture({ linkIndex: index }, ({ direction, octets }) => {
      const at = ipv4.headerOctets(octets)
      if (direction !== 'in' || ipv4.protocol(octets) !== 1) return
      if (icmp.type(octets, at) !== icmp.TYPE.echoReply) return
      this.#unanswered.delete(icmp.sequence(octets, at))
    })
    this.#timer = every(cluster.clock, INTERVAL_MILLISECONDS, () => {
      const second = this.#sent++ & 0xffff
      this.#unanswered.add(second)
      const header = { source, destination, protocol: 1, timeToLive: 64 }
      const type = icmp.TYPE.echoRequest
      const message = { type, code: 0, first: 1, second, body: new Uint8Array(8) }
      this.#kernel.sendPacket(ipv4.encode(header, icmp.encode(message)))
    })
  }

  get sent(): number {
    return this.#sent
  }

  /** How many have had no answer; the last may still be on its way. */
  get lost(): number {
    this.#unanswered.delete((this.#sent - 1) & 0xffff)
    return this.#unanswered.size
  }

  close(): void {
    this.#timer.cancel()
    this.#kernel.close()
  }
}
