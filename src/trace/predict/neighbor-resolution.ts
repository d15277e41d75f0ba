import { familyOf, type IpAddress } from '../../net/ip-address.ts'
import type { Link } from '../../kernel/kernel.ts'
import type { Fault } from '../diagnose/cause.ts'
import type { NamespaceView } from '../tables/namespace-view.ts'
import { placeOf } from '../diagnose/place.ts'
import { lookUpRoute } from '../tables/route-lookup.ts'

/** The far end of a link that would have to answer for an address. */
export interface FarEnd {
  readonly view: NamespaceView
  readonly link: Link
}

/**
 * Why `address` cannot be turned into a MAC address on `link`, or undefined if it can: by the entry
 * that is there, or because the far end answers for it, being its holder or by proxy ARP.
 */
export function neighborFault(
  view: NamespaceView,
  link: Link,
  address: IpAddress,
  far: FarEnd | undefined,
): Fault | undefined {
  if (link.macAddress === undefined) return undefined
  const entry = view.neighbor(link.index, address)
  if (entry?.macAddress !== undefined && entry.state !== 'failed' && entry.state !== 'incomplete') {
    const actual = far?.link.macAddress
    if (actual === undefined || actual === entry.macAddress) return undefined
    return {
      cause: 'neighbor-wrong-mac',
      place: placeOf(view, link.name),
      facts: { link: link.name, address, mac: entry.macAddress, actual },
    }
  }
  if (far !== undefined) return answerFault(far, view, link, address)
  if (entry?.state !== 'failed') return undefined
  return {
    cause: 'neighbor-failed',
    place: placeOf(view, link.name),
    facts: { link: link.name, address, state: entry.state },
  }
}

/**
 * Why the far end does not answer a question for `address`, as arp_process in net/ipv4/arp.c: it holds
 * the address; or it forwards, has proxy_arp, and would send a packet for the address out of another link.
 */
function answerFault(
  far: FarEnd,
  asker: NamespaceView,
  askerLink: Link,
  address: IpAddress,
): Fault | undefined {
  const { view, link } = far
  if (lookUpRoute(view, { destination: address, inputLink: link.name })?.type === 'local') {
    return undefined
  }
  const family = familyOf(address) === 4 ? 'ipv4' : 'ipv6'
  const place = placeOf(view, link.name)
  const facts = { link: link.name, address }
  if (view.netns !== 'host') {
    return { cause: 'address-missing', place, facts: { pod: view.netns, address } }
  }
  if (asker.netns === 'host') {
    // From node to node only the holder answers.
    return {
      cause: 'neighbor-failed',
      place: placeOf(asker, askerLink.name),
      facts: { link: askerLink.name, address, state: 'unanswered' },
    }
  }
  const proxies = family === 'ipv4' ? 'proxy_arp' : 'proxy_ndp'
  if (view.largerSetting(family, link.name, proxies) === 0) {
    return { cause: 'proxy-arp-off', place, facts }
  }
  if (view.setting(family, link.name, 'forwarding') === 0) {
    return { cause: 'proxy-arp-no-forwarding', place, facts }
  }
  const way = lookUpRoute(view, { destination: address, inputLink: link.name })
  const leavesElsewhere =
    way?.type === 'unicast' && way.route.nextHops.some((hop) => hop.linkIndex !== link.index)
  return leavesElsewhere ? undefined : { cause: 'proxy-arp-no-route', place, facts }
}
