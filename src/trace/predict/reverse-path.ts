import { familyOf, type IpAddress } from '../../net/ip-address.ts'
import type { Link } from '../../kernel/kernel.ts'
import type { Fault } from '../diagnose/cause.ts'
import type { NamespaceView } from '../tables/namespace-view.ts'
import { placeOf } from '../diagnose/place.ts'
import { lookUpRoute, routeText } from '../tables/route-lookup.ts'

/**
 * Whether a packet from `source` may come in by `link`, as __fib_validate_source in
 * net/ipv4/fib_frontend.c: never from an own address; with rp_filter 1 only by the link that the route
 * back leaves by, with 2 if there is any route back. IPv6 has no such check in the kernel itself.
 */
export function reversePathFault(
  view: NamespaceView,
  link: Link,
  source: IpAddress,
  destination: IpAddress,
): Fault | undefined {
  if (familyOf(source) === 6) return undefined
  const place = placeOf(view, link.name)
  const back = lookUpRoute(view, { destination: source, source: destination })
  if (back?.type === 'local') {
    return { cause: 'martian-source', place, facts: { link: link.name, source } }
  }
  const value = view.largerSetting('ipv4', link.name, 'rp_filter') ?? 0
  if (value === 0) return undefined
  const isUnicast = back?.type === 'unicast'
  const leavesHere =
    isUnicast && back.route.nextHops.some(({ linkIndex }) => linkIndex === link.index)
  if (leavesHere || (value === 2 && isUnicast)) return undefined
  return {
    cause: 'rp-filter',
    place,
    facts: {
      link: link.name,
      source,
      value,
      back: back === undefined ? undefined : routeText(view, back.route),
      setting: view.setting('ipv4', 'all', 'rp_filter') === value ? 'all' : link.name,
    },
  }
}
