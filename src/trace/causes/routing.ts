import type { IpAddress } from '../../net/ip-address.ts'
import { ROUTE_TABLE } from '../../kernel/kernel.ts'
import { errorText } from '../observe/observed-packet.ts'
import type { Steps } from '../predict/steps.ts'
import { lookUpRoute, routeText } from '../tables/route-lookup.ts'
import { cause, type Finding } from './cause.ts'
import { missingRoutes, neighborOfNode } from './missing-routes.ts'
import { firstView, gapOf } from './symptoms.ts'
import { command, ipOf, where } from './words.ts'

/** Causes in rules and routes. */

export const noRoute = cause<{
  readonly destination: IpAddress
  /** Routes that are missing, as `ip route` takes them. */
  readonly missing: readonly string[]
}>()({
  id: 'no-route',
  class: 'routing',
  detect: {
    route({ view, input, topology, decision, destination }) {
      if (decision !== undefined) return undefined
      const missing = missingRoutes(topology, view, destination)
      return { view, link: input?.name, facts: { destination, missing } }
    },
  },
  sentence: ({ destination }, place) => `${where(place)} has no route to ${destination}.`,
  evidence: ({ destination }, place) => [
    `no routing table of ${where(place)} contains ${destination}`,
  ],
  mend: ({ family, missing }) =>
    missing.map((route) => command(`${ipOf(family)} route replace ${route}`)),
  look: ({ family }, place) => [
    command(`${ipOf(family)} route show table all`),
    command(`tortie get node ${place.node} -o yaml`),
  ],
  counters: ['Ip.OutNoRoutes', 'IpExt.InNoRoutes', 'Ip6.InNoRoutes', 'Ip6.OutNoRoutes'],
  fault: 'no-route',
})

export const blackholeRoute = cause<{
  readonly destination: IpAddress
  readonly route: string
  readonly missing: readonly string[]
}>()({
  id: 'blackhole-route',
  class: 'routing',
  detect: {
    route({ view, topology, decision, destination }) {
      if (decision?.type !== 'blackhole') return undefined
      const missing = missingRoutes(topology, view, destination)
      return { view, facts: { destination, route: routeText(view, decision.route), missing } }
    },
  },
  sentence: ({ destination }, place) =>
    `${where(place)} discards packets to ${destination}: a blackhole route is the longest match.`,
  evidence: ({ route, destination }) => [
    `the longest match for ${destination} is "${route}"`,
    "a block's blackhole route catches its addresses that have no route of their own",
  ],
  mend: ({ family, missing }) =>
    missing.map((route) => command(`${ipOf(family)} route replace ${route}`)),
  look: ({ family, destination }) => [
    command('tortie get workloadendpoint -A'),
    command(`${ipOf(family)} route get ${destination}`),
  ],
  advice:
    'if a pod has the address, its route is missing, which its agent writes; if none has, nothing is wrong',
  fault: 'blackhole-route',
})

type RefusedRoute = {
  readonly destination: IpAddress
  /** As `ip route del` takes it. */
  readonly route: string
}

function refusedBy(
  type: 'unreachable' | 'prohibit',
  { view, decision, destination }: Steps['route'],
): Finding<RefusedRoute> | undefined {
  if (decision?.type !== type) return undefined
  const table = decision.table === ROUTE_TABLE.main ? '' : ` table ${decision.table}`
  return { view, facts: { destination, route: `${routeText(view, decision.route)}${table}` } }
}

export const unreachableRoute = cause<RefusedRoute>()({
  id: 'unreachable-route',
  class: 'routing',
  detect: { route: (step) => refusedBy('unreachable', step) },
  sentence: ({ destination }, place) =>
    `${where(place)} has a route of type unreachable for ${destination}.`,
  evidence: ({ route }) => [`the longest match is "${route}"`],
  mend: ({ family, route }) => [command(`${ipOf(family)} route del ${route}`)],
  counters: ['Icmp.OutDestUnreachs', 'Icmp6.OutDestUnreachs'],
  fault: 'unreachable-route',
})

export const prohibitRoute = cause<RefusedRoute>()({
  id: 'prohibit-route',
  class: 'routing',
  detect: { route: (step) => refusedBy('prohibit', step) },
  sentence: ({ destination }, place) =>
    `${where(place)} has a route of type prohibit for ${destination}.`,
  evidence: ({ route }) => [`the longest match is "${route}"`],
  mend: ({ family, route }) => [command(`${ipOf(family)} route del ${route}`)],
  counters: ['Icmp.OutDestUnreachs', 'Icmp6.OutDestUnreachs'],
  fault: 'prohibit-route',
})

export const kernelRefuses = cause<{
  readonly destination: IpAddress
  readonly code: string
  /** "from 10.211.0.6 iif ens33", as `ip route get` takes it. */
  readonly query: string
}>()({
  id: 'kernel-refuses',
  class: 'routing',
  detect: {
    route({ view, input, decision, answer, destination, source }) {
      if (decision?.type !== 'unicast' && decision?.type !== 'local') return undefined
      if (answer === undefined || 'route' in answer) return undefined
      const from = source === undefined ? '' : ` from ${source}`
      const query = input === undefined ? from : `${from} iif ${input.name}`
      return { view, link: input?.name, facts: { destination, code: answer.code, query } }
    },
    loss(symptoms) {
      const answer = symptoms.observation.probes.at(-1)
      const view = firstView(symptoms)
      const { leg, destination } = symptoms.leg.prediction
      if (leg !== 'forward' || view === undefined || answer === undefined) return undefined
      if (answer.sent || answer.code === 'EPERM') return undefined
      return { view, facts: { destination, code: answer.code, query: '' } }
    },
  },
  sentence: ({ destination, code }, place) =>
    `The kernel of ${where(place)} refuses to send to ${destination} (${code}), although its routing tables allow it.`,
  evidence: ({ code }) => [`the kernel answers ${code}`],
  look: ({ family, destination, query }) => [
    command(`${ipOf(family)} route get ${destination}${query}`),
    command(`${ipOf(family)} rule show`),
  ],
  advice: 'look for rules of type blackhole, unreachable or prohibit, and for broadcast routes',
  fault: 'kernel-refuses',
})

export const wrongNextHop = cause<{
  readonly destination: IpAddress
  readonly nextHop: IpAddress
  readonly nextNode: string
  readonly owner: string
  readonly route: string
  /** The same route by the right node; undefined where it has no address on a network of this one. */
  readonly right: string | undefined
}>()({
  id: 'wrong-next-hop',
  class: 'routing',
  detect: {
    handOver({ view, topology, request: { destination }, exit: { way, nextHop }, isInTunnel }) {
      const owner = topology.registeredPod(destination)?.node
      const nextNode = topology.registeredNode(nextHop)
      if (owner === undefined || nextNode === undefined || isInTunnel) return undefined
      if (nextNode === owner || nextNode === view.node) return undefined
      const next = topology.view(nextNode, 'host')
      // A node on the way may well pass it on.
      if (next === undefined || lookUpRoute(next, { destination })?.type === 'unicast') {
        return undefined
      }
      const { route, query } = way
      const near = neighborOfNode(topology, view, owner, query.destination.includes(':') ? 6 : 4)
      const right =
        near &&
        route.replace(`via ${nextHop} dev`, `via ${near.address} dev`).replace(/ onlink$/, '')
      return { view, facts: { destination, nextHop, nextNode, owner, route, right } }
    },
  },
  sentence: ({ destination, nextNode, owner }, place) =>
    `${where(place)} sends packets for ${destination} to ${nextNode}, but the pod is on ${owner}.`,
  evidence: ({ route, nextNode, destination }) => [
    `the longest match is "${route}"`,
    `${nextNode} has no route by which to pass on packets for ${destination}`,
  ],
  mend: ({ family, right }) =>
    right === undefined ? [] : [command(`${ipOf(family)} route replace ${right}`)],
  look: ({ family, destination }) => [
    command(`${ipOf(family)} route get ${destination}`),
    command('tortie get ipamblock'),
  ],
  fault: 'wrong-next-hop',
})

export const ttlExpired = cause<{
  readonly ttl: number
  /** The TTL that it set out with. */
  readonly initial: number
}>()({
  id: 'ttl-expired',
  class: 'routing',
  detect: {
    handOver: ({ view, link, ttl, request }) =>
      ttl > 1 ? undefined : { view, link: link.name, facts: { ttl, initial: request.ttl } },
  },
  sentence: (_, place) => `The packet's TTL runs out at ${where(place)}.`,
  evidence: ({ ttl, initial }) => [
    `it sets out with TTL ${initial} and arrives there with TTL ${ttl}`,
  ],
  advice:
    'send with a higher TTL (--ttl 64); if the answer is what expires, raise net.ipv4.ip_default_ttl (IPv6: hop_limit of the link) where it sets out',
  counters: ['Icmp.OutTimeExcds', 'Ip.InHdrErrors', 'Icmp6.OutTimeExcds', 'Ip6.InHdrErrors'],
  fault: 'ttl-expired',
})

export const loop = cause<{ readonly through: readonly string[] }>()({
  id: 'loop',
  class: 'routing',
  detect: {
    receive: ({ view, link, isAgain, through }) =>
      isAgain ? { view, link: link.name, facts: { through } } : undefined,
  },
  sentence: (_, place) =>
    `The packet is caught in a routing loop through ${where(place)} until its TTL runs out.`,
  evidence: ({ through }) => [`it comes in by ${through.join(' > ')}`],
  look: ({ family }) => [command(`${ipOf(family)} route show table all`)],
  advice: 'delete the routes that lead back, on each node that the packet comes through again',
  counters: ['Icmp.OutTimeExcds', 'Ip.InHdrErrors', 'Icmp6.OutTimeExcds', 'Ip6.InHdrErrors'],
  fault: 'loop',
})

export const otherWay = cause<{ readonly expected: string; readonly actual: string }>()({
  id: 'other-way',
  class: 'routing',
  detect: {
    loss({ leg, before }) {
      const { missing } = gapOf(leg)
      if (missing?.direction !== 'out') return undefined
      const stray = leg.hops.find(
        (hop) =>
          hop.predicted === undefined &&
          hop.direction === 'out' &&
          hop.node === missing.node &&
          hop.netns === missing.netns,
      )
      const view = before.view(missing.node, missing.netns)
      if (stray === undefined || view === undefined) return undefined
      const facts = { expected: missing.link, actual: stray.link }
      return { view, link: stray.link, facts }
    },
  },
  sentence: ({ expected, actual }, place) =>
    `${where(place)} sends the packet out by ${actual}, not by ${expected} as its routing tables say.`,
  evidence: ({ actual }) => [`it was seen leaving by ${actual}`],
  look: ({ family }) => [
    command(`${ipOf(family)} rule show`),
    command(`${ipOf(family)} route show table all`),
  ],
  fault: 'other-way',
})

export const icmpError = cause<{ readonly text: string; readonly sender: IpAddress }>()({
  id: 'icmp-error',
  class: 'routing',
  detect: {
    loss({ leg, before }) {
      const packet = leg.errors.find(({ error }) => error !== undefined)
      if (packet?.error === undefined) return undefined
      const { source: sender } = packet
      const view = before.holders(sender)[0]?.view ?? before.view(packet.node, packet.netns)
      const text = `${errorText(packet.error)} for ${leg.prediction.destination}`
      return view && { view, facts: { text, sender } }
    },
  },
  sentence: ({ text, sender }) => `${sender} rejects the packet: ${text}.`,
  evidence: ({ text, sender }) => [`an ICMP error "${text}" from ${sender} was seen`],
  advice: 'look at the routes and filters of the sender of that error',
  fault: 'icmp-error',
})
