import { ROUTE_PROTOCOL, ROUTE_TABLE, type RouteType } from '../kernel/kernel.ts'
import { type IpAddress } from '../net/ip-address.ts'
import { hostPrefix, type Prefix, prefix } from '../net/prefix.ts'
import type { Scene, SceneEnd, SceneNode } from './fault.ts'
import type { NamedHop, NamedRoute } from './named-route.ts'

/** A route of the main table as somebody types it: of protocol boot. */
export function typedRoute(destination: Prefix, hop: NamedHop | undefined): NamedRoute {
  return {
    destination,
    type: 'unicast',
    table: ROUTE_TABLE.main,
    protocol: ROUTE_PROTOCOL.boot,
    scope: 'global',
    // What the kernel gives to routes of IPv6 that name none.
    priority: destination.includes(':') ? 1024 : 0,
    nextHops: hop === undefined ? [] : [hop],
  }
}

/** A route of another type to one address. */
export function refusingRoute(type: RouteType, address: IpAddress): NamedRoute {
  return { ...typedRoute(hostPrefix(address), undefined), type }
}

export function everything({ family }: Scene): Prefix {
  return prefix(family === 4 ? '0.0.0.0/0' : '::/0')
}

/** A node's route to its own pod. */
export function routeToPod({ pod }: SceneEnd): NamedRoute {
  const route = typedRoute(hostPrefix(pod.address), { link: pod.hostLink })
  return pod.address.includes(':') ? route : { ...route, scope: 'link' }
}

/** A node's route to the block of a node in its subnet. */
export function blockRoute(from: SceneNode, to: SceneNode, gateway = to.address): NamedRoute {
  const route = typedRoute(to.block, { link: from.uplink, gateway })
  return { ...route, protocol: ROUTE_PROTOCOL.bird }
}

/** The route to everything that nobody has a better one for. */
export function defaultRoute(scene: Scene, from: SceneNode): NamedRoute {
  return typedRoute(everything(scene), { link: from.uplink, gateway: scene.network.router })
}
