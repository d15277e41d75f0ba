import { familyOf } from '../../net/ip-address.ts'
import { isWired } from '../tables/link-facts.ts'
import type { FarEnd, Topology } from '../tables/topology.ts'
import { cause, type Finding } from './cause.ts'
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
  mend: ({ family, link, addresses, routes }) => [
    command(`ip link set ${link} up`),
    ...addresses.map((address) => command(`${ipOf(family)} address replace ${address}`)),
    ...routes.map((route) => command(`${ipOf(family)} route replace ${route}`)),
  ],
  fault: 'link-down',
})

function hasNoCarrier({ link }: FarEnd): boolean {
  return link.up && !link.carrier && isWired(link)
}

function downed(topology: Topology, { view, link }: FarEnd): Finding<LinkDown> {
  const none = { addresses: [], routes: [] }
  return {
    view,
    link: link.name,
    facts: { link: link.name, ...none, ...lost(topology, view, link) },
  }
}

/** What goes with a pod's link in the family of the pod's addresses; see {@link podLinkDown}. */
function lost(topology: Topology, view: FarEnd['view'], link: FarEnd['link']) {
  const peer = topology.peer(view, link)
  if (peer === undefined) return {}
  const pod = view.netns === 'host' ? peer.view.netns : view.netns
  const endpoint = topology.registeredEndpoint(pod)
  if (endpoint === undefined) return {}
  const routes =
    view.netns === 'host'
      ? endpoint.addresses.flatMap((address) => ownPodRoute(topology, view, address))
      : [...new Set(endpoint.addresses.map(familyOf))].flatMap((family) =>
          podRoutes(topology, view, family),
        )
  // The kernel takes IPv6 addresses from a link that goes down (keep_addr_on_down).
  const addresses =
    view.netns === 'host'
      ? []
      : endpoint.addresses
          .filter((address) => familyOf(address) === 6)
          .map((address) => `${address}/${hostLength(6)} dev ${link.name}`)
  return { routes, addresses }
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

export const linkMissing = cause<{
  readonly link: string
  /** What the link at the other end of the pair is called instead; undefined if there is none. */
  readonly actual: string | undefined
}>()({
  id: 'link-missing',
  class: 'host',
  detect: {
    start: ({ topology, view }) => renamed(topology, view),
    cross: ({ topology, view }) => renamed(topology, view),
    resolve: ({ topology, view, link }) => {
      const pod = view.netns === 'host' ? topology.podBehind(view.node, link.name) : undefined
      const there = pod && topology.viewOfPod(view.node, pod.pod)
      return there && renamed(topology, there)
    },
  },
  sentence: ({ link, actual }, place) =>
    actual === undefined
      ? `${where(place)} has no interface ${link}.`
      : `The interface ${link} of ${where(place)} is called ${actual}.`,
  evidence: ({ link }, place) => [`${where(place)} was attached with an interface ${link}`],
  mend: ({ link, actual }) =>
    actual === undefined
      ? []
      : [
          command(`ip link set ${actual} down`),
          command(`ip link set ${actual} name ${link}`),
          command(`ip link set ${link} up`),
        ],
  look: () => [command('ip link show')],
  advice: 'if it is not there at all, have the container runtime create the pod again',
  fault: 'link-missing',
})

/** A pod whose interface is not called what it was attached with. */
function renamed(
  topology: Topology,
  view: FarEnd['view'],
): Finding<{ readonly link: string; readonly actual: string | undefined }> | undefined {
  const pod = view.netns === 'host' ? undefined : topology.attachment(view.node, view.netns)
  if (pod === undefined || view.linkNamed(pod.containerInterface) !== undefined) return undefined
  const link = pod.containerInterface
  const host = topology.view(view.node, 'host')?.linkNamed(pod.hostInterface)
  if (host === undefined) return undefined
  const actual = view.snapshot.links.find((each) => each.peerIndex === host.index)?.name
  return { view, link, facts: { link, actual } }
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
