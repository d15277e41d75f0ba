import type { Closable } from '../../lib/closable.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import type { IpAddress } from '../../net/ip-address.ts'

export interface PathMtusNeeds {
  readonly clock: Clock
  readonly log: Log
  /** {@link PathMtus.octets} changed. */
  onChange(octets: Readonly<Record<IpAddress, number>>): void
}

/** Octets of an outer IPv4 header. */
const OVERHEAD_OCTETS = 20
/** How long a path is believed to be narrow (net.ipv4.route.mtu_expires), and how narrow one can be (min_pmtu). */
const PATH_MTU_MILLISECONDS = 600_000
const PATH_MTU_MIN = 552

/** Paths to other nodes that are narrower than the tunnel, as ICMP tells of them; each is forgotten in time. */
export class PathMtus implements Closable {
  readonly #needs: PathMtusNeeds
  readonly #narrow = new Map<IpAddress, { readonly mtu: number; readonly timer: Timer }>()

  constructor(needs: PathMtusNeeds) {
    this.#needs = needs
  }

  /** Octets inside the tunnel, by address of the node. */
  get octets(): Readonly<Record<IpAddress, number>> {
    return Object.fromEntries([...this.#narrow].map(([node, { mtu }]) => [node, mtu]))
  }

  /** @param outerMtu octets that a router on the path takes, outer header included */
  learn(node: IpAddress, outerMtu: number, tunnelMtu: number): void {
    const mtu = Math.max(outerMtu, PATH_MTU_MIN) - OVERHEAD_OCTETS
    if (mtu >= tunnelMtu) return
    const { clock, log, onChange } = this.#needs
    const before = this.#narrow.get(node)
    before?.timer.cancel()
    const timer = clock.after(PATH_MTU_MILLISECONDS, () => {
      this.#narrow.delete(node)
      onChange(this.octets)
    })
    this.#narrow.set(node, { mtu, timer })
    if (before?.mtu === mtu) return
    log.info('Path MTU to a node is below the MTU of the tunnel', { node, mtu })
    onChange(this.octets)
  }

  close(): void {
    for (const { timer } of this.#narrow.values()) timer.cancel()
  }
}
