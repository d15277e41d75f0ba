import { familyOf } from '../../net/ip-address.ts'
import { isWired } from '../tables/link-facts.ts'
import type { NamespaceView } from '../tables/namespace-view.ts'
import type { FarEnd, TracedCluster } from '../tables/topology.ts'
import { cause, type Command, type Finding, type Told } from './cause.ts'
import { ownPodRoute, podRoutes } from './missing-routes.ts'
import type { Symptoms } from './symptoms.ts'
import { command, hostLength, ipOf, where } from './words.ts'

/** Causes in links: down, gone, too small. */

type LinkDown = {
  readonly link: string
  /** Addresses and routes that a pod's link loses when it is down, as `ip` takes them. */
  readonly addresses: readonly string[]
  readonly routes: readonly string[]
}

export const linkDown = cause<LinkDown>()({
  id: 'link-down',
  class: 'host',
  detect: {
    leave({ topology, view, link, peer }) {
      if (!link.up) return downed(topology, { view, link })
      return hasNoCarrier({ view, link }) && peer?.link.up === false
        ? downed(topology, peer)
        : undefined
    },
    arrive({ topology, view, link, peer }) {
      if (!link.up) return downed(topology, { view, link })
      return hasNoCarrier({ view, link }) && peer?.link.up === false
        ? downed(topology, peer)
        : undefined
    },
    loss: podLinkDown,
  },
  sentence: ({ link }, place) => `${link} of ${where(place)} is down.`,
  evidence: ({ link }) => [`${link} is not UP`],
  mend: liftingCommands,
  fault: 'link-down',
})

/** Sets a link up and gives back what it has lost. */
function liftingCommands({ family, link, addresses, routes }: Told<LinkDown>): readonly Command[] {
  return [
    command(`ip link set ${link} up`),
    ...addresses.map((address) => command(`${ipOf(family)} address replace ${address}`)),
    ...routes.map((route) => command(`${ipOf(family)} route replace ${route}`)),
  ]
}

function hasNoCarrier({ link }: FarEnd): boolean {
  return link.up && !link.carrier && isWired(link)
}

function downed(topology: TracedCluster, { view, link }: FarEnd): Finding<LinkDown> {
  return { view, link: link.name, facts: { link: link.name, ...lost(topology, view, link.name) } }
}

/** What a pod's link loses when it goes down: see {@link podLinkDown}. */
function lost(topology: TracedCluster, view: NamespaceView, link: string) {
  const isHost = view.netns === 'host'
  const pod = isHost ? topology.podBehind(view.node, link)?.pod : view.netns
  const endpoint = pod === undefined ? undefined : topology.registeredEndpoint(pod)
  const own = endpoint?.addresses ?? []
  if (isHost) {
    return { addresses: [], routes: own.flatMap((address) => ownPodRoute(topology, view, address)) }
  }
  // The kernel takes IPv6 addresses from a link that goes down (keep_addr_on_down).
  const addresses = own
    .filter((address) => familyOf(address) === 6)
    .map((address) => `${address}/${hostLength(6)} dev ${link}`)
  const families = [...new Set(own.map(familyOf))]
  return { addresses, routes: families.flatMap((family) => podRoutes(topology, view, family)) }
}

/**
 * Either end of a pod's link is down: the kernel takes the routes by it away, so that the tables show
 * their absence and not its cause.
 */
function podLinkDown({ leg, before }: Symptoms): Finding<LinkDown> | undefined {
  for (const address of [leg.prediction.source, leg.prediction.destination]) {
    const endpoint = before.registeredPod(address)
    const attachment = endpoint && before.attachment(endpoint.node, endpoint.pod)
    const host = endpoint && before.view(endpoint.node, 'host')
    const link = attachment && host?.linkNamed(attachment.hostInterface)
    if (host === undefined || link === undefined) continue
    const peer = before.peer(host, link)
    const down = [{ view: host, link }, ...(peer === undefined ? [] : [peer])].find(
      (end) => !end.link.up,
    )
    if (down !== undefined) return { ...downed(before, down), confidence: 'certain' }
  }
  return undefined
}

export const noCarrier = cause<{ readonly link: string }>()({
  id: 'no-carrier',
  class: 'underlay',
  detect: {
    leave: ({ view, link, peer }) =>
      hasNoCarrier({ view, link }) && peer?.link.up !== false
        ? { view, link: link.name, facts: { link: link.name } }
        : undefined,
    arrive: ({ view, link, peer }) =>
      hasNoCarrier({ view, link }) && peer?.link.up !== false
        ? { view, link: link.name, facts: { link: link.name } }
        : undefined,
  },
  sentence: ({ link }, place) => `${link} of ${where(place)} has no carrier.`,
  evidence: ({ link }) => [`${link} is UP but not LOWER_UP`],
  look: ({ link }) => [command(`ip link show ${link}`)],
  advice: 'its other end is down or unplugged: look at the cable and the port of the switch',
  fault: 'no-carrier',
})

type LinkMissing = LinkDown & {
  /** What the link at the other end of the pair is called instead; undefined if there is none. */
  readonly actual: string | undefined
}

export const linkMissing = cause<LinkMissing>()({
  id: 'link-missing',
  class: 'host',
  detect: {
    leave: ({ topology, view, peer }) =>
      renamed(topology, view.netns === 'host' ? peer : undefined),
    arrive: ({ topology, view, link }) => renamed(topology, { view, link }),
    cross({ topology, view, pod: { containerInterface: link } }) {
      if (view.linkNamed(link) !== undefined) return undefined
      const facts = { link, actual: undefined, ...lost(topology, view, link) }
      return { view, link, facts }
    },
  },
  sentence: ({ link, actual }, place) =>
    actual === undefined
      ? `${where(place)} has no interface ${link}.`
      : `The interface ${link} of ${where(place)} is called ${actual}, and is down.`,
  evidence: ({ link }, place) => [`${where(place)} was attached with an interface ${link}`],
  mend: ({ family, link, actual, addresses, routes }) =>
    actual === undefined
      ? []
      : [
          command(`ip link set ${actual} name ${link}`),
          ...liftingCommands({ family, link, addresses, routes }),
        ],
  look: () => [command('ip link show')],
  advice: 'if it is not there at all, have the container runtime create the pod again',
  fault: 'link-missing',
})

/** A pod's end that is down and not called what it was attached with. */
function renamed(
  topology: TracedCluster,
  end: FarEnd | undefined,
): Finding<LinkMissing> | undefined {
  if (end === undefined || end.view.netns === 'host' || end.link.up) return undefined
  const { view, link } = end
  const attached = topology.attachment(view.node, view.netns)?.containerInterface
  if (attached === undefined || attached === link.name) return undefined
  if (view.linkNamed(attached) !== undefined) return undefined
  const facts = { link: attached, actual: link.name, ...lost(topology, view, attached) }
  return { view, link: link.name, facts }
}

export const mtuExceeded = cause<{
  readonly link: string
  readonly mtu: number
  readonly octets: number
  /** Octets of outer headers among them. */
  readonly outerOctets: number
}>()({
  id: 'mtu-exceeded',
  class: 'size',
  detect: {
    leave({ view, link, octets, outerOctets, isWhole }) {
      if (octets <= link.mtu || !isWhole) return undefined
      const facts = { link: link.name, mtu: link.mtu, octets, outerOctets }
      return { view, link: link.name, facts }
    },
  },
  sentence: ({ link, mtu, octets }, place) =>
    `A packet of ${octets} octets does not fit ${link} of ${where(place)}, whose MTU is ${mtu}.`,
  evidence: ({ link, mtu, octets, outerOctets }) => [
    `${octets} octets${outerOctets === 0 ? '' : `, the outer header of ${outerOctets} included,`} against mtu ${mtu} of ${link}`,
  ],
  mend: ({ link, octets }) => [command(`ip link set ${link} mtu ${octets}`)],
  advice: 'or give the pods a smaller MTU, so that nothing larger is sent',
  counters: ['Ip.FragFails', 'Icmp.OutDestUnreachs', 'Ip6.InTooBigErrors', 'Icmp6.OutPktTooBigs'],
  fault: 'mtu-exceeded',
})
