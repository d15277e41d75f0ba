import { type Kernel, KernelError, type NextHop, type Route } from '../kernel/kernel.ts'

/** A route whose links are called by name: an index is another one after a link was created again. */
export type NamedRoute = Omit<Route, 'nextHops'> & { readonly nextHops: readonly NamedHop[] }

export type NamedHop = Omit<NextHop, 'linkIndex'> & { readonly link: string }

export function namedRoute(kernel: Kernel, route: Route): NamedRoute {
  const names = new Map(kernel.links().map(({ index, name }) => [index, name]))
  const nextHops = route.nextHops.map(({ linkIndex, ...hop }) => ({
    ...hop,
    link: names.get(linkIndex) ?? `if${linkIndex}`,
  }))
  return { ...route, nextHops }
}

/** Errors: KernelError ENODEV for a link that is not there. */
export function indexedRoute(kernel: Kernel, route: NamedRoute): Route {
  const nextHops = route.nextHops.map(({ link, ...hop }) => ({
    ...hop,
    linkIndex: indexOf(kernel, link),
  }))
  return { ...route, nextHops }
}

/** Errors: KernelError ENODEV. */
export function indexOf(kernel: Kernel, name: string): number {
  const link = kernel.link(name)
  if (link === undefined) throw new KernelError('ENODEV', `${kernel.name} has no link ${name}`)
  return link.index
}
