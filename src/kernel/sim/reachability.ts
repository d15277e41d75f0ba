import type { IpAddress } from '../../net/ip-address.ts'
import type { Kernel } from '../kernel.ts'
import { type Addr, addrFamily, addrFromText } from './routing/addr.ts'
import type { Device } from './links/device.ts'
import { isLocalType } from './routing/fib.ts'
import type { Namespace } from './namespace.ts'
import { namespaceOf } from './simulated-kernel.ts'

/** Where a packet ends that follows the tables. */
export type Arrival =
  | 'delivered'
  | 'blackhole'
  | 'unreachable'
  | 'prohibited'
  | 'no route'
  | 'loop'
  /** The next hop is an address that nobody has. */
  | 'nobody'

export interface ReachabilityWalk {
  readonly end: Arrival
  /** Names of the namespaces on the way, first and last included, also those that see an outer header. */
  readonly way: readonly string[]
}

interface End {
  readonly end: Arrival
  readonly at: Namespace
}

/** Tunnels in each other; one more is a tunnel whose outer packets go into itself. */
const MOST_TUNNELS = 4

const ENDS: Readonly<Record<string, Arrival>> = {
  EINVAL: 'blackhole',
  EHOSTUNREACH: 'unreachable',
  EACCES: 'prohibited',
  ENETUNREACH: 'no route',
}

/**
 * Follows routing tables from namespace to namespace without sending anything: for questions about all
 * pairs at once. It looks at rules, tables and next hops; filters, TTL and neighbours are the packet's affair.
 */
export class Reachability {
  /** Who answers for an address when a next hop names it. */
  readonly #owners = new Map<Addr, Namespace>()

  /** @param kernels every namespace that packets may pass, pods excepted, which hang on a cable of their own */
  constructor(kernels: Iterable<Kernel>) {
    for (const kernel of kernels) {
      const namespace = namespaceOf(kernel)
      for (const device of namespace.devices.values()) {
        if (!device.up || device.isLoopback || device.mac === undefined) continue
        for (const { addr } of [...device.addresses4, ...device.addresses6]) {
          this.#owners.set(addr, namespace)
        }
      }
    }
  }

  walk(from: Kernel, destination: IpAddress): ReachabilityWalk {
    return this.walkFrom(namespaceOf(from), addrFromText(destination))
  }

  /** {@link walk} for those who ask millions of times. */
  walkFrom(from: Namespace, destination: Addr): ReachabilityWalk {
    const way = [from.name]
    return { end: this.#follow(from, destination, way, 0).end, way }
  }

  /** Adds to `way` what a packet passes; answers where it ended. @param tunnels around it already */
  #follow(from: Namespace, destination: Addr, way: string[], tunnels: number): End {
    const family = addrFamily(destination)
    const seen = [from]
    for (let at = from; ; seen.push(at)) {
      const hop = at.routing(family).lookup({ destination })
      if (typeof hop === 'string') return { end: ENDS[hop]!, at }
      if (isLocalType(hop.route.type)) return { end: 'delivered', at }
      const { device } = hop
      const via = hop.via ?? destination
      let next: Namespace | undefined
      if (device?.driver.kind === 'ipip') {
        if (tunnels === MOST_TUNNELS) return { end: 'loop', at }
        const outer = this.#follow(at, via, way, tunnels + 1)
        if (outer.end !== 'delivered') return outer
        next = outer.at
      } else {
        next = device === undefined ? undefined : this.#next(device, via)
        if (next === undefined) return { end: 'nobody', at }
        way.push(next.name)
      }
      if (seen.includes(next)) return { end: 'loop', at: next }
      at = next
    }
  }

  #next(device: Device, nextHop: Addr): Namespace | undefined {
    const { peer } = device
    if (device.vxlan !== undefined) return this.#behindVxlan(device, nextHop)
    // A cable between two hosts leads to one place; a bridge's port to whoever has the address.
    if (peer === undefined || peer.master !== undefined) return this.#owners.get(nextHop)
    return peer.up && answersFor(peer, nextHop) ? peer.namespace : undefined
  }

  /** By the neighbour's MAC address to the node that it is behind, if that has the other end of the tunnel. */
  #behindVxlan(device: Device, nextHop: Addr): Namespace | undefined {
    const { namespace, vxlan } = device
    const mac = namespace.neighbors(addrFamily(nextHop)).get(device, nextHop)?.mac
    const remote = mac === undefined ? undefined : vxlan!.forwarding.get(mac)
    const owner = remote === undefined ? undefined : this.#owners.get(remote)
    const isThere = [...(owner?.devices.values() ?? [])].some(
      (each) => each.up && each.mac === mac && each.vxlan?.settings.vni === vxlan!.settings.vni,
    )
    return isThere ? owner : undefined
  }
}

/** Whether the far end of a cable would say that the next hop is here: its own address, or by proxy. */
function answersFor(device: Device, nextHop: Addr): boolean {
  const { namespace, conf } = device
  if (namespace.isLocal(nextHop)) return true
  const { all } = namespace.sysctl
  return typeof nextHop === 'number'
    ? conf.conf4.proxy_arp !== 0 || all.conf4.proxy_arp !== 0
    : conf.conf6.proxy_ndp !== 0 || all.conf6.proxy_ndp !== 0
}
