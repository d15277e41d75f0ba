import type { IpAddress } from '../../net/ip-address.ts'
import type { Steps } from '../predict/steps.ts'
import { lookUpRoute, routeText } from '../tables/route-lookup.ts'
import type { NamespaceView } from '../tables/namespace-view.ts'
import type { TracedCluster } from '../tables/topology.ts'
import { cause, type Finding } from './cause.ts'
import { silentView } from './symptoms.ts'
import { command, hostLength, ipOf, where, sysctlCommand } from './words.ts'

/** Causes at the ends: pods, their addresses, and who else has them. */

type WrongPod = {
  readonly pod: string
  readonly destination: IpAddress
  /** The node's route to that pod, as `ip route del` takes it; undefined if it is not the tables'. */
  readonly route: string | undefined
}

export const wrongPod = cause<WrongPod>()({
  id: 'wrong-pod',
  class: 'routing',
  detect: {
    resolve({ topology, view, address, far }) {
      const isAsked = far !== undefined && far.view.netns !== 'host' && view.netns === 'host'
      return isAsked ? handedTo(topology, far.view, address) : undefined
    },
    forward: ({ topology, view, request }) =>
      view.netns === 'host' ? undefined : handedTo(topology, view, request.destination),
  },
  sentence: ({ pod, destination }, { node }) =>
    `${node} forwards packets for ${destination} to ${pod}, which is another pod.`,
  evidence: ({ pod, destination, route }) => [
    `${pod} does not have the address ${destination}`,
    ...(route === undefined ? [] : [`the longest match is "${route}"`]),
  ],
  mend: ({ family, route }) =>
    route === undefined ? [] : [command(`${ipOf(family)} route del ${route}`)],
  look: ({ family, destination }) => [command(`${ipOf(family)} route get ${destination}`)],
  fault: 'wrong-pod',
})

/** A pod that is handed a packet for an address that is neither its own nor registered as its. */
function handedTo(
  topology: TracedCluster,
  pod: NamespaceView,
  destination: IpAddress,
): Finding<WrongPod> | undefined {
  if (topology.registeredPod(destination)?.pod === pod.netns) return undefined
  if (pod.holding(destination) !== undefined) return undefined
  const host = topology.view(pod.node, 'host')
  const link = topology.attachment(pod.node, pod.netns)?.hostInterface
  const decision = host && lookUpRoute(host, { destination })
  const leadsThere = decision?.route.nextHops.some(
    ({ linkIndex }) => linkIndex === host?.linkNamed(link ?? '')?.index,
  )
  const route = leadsThere === true ? routeText(host!, decision!.route) : undefined
  return { view: host ?? pod, link, facts: { pod: pod.netns, destination, route } }
}

type AddressMissing = {
  /** A pod, or a node. */
  readonly owner: string
  readonly address: IpAddress
  /** The link that should have it; undefined where that is not known. */
  readonly link: string | undefined
}

export const addressMissing = cause<AddressMissing>()({
  id: 'address-missing',
  class: 'endpoint',
  detect: {
    start({ topology, view, request: { source } }) {
      return view.holding(source) === undefined ? without(topology, view, source) : undefined
    },
    resolve({ topology, view, address, far }) {
      const isAsked = far !== undefined && far.view.netns !== 'host' && view.netns === 'host'
      return isAsked ? missingOn(topology, far.view, address) : undefined
    },
    forward: ({ topology, view, request }) =>
      view.netns === 'host' ? undefined : missingOn(topology, view, request.destination),
  },
  sentence: ({ owner, address }) =>
    `${owner} does not have the address ${address} that the datastore gives it.`,
  evidence: ({ address }, place) => [`${address} is on no interface of ${where(place)}`],
  mend: ({ family, address, link }) =>
    link === undefined
      ? []
      : [command(`${ipOf(family)} address add ${address}/${hostLength(family)} dev ${link}`)],
  look: ({ family }) => [command(`${ipOf(family)} address show`)],
  advice: 'if the datastore is what is wrong, correct it there',
  fault: 'address-missing',
})

function missingOn(
  topology: TracedCluster,
  pod: NamespaceView,
  address: IpAddress,
): Finding<AddressMissing> | undefined {
  const isIts = topology.registeredPod(address)?.pod === pod.netns
  return isIts && pod.holding(address) === undefined ? without(topology, pod, address) : undefined
}

function without(
  topology: TracedCluster,
  view: NamespaceView,
  address: IpAddress,
): Finding<AddressMissing> {
  const isNode = view.netns === 'host'
  const link = isNode ? undefined : topology.attachment(view.node, view.netns)?.containerInterface
  return { view, link, facts: { owner: isNode ? view.node : view.netns, address, link } }
}

export const wrongHolder = cause<{
  readonly address: IpAddress
  readonly expected: string
  readonly holder: string
  /** As `ip address del` takes it; undefined where it is no address but a route of type local. */
  readonly holding: string | undefined
}>()({
  id: 'wrong-holder',
  class: 'routing',
  detect: {
    deliver({ view, request: { end, destination } }: Steps['deliver']) {
      if (end === undefined || (end.node === view.node && end.netns === view.netns)) {
        return undefined
      }
      const held = view.holding(destination)
      const holding =
        held && `${held.address}/${held.prefixLength} dev ${view.linkName(held.linkIndex)}`
      const facts = { address: destination, expected: where(end), holder: where(view), holding }
      return { view, link: held && view.linkName(held.linkIndex), facts }
    },
  },
  sentence: ({ address, expected, holder }) =>
    `${holder} accepts packets for ${address} as its own; they are for ${expected}.`,
  evidence: ({ address, holder, holding }) => [
    holding === undefined ? `${address} is local to ${holder}` : `${holder} has ${holding}`,
  ],
  mend: ({ family, holding }) =>
    holding === undefined ? [] : [command(`${ipOf(family)} address del ${holding}`)],
  look: ({ family, address }) => [command(`${ipOf(family)} address show to ${address}`)],
  fault: 'wrong-holder',
})

export const podNotRunning = cause<{ readonly pod: string }>()({
  id: 'pod-not-running',
  class: 'endpoint',
  detect: {
    loss({ end, before }) {
      if (end.kind !== 'pod' || before.node(end.node) === undefined) return undefined
      const view = before.view(end.node, 'host')
      if (view === undefined || before.attachment(end.node, end.pod) !== undefined) return undefined
      return { view, facts: { pod: end.pod }, confidence: 'certain' }
    },
  },
  sentence: ({ pod }, { node }) => `${pod} is not running on ${node}.`,
  evidence: ({ pod }, { node }) => [
    `the datastore has ${pod} on ${node}; the node does not have it`,
  ],
  look: ({ pod }) => [
    command(`tortie get workloadendpoint -n ${pod.slice(0, pod.indexOf('/'))} -o wide`),
  ],
  advice: 'its WorkloadEndpoint is left over: deleting the pod removes it',
  fault: 'pod-not-running',
})

export const podLinkMissing = cause<{ readonly pod: string; readonly link: string }>()({
  id: 'pod-link-missing',
  class: 'endpoint',
  detect: {
    loss({ leg, before }) {
      for (const address of [leg.prediction.source, leg.prediction.destination]) {
        const endpoint = before.registeredPod(address)
        const view = endpoint && before.view(endpoint.node, 'host')
        const link = endpoint && before.attachment(endpoint.node, endpoint.pod)?.hostInterface
        if (view === undefined || link === undefined || view.linkNamed(link) !== undefined) continue
        return { view, link, facts: { pod: endpoint!.pod, link }, confidence: 'certain' }
      }
      return undefined
    },
  },
  sentence: ({ pod, link }, { node }) =>
    `The link between ${pod} and ${node} is gone: there is no ${link}.`,
  evidence: ({ pod, link }, { node }) => [
    `${node} attached ${pod} by ${link}; when either end of a pair is deleted, both are`,
  ],
  look: () => [command('ip link show type veth')],
  advice: 'have the container runtime create the pod again: nothing else can restore its network',
  fault: 'pod-link-missing',
})

export const echoIgnored = cause<{ readonly setting: string }>()({
  id: 'echo-ignored',
  class: 'endpoint',
  detect: {
    loss(symptoms) {
      const view = silentView(symptoms)
      const isIpv6 = symptoms.leg.prediction.source.includes(':')
      const setting = isIpv6 ? 'ipv6.icmp.echo_ignore_all' : 'ipv4.icmp_echo_ignore_all'
      if (view?.sysctl(setting) !== 1) return undefined
      return { view, facts: { setting: `net.${setting}` }, confidence: 'certain' }
    },
  },
  sentence: (_, place) => `${where(place)} ignores pings.`,
  evidence: ({ setting }) => [`${setting} = 1`],
  mend: ({ setting }) => [sysctlCommand(setting, 0)],
  fault: 'echo-ignored',
})

export const noAnswer = cause<{ readonly pod: string }>()({
  id: 'no-answer',
  class: 'endpoint',
  detect: {
    loss(symptoms) {
      const view = silentView(symptoms)
      if (view === undefined) return undefined
      const pod = view.netns === 'host' ? view.node : view.netns
      return { view, facts: { pod }, confidence: 'possible' }
    },
  },
  sentence: ({ pod }) => `The packet arrives at ${pod}, which does not answer.`,
  evidence: () => ['nothing in its tables prevents an answer'],
  look: () => [command('nft list ruleset'), command('iptables-save -c')],
  fault: 'no-answer',
})
