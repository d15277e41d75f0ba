import type { Clock } from '../../../lib/clock.ts'
import type { IpAddress } from '../../../net/ip-address.ts'
import type { UdpDatagram, UdpStack } from '../../../net/transport.ts'

interface Bound {
  readonly address: IpAddress | undefined
  readonly port: number
  readonly onDatagram: (datagram: UdpDatagram) => void
}

/** UDP of several hosts on one wire, in virtual time; the wire can be cut in either direction. */
export class UdpWire {
  readonly #clock: Clock
  readonly #hosts = new Map<IpAddress, Bound[]>()
  readonly #cut = new Set<IpAddress>()
  /** Everything sent, in order, lost or not. */
  readonly sent: {
    at: number
    from: IpAddress
    to: IpAddress
    port: number
    octets: Uint8Array
  }[] = []
  readonly latencyMilliseconds = 1

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Loses everything that a host sends from now. */
  cut(from: IpAddress): void {
    this.#cut.add(from)
  }

  mend(from: IpAddress): void {
    this.#cut.delete(from)
  }

  host(address: IpAddress): UdpStack {
    const sockets: Bound[] = []
    this.#hosts.set(address, sockets)
    return {
      bind: (options, onDatagram) => {
        if (sockets.some(({ port }) => port === options.port)) {
          throw new Error(`port ${options.port} is taken`)
        }
        const bound = { address: options.address, port: options.port, onDatagram }
        sockets.push(bound)
        return {
          port: options.port,
          send: (octets, to) => {
            const from = { address, port: options.port }
            this.sent.push({
              at: this.#clock.now(),
              from: address,
              to: to.address,
              port: to.port,
              octets,
            })
            if (this.#cut.has(address)) return
            this.deliver({ from, to: to.address, ttl: options.ttl ?? 64, octets }, to.port)
          },
          close: () => void sockets.splice(sockets.indexOf(bound), 1),
        }
      },
    }
  }

  deliver(datagram: UdpDatagram, port: number): void {
    this.#clock.after(this.latencyMilliseconds, () => {
      this.#hosts
        .get(datagram.to)
        ?.find((bound) => bound.port === port)
        ?.onDatagram(datagram)
    })
  }
}
