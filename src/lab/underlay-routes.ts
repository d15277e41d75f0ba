import type { IpAddress } from '../net/ip-address.ts'
import type { TopologyInterface, TopologyRouter } from './topology-schema.ts'

/** Networks that can be reached from some networks through routers, these included. */
export function reachable(
  from: readonly string[],
  routers: readonly TopologyRouter[],
): ReadonlySet<string> {
  const seen = new Set(from)
  for (let grown = true; grown;) {
    grown = false
    for (const { interfaces } of routers) {
      if (!interfaces.some(({ network }) => seen.has(network))) continue
      for (const { network } of interfaces) {
        if (seen.has(network)) continue
        seen.add(network)
        grown = true
      }
    }
  }
  return seen
}

/** A network that a host reaches through a router, and that router's address on a network they share. */
export interface UnderlayRoute {
  readonly network: string
  readonly gateway: IpAddress
  readonly interface: string
}

/**
 * The routes of one host to every network that it is not in: by the router that is fewest hops away
 * from it, the first in the file among equals.
 */
export function underlayRoutes(
  host: { readonly name: string; readonly interfaces: readonly TopologyInterface[] },
  routers: readonly TopologyRouter[],
): readonly UnderlayRoute[] {
  const known = new Map<string, UnderlayRoute | undefined>()
  for (const { network } of host.interfaces) known.set(network, undefined)
  for (let frontier = [...known.keys()]; frontier.length > 0;) {
    const next: string[] = []
    for (const near of frontier) {
      for (const router of routers.filter(({ name }) => name !== host.name)) {
        const port = router.interfaces.find(({ network }) => network === near)
        if (port === undefined) continue
        for (const { network } of router.interfaces) {
          if (known.has(network)) continue
          known.set(network, routeBy(host.interfaces, known.get(near), near, port, network))
          next.push(network)
        }
      }
    }
    frontier = next
  }
  return [...known.values()].filter((route) => route !== undefined)
}

/** The first hop towards `near`, or, where the host is in it, the router's own address there. */
function routeBy(
  own: readonly TopologyInterface[],
  towards: UnderlayRoute | undefined,
  near: string,
  port: TopologyInterface,
  network: string,
): UnderlayRoute {
  if (towards !== undefined) return { ...towards, network }
  const out = own.find((one) => one.network === near)!
  return { network, gateway: port.address.address, interface: out.name }
}
