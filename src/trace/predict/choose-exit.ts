import { familyOf, type IpAddress } from '../../net/ip-address.ts'
import { contains, prefixOf } from '../../net/prefix.ts'
import type { Link, NextHop, RouteQuery } from '../../kernel/kernel.ts'
import type { NamespaceView } from '../tables/namespace-view.ts'
import type { LookupAnswer } from '../../api/node-access.ts'
import type { Way } from './prediction.ts'
import { type RouteDecision, routeText } from '../tables/route-lookup.ts'
import { unknown } from './walk-end.ts'

/** A link that a packet is handed to, and the neighbor on it. */
export interface Exit {
  readonly link: Link
  readonly nextHop: IpAddress
  readonly way: Way
  readonly notes: readonly string[]
}

/** Of a route's ways out the one to follow: the kernel's, where it was asked, else the first that is up. */
export function chooseExit(
  view: NamespaceView,
  { route, table }: RouteDecision,
  query: RouteQuery,
  answer: Extract<LookupAnswer, { route: unknown }>['route'] | undefined,
): Exit {
  const fits = (hop: NextHop): boolean =>
    hop.linkIndex === answer?.linkIndex && hop.gateway === answer.gateway
  const live = route.nextHops.filter(({ linkIndex }) => view.link(linkIndex)?.up ?? true)
  const followed = route.nextHops.find(fits)
  const differs = answer !== undefined && answer.type === 'unicast' && followed === undefined
  const hop = differs ? answer : (followed ?? live[0] ?? route.nextHops[0])
  if (hop === undefined) throw unknown(`the route ${routeText(view, route)} has no next hop`)
  const text = routeText(view, route)
  const link = view.link(hop.linkIndex)
  // The tables are read one after the other: a link can come between.
  if (link === undefined) throw unknown(`the route ${text} leads to a link that was not read`)
  const nextHop = hop.gateway ?? query.destination
  const alternatives = route.nextHops
    .filter((other) => other.linkIndex !== hop.linkIndex || other.gateway !== hop.gateway)
    .map((other) => `${other.gateway ?? query.destination} dev ${view.linkName(other.linkIndex)}`)
  const kernel = answer === undefined ? 'not asked' : differs ? 'differs' : 'agrees'
  const way: Way = { route: text, table, nextHop, alternatives, kernel, query }
  return { link, nextHop, way, notes: exitNotes(way, link) }
}

function exitNotes({ kernel, alternatives }: Way, link: Link): readonly string[] {
  return [
    ...(kernel === 'differs'
      ? [
          `the kernel's own lookup gives ${link.name}, the tables another way; the kernel is followed`,
        ]
      : []),
    ...(alternatives.length > 0
      ? [`one of ${alternatives.length + 1} ways of equal cost; also ${alternatives.join(', ')}`]
      : []),
  ]
}

/** The address that a node's own packet gets: the kernel's choice, else the one in the gateway's network. */
export function sourceToward(
  view: NamespaceView,
  exit: Exit,
  answer: LookupAnswer | undefined,
): IpAddress | undefined {
  const chosen =
    answer !== undefined && 'route' in answer ? answer.route.preferredSource : undefined
  if (chosen !== undefined) return chosen
  const own = view.snapshot.addresses.filter(
    (each) =>
      each.linkIndex === exit.link.index && familyOf(each.address) === familyOf(exit.nextHop),
  )
  const near = own.find((each) => contains(prefixOf(each.address, each.prefixLength), exit.nextHop))
  return (near ?? own.find(({ scope }) => scope === 'global'))?.address
}
