import type { Kernel } from '../kernel/kernel.ts'
import { hostPrefix } from '../net/prefix.ts'
import type { Effect } from './effect.ts'
import { type NamedRoute, namedRoute } from './named-route.ts'

/** What a namespace loses with a link, as the effects that would make it. */
export interface Picture {
  readonly name: string
  readonly effects: readonly Effect[]
}

/** The addresses, routes and written neighbors of a namespace as they are now. */
export function pictureOf(name: string, kernel: Kernel): Picture {
  const links = new Map(kernel.links().map((link) => [link.index, link.name]))
  const addresses = kernel.addresses().map(({ linkIndex, ...address }): Effect => ({
    do: 'add-address',
    in: name,
    link: links.get(linkIndex)!,
    ...address,
  }))
  const own = new Set(kernel.addresses().map(({ address }) => String(hostPrefix(address))))
  const routes = kernel
    .routes()
    // The kernel makes those of addresses and links by itself.
    .filter(({ protocol, destination }) => protocol !== 2 && !own.has(destination))
    .map((route) => namedRoute(kernel, route))
  const written = kernel
    .neighbors()
    .filter(({ state }) => state === 'permanent')
    .map(({ linkIndex, address, macAddress }): Effect => ({
      do: 'neighbor',
      in: name,
      link: links.get(linkIndex)!,
      address,
      ...(macAddress === undefined ? {} : { mac: macAddress }),
    }))
  const rows = kernel
    .links()
    .filter(({ vxlan }) => vxlan !== undefined)
    .flatMap(({ index, name: link }) =>
      kernel.forwardingEntries(index).map(({ macAddress: mac, remoteAddress: remote }): Effect => ({
        do: 'forwarding',
        in: name,
        link,
        mac,
        remote,
      })),
    )
  const made = inOrder(routes).map((route): Effect => ({ do: 'add-route', in: name, route }))
  return { name, effects: [...addresses, ...written, ...rows, ...made] }
}

/** A gateway must be reachable before there can be a route by it. */
function inOrder(routes: readonly NamedRoute[]): NamedRoute[] {
  const isVia = ({ nextHops }: NamedRoute): boolean =>
    nextHops.some((hop) => hop.gateway !== undefined)
  return routes.toSorted((a, b) => Number(isVia(a)) - Number(isVia(b)))
}

/** What a picture has that is not there any more. */
export function lostOf({ name, effects }: Picture, kernel: Kernel): readonly Effect[] {
  const left = new Set(pictureOf(name, kernel).effects.map((effect) => JSON.stringify(effect)))
  return effects.filter((effect) => !left.has(JSON.stringify(effect)))
}
