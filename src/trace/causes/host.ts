import type { IpAddress } from '../../net/ip-address.ts'
import type { RouteType } from '../../kernel/kernel.ts'
import { routeText } from '../tables/route-lookup.ts'
import { cause } from './cause.ts'
import { lossWithin } from './symptoms.ts'
import { command, ipOf, linkSetting, where, sysctlCommand } from './words.ts'

/** Causes in the settings of a host that forwards. */

export const forwardingOff = cause<{
  readonly link: string
  /** Of the node as a whole; else of the link only, which IPv4 alone has. */
  readonly everywhere: boolean
}>()({
  id: 'forwarding-off',
  class: 'host',
  detect: {
    forward({ view, link, family }) {
      if (view.netns !== 'host') return undefined
      // ip6_forward asks for "all" alone (net/ipv6/ip6_output.c), ip_route_input_slow for the link.
      const everywhere = view.setting(`ipv${family}`, 'all', 'forwarding') === 0
      const isOff = family === 6 ? everywhere : view.setting('ipv4', link.name, 'forwarding') === 0
      return isOff ? { view, link: link.name, facts: { link: link.name, everywhere } } : undefined
    },
  },
  sentence: ({ family, link, everywhere }, place) =>
    everywhere
      ? `${where(place)} does not forward: ${forwardingSetting(family, undefined)} is 0.`
      : `${where(place)} does not forward what comes in by ${link}.`,
  evidence: ({ family, link, everywhere }) => [
    `${forwardingSetting(family, everywhere ? undefined : link)} = 0`,
  ],
  mend: ({ family, link, everywhere }) => [
    sysctlCommand(forwardingSetting(family, everywhere ? undefined : link), 1),
  ],
  counters: ['Ip.InAddrErrors', 'Ip6.InAddrErrors'],
  fault: 'forwarding-off',
})

/** The setting by which a link, or a whole node, forwards. */
export function forwardingSetting(family: 4 | 6, link: string | undefined): string {
  if (link !== undefined) return linkSetting(family, link, 'forwarding')
  return family === 4 ? 'net.ipv4.ip_forward' : 'net.ipv6.conf.all.forwarding'
}

/**
 * Whether a packet may come in by a link, as __fib_validate_source in net/ipv4/fib_frontend.c: with
 * rp_filter 1 only by the link that the route back leaves by, with 2 if there is any route back. IPv6
 * has no such check in the kernel itself.
 */
export const rpFilter = cause<{
  readonly link: string
  readonly source: IpAddress
  readonly value: number
  /** The route back, as text; undefined if there is none or it was not looked for. */
  readonly back: string | undefined
  /** Which setting decides: "all" or the link. */
  readonly setting: string
}>()({
  id: 'rp-filter',
  class: 'host',
  detect: {
    receive({ view, link, family, source, back }) {
      const value = view.largerSetting('ipv4', link.name, 'rp_filter') ?? 0
      if (family === 6 || value === 0 || isNoHost(back?.type)) return undefined
      const isUnicast = back?.type === 'unicast'
      const leavesHere =
        isUnicast && back.route.nextHops.some(({ linkIndex }) => linkIndex === link.index)
      if (leavesHere || (value === 2 && isUnicast)) return undefined
      const text = back === undefined ? undefined : routeText(view, back.route)
      const setting = view.setting('ipv4', 'all', 'rp_filter') === value ? 'all' : link.name
      const facts = { link: link.name, source, value, back: text, setting }
      return { view, link: link.name, facts }
    },
    loss(symptoms) {
      const loss = lossWithin(symptoms)
      if (loss?.last.direction !== 'in') return undefined
      const { last, view, moved } = loss
      if (!moved.some(({ name }) => name === REVERSE_PATH_COUNTER)) return undefined
      const value = view.largerSetting('ipv4', last.link, 'rp_filter') ?? 1
      const { source } = symptoms.leg.prediction
      const facts = { link: last.link, source, value, back: undefined, setting: last.link }
      return { view, link: last.link, facts }
    },
  },
  sentence: ({ link, source }, place) =>
    `Reverse path filtering on ${where(place)} drops packets from ${source} that come in by ${link}.`,
  evidence: ({ link, source, value, back, setting }) => [
    `${linkSetting(4, setting, 'rp_filter')} = ${value} (${value === 2 ? 'loose' : 'strict'})`,
    back === undefined ? `no route back to ${source}` : `the route back to ${source} is "${back}"`,
    ...(value === 1 && back !== undefined ? [`which does not leave by ${link}`] : []),
  ],
  mend: ({ setting, back }) =>
    back === undefined
      ? []
      : [sysctlCommand(linkSetting(4, setting, 'rp_filter'), setting === 'all' ? 0 : 2)],
  look: ({ source }) => [command(`ip route get ${source}`), command('ip route show table all')],
  counters: ['TcpExt.IPReversePathFilter'],
  fault: 'rp-filter',
})

const REVERSE_PATH_COUNTER = 'TcpExt.IPReversePathFilter'

/** A source that has a route of such a type is refused before its reverse path is looked at. */
function isNoHost(type: RouteType | undefined): boolean {
  return type !== undefined && ['local', 'broadcast', 'multicast', 'anycast'].includes(type)
}

export const martianSource = cause<{
  readonly link: string
  readonly source: IpAddress
  /** Where the address is, as `ip address del` takes it; undefined where it was not found. */
  readonly holding: string | undefined
}>()({
  id: 'martian-source',
  class: 'host',
  detect: {
    receive({ view, link, family, source, back }) {
      if (family === 6 || back?.type !== 'local') return undefined
      const held = view.holding(source)
      const holding =
        held && `${held.address}/${held.prefixLength} dev ${view.linkName(held.linkIndex)}`
      return { view, link: link.name, facts: { link: link.name, source, holding } }
    },
  },
  sentence: ({ link, source }, place) =>
    `${where(place)} drops packets from ${source} that come in by ${link}: the address is one of its own.`,
  evidence: ({ source, holding }, place) => [
    holding === undefined
      ? `${source} is a local address of ${where(place)}`
      : `${where(place)} has ${holding}`,
  ],
  mend: ({ holding }) => (holding === undefined ? [] : [command(`ip address del ${holding}`)]),
  look: ({ source, family }) => [command(`${ipOf(family)} address show to ${source}`)],
  fault: 'martian-source',
})
