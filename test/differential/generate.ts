import { SeededRandom } from '../../src/lib/random.ts'
import type { Cable, End, Probe, Scenario, ScenarioNode, Step, StepRoute } from './scenario.ts'

/** Sysctls of IPv4 links that scenarios turn, with the values that are tried; the first is the common one. */
const TURNED = {
  rp_filter: ['0', '1', '2'],
  proxy_arp: ['0', '1'],
  accept_local: ['0', '0', '1'],
  send_redirects: ['0', '1'],
  arp_ignore: ['0', '0', '0', '1', '2'],
  arp_announce: ['0', '0', '1', '2'],
  route_localnet: ['0', '0', '0', '1'],
  ignore_routes_with_linkdown: ['0', '0', '1'],
  promote_secondaries: ['0', '1'],
} as const

/** Pinned, because a new namespace inherits the host's, or because they make time matter. */
const PINNED: readonly (readonly [string, string])[] = [
  ['accept_redirects', '0'],
  ['secure_redirects', '1'],
  ['shared_media', '1'],
  ['log_martians', '0'],
  ['arp_filter', '0'],
  ['arp_accept', '0'],
  ['arp_notify', '0'],
  ['proxy_arp_pvlan', '0'],
  ['src_valid_mark', '0'],
]

interface Subnet {
  readonly network: string
  readonly length: number
  /** Ends on the segment and the address each should have. */
  readonly members: { node: string; link: string; address: string }[]
}

/** A random world of hosts, routers, cables and switches, mostly right and partly wrong. */
export function generateScenario(seed: number): Scenario {
  const random = new SeededRandom(seed)
  const chance = (probability: number): boolean => random.fraction() < probability
  const pick = <T>(values: readonly T[]): T => values[random.below(values.length)]!

  const count = 2 + random.below(4)
  const names = Array.from({ length: count }, (_, at) => `n${at}`)
  const subnets: Subnet[] = []
  const cables: Cable[] = []
  const switches: string[] = []
  const linkCount = new Map<string, number>()
  const nextLink = (node: string): string => {
    const next = linkCount.get(node) ?? 0
    linkCount.set(node, next + 1)
    return `eth${next}`
  }
  const end = (node: string, bridge?: string): End => ({
    node,
    link: nextLink(node),
    up: chance(0.97),
    ...(bridge === undefined ? {} : { bridge }),
  })
  const mtu = (): number => pick([1500, 1500, 1500, 1400, 1280, 600])
  const subnet = (): Subnet => {
    const made = {
      network: `10.${10 + subnets.length}.0`,
      length: pick([24, 24, 24, 30, 31, 16]),
      members: [],
    }
    subnets.push(made)
    return made
  }
  const join = (segment: Subnet, node: string, link: string): void => {
    const host = segment.members.length + (segment.length === 31 ? 0 : 1)
    segment.members.push({ node, link, address: `${segment.network}.${host}` })
  }

  // A tree of segments over all nodes, and a few more for loops.
  for (let at = 1; at < count; at++) {
    const [near, far] = [end(names[random.below(at)]!), end(names[at]!)]
    cables.push({ near, far, mtu: mtu() })
    const segment = subnet()
    join(segment, near.node, near.link)
    join(segment, far.node, far.link)
  }
  if (count > 2 && chance(0.4)) {
    const members = names.filter(() => chance(0.7))
    const hub = `sw${switches.length}`
    switches.push(hub)
    const segment = subnet()
    const segmentMtu = mtu()
    for (const member of members) {
      const [near, far] = [end(hub, 'br0'), end(member)]
      cables.push({ near, far, mtu: segmentMtu })
      join(segment, far.node, far.link)
    }
  }
  if (count > 2 && chance(0.3)) {
    const [a, b] = [pick(names), pick(names)]
    if (a !== b) {
      const [near, far] = [end(a), end(b)]
      cables.push({ near, far, mtu: mtu() })
      const segment = subnet()
      join(segment, a, near.link)
      join(segment, b, far.link)
    }
  }

  const steps: Step[] = []
  const own = new Map<string, string[]>(names.map((name) => [name, []]))
  for (const segment of subnets) {
    for (const { node, link, address } of segment.members) {
      if (chance(0.04)) continue // forgotten
      const length = chance(0.06) ? pick([8, 25, 32]) : segment.length
      const wrong = chance(0.03) ? pick(segment.members).address : address
      steps.push({ do: 'address', node, link, address: `${wrong}/${length}` })
      own.get(node)!.push(wrong)
      if (chance(0.08)) {
        const second = `${segment.network}.${100 + random.below(20)}`
        steps.push({
          do: 'address',
          node,
          link,
          address: `${second}/${pick([segment.length, 32])}`,
        })
        own.get(node)!.push(second)
      }
    }
  }

  // Pods as Calico makes them: a /32, a gateway that exists nowhere, and a host that answers for it.
  const pods: string[] = []
  for (const host of names) {
    if (!chance(0.3)) continue
    const pod = `p${pods.length}`
    const address = `10.211.${pods.length}.${2 + random.below(8)}`
    pods.push(pod)
    const [near, far] = [end(host), end(pod)]
    cables.push({ near: { ...near, link: `cali${pods.length}` }, far, mtu: pick([1500, 1440]) })
    own.set(pod, [address])
    steps.push({ do: 'address', node: pod, link: far.link, address: `${address}/32` })
    steps.push(routeStep(pod, { destination: '169.254.1.1/32', scope: 'link', link: far.link }))
    steps.push(routeStep(pod, { destination: '0.0.0.0/0', link: far.link, gateway: '169.254.1.1' }))
    const link = `cali${pods.length}`
    if (chance(0.95)) {
      steps.push({ do: 'sysctl', node: host, path: `ipv4.conf.${link}.proxy_arp`, value: '1' })
    }
    steps.push({
      do: 'sysctl',
      node: host,
      path: `ipv4.neigh.${link}.proxy_delay`,
      value: '0',
    })
    if (chance(0.95)) {
      steps.push(routeStep(host, { destination: `${address}/32`, scope: 'link', link }))
    }
    const block = `10.211.${pods.length - 1}.0/24`
    if (chance(0.8)) steps.push(routeStep(host, { destination: block, type: 'blackhole' }))
    for (const other of names) {
      const way = wayTo(subnets, other, host)
      if (way !== undefined && chance(0.9)) {
        steps.push(routeStep(other, { destination: block, ...way }))
      }
    }
  }

  // Routes to what is not next door: mostly right.
  for (const node of names) {
    for (const segment of subnets) {
      if (segment.members.some((member) => member.node === node) || !chance(0.85)) continue
      const target = segment.members[0]
      const way = target === undefined ? undefined : wayTo(subnets, node, target.node)
      if (way === undefined) continue
      const destination = networkOf(segment.network, segment.length)
      steps.push(routeStep(node, { destination, ...way, ...oddities(random) }))
    }
    if (chance(0.3)) {
      const neighbor = neighborOf(subnets, node, random)
      if (neighbor !== undefined) {
        steps.push(routeStep(node, { destination: '0.0.0.0/0', ...neighbor }))
      }
    }
  }

  // Mistakes.
  const everywhere = [...names, ...pods]
  const mistakes = random.below(5)
  for (let at = 0; at < mistakes; at++) {
    const node = pick(names)
    const links = linksOf(cables, node)
    const address = pick([...own.values()].flat().concat('10.99.0.1', '10.10.0.77', '172.16.5.5'))
    const kinds: (() => Step | undefined)[] = [
      () =>
        routeStep(node, {
          destination: `${address}/32`,
          type: pick(['blackhole', 'unreachable', 'prohibit', 'throw']),
        }),
      () => ({
        do: 'replace',
        node,
        route: routeOf({ destination: `${address}/32`, ...neighborOf(subnets, node, random) }),
      }),
      () => {
        const link = pick(links)
        return link === undefined
          ? undefined
          : routeStep(node, { destination: `${address}/32`, scope: 'link', link })
      },
      () => {
        const link = pick(links)
        return link === undefined
          ? undefined
          : routeStep(node, {
              destination: '10.96.0.0/12',
              link,
              gateway: pick(['192.0.2.7', address]),
              onlink: chance(0.5),
            })
      },
      () => {
        const link = pick(links)
        return link === undefined ? undefined : { do: 'link', node, link, up: false }
      },
      () => {
        const link = pick(links)
        return link === undefined
          ? undefined
          : { do: 'link', node, link, mtu: pick([576, 1000, 1300]) }
      },
      () => ({
        do: 'rule',
        node,
        priority: 100 + at,
        table: pick([100, 254, 253]),
        ...(chance(0.5) ? { source: `${address}/32` } : {}),
      }),
      () =>
        routeStep(node, {
          destination: '0.0.0.0/0',
          table: 100,
          ...neighborOf(subnets, node, random),
        }),
      () => {
        const segment = pick(subnets)
        const member = segment.members.find((each) => each.node === node)
        return member === undefined
          ? undefined
          : {
              do: 'unaddress',
              node,
              link: member.link,
              address: `${member.address}/${segment.length}`,
            }
      },
      () => {
        const link = pick(links)
        return link === undefined
          ? undefined
          : { do: 'neighbor', node, link, address, mac: '02:00:00:00:00:99' }
      },
      () => {
        const link = pick(links)
        const key = pick(Object.keys(TURNED) as (keyof typeof TURNED)[])
        return link === undefined
          ? undefined
          : { do: 'sysctl', node, path: `ipv4.conf.${link}.${key}`, value: pick(TURNED[key]) }
      },
    ]
    const step = pick(kinds)()
    if (step !== undefined) steps.push(step)
  }

  const nodes: ScenarioNode[] = [...names, ...switches, ...pods].map((name) => ({
    name,
    sysctls: sysctlsOf(random, switches.includes(name), pods.includes(name)),
    bridges: switches.includes(name) ? ['br0'] : [],
  }))

  const addresses = [...own.values()].flat()
  const unknown = ['10.211.0.99', '10.211.1.77', '192.0.2.1', '10.10.0.200', '10.11.0.3']
  const probes: Probe[] = Array.from({ length: 4 }, () => {
    const node = pick(everywhere)
    const sources = own.get(node) ?? []
    const source = chance(0.75)
      ? sources.length > 0
        ? pick(sources)
        : undefined
      : chance(0.5)
        ? undefined
        : pick([...addresses, '192.0.2.50', '127.0.0.1'])
    return {
      node,
      protocol: pick(['echo', 'echo', 'echo', 'echo', 'udp', 'unknown'] as const),
      ...(source === undefined ? {} : { source }),
      destination:
        chance(0.85) && addresses.length > 0
          ? pick(addresses)
          : pick([...unknown, '10.10.0.255', '255.255.255.255', '127.0.0.1']),
      timeToLive: chance(0.7) ? 64 : 1 + random.below(6),
      payload: chance(0.6) ? 56 : random.below(1473),
      dontFragment: chance(0.5),
    }
  })
  steps.push(...multipathSteps(new SeededRandom(seed + 0x4d50), names, subnets))
  const lookups = [...new Set([...addresses, ...unknown])]
  return { seed, family: 4, nodes, cables, steps, probes, lookups }
}

/**
 * Routes of several ways, to where no packet goes: which of them one takes is a secret of each kernel, but
 * not which it accepts and what becomes of them.
 */
function multipathSteps(
  random: SeededRandom,
  names: readonly string[],
  subnets: readonly Subnet[],
): Step[] {
  return names.flatMap((node, at) => {
    const first = neighborOf(subnets, node, random)
    if (first === undefined || random.fraction() > 0.4) return []
    const others = Array.from({ length: 1 + random.below(2) }, () => ({
      ...neighborOf(subnets, node, random)!,
      weight: 1 + random.below(3),
    }))
    const destination = `10.200.${at}.0/24`
    const route = routeOf({ destination, ...first, others })
    const steps: Step[] = [{ do: 'route', node, route }]
    if (random.fraction() < 0.3)
      steps.push({ do: 'replace', node, route: routeOf({ destination, ...first }) })
    if (random.fraction() < 0.3) steps.push({ do: 'unroute', node, route })
    return steps
  })
}

function sysctlsOf(
  random: SeededRandom,
  isSwitch: boolean,
  isPod: boolean,
): readonly (readonly [string, string])[] {
  const values: [string, string][] = []
  const forwards = !isSwitch && !isPod && random.fraction() < 0.85
  for (const where of ['all', 'default']) {
    for (const [key, value] of PINNED) values.push([`ipv4.conf.${where}.${key}`, value])
    for (const [key, tried] of Object.entries(TURNED)) {
      const isTurned = random.fraction() < 0.12
      values.push([
        `ipv4.conf.${where}.${key}`,
        isTurned ? tried[random.below(tried.length)]! : tried[0],
      ])
    }
  }
  values.push(['ipv4.ip_forward', forwards ? '1' : '0'])
  // No limit by time, which passes otherwise in the simulation: neither per host nor of all errors.
  values.push(['ipv4.icmp_ratelimit', '0'])
  values.push(['ipv4.icmp_ratemask', '0'])
  values.push(['ipv4.icmp_errors_use_inbound_ifaddr', random.fraction() < 0.1 ? '1' : '0'])
  values.push(['ipv6.conf.all.disable_ipv6', '1'])
  values.push(['ipv6.conf.default.disable_ipv6', '1'])
  return values
}

function routeOf(route: Partial<StepRoute> & { destination: string }): StepRoute {
  return { type: 'unicast', table: 254, scope: 'global', priority: 0, ...route }
}

function routeStep(node: string, route: Partial<StepRoute> & { destination: string }): Step {
  return { do: 'route', node, route: routeOf(route) }
}

function networkOf(network: string, length: number): string {
  return length === 16
    ? `${network.split('.').slice(0, 2).join('.')}.0.0/16`
    : `${network}.0/${length}`
}

function linksOf(cables: readonly Cable[], node: string): string[] {
  return cables
    .flatMap(({ near, far }) => [near, far])
    .filter((end) => end.node === node && end.bridge === undefined)
    .map((end) => end.link)
}

/** The next hop on a shortest way over segments, if there is one. */
function wayTo(
  subnets: readonly Subnet[],
  from: string,
  to: string,
): { link: string; gateway: string } | undefined {
  if (from === to) return undefined
  const seen = new Set([from])
  let frontier: { node: string; first: { link: string; gateway: string } | undefined }[] = [
    { node: from, first: undefined },
  ]
  while (frontier.length > 0) {
    const next: typeof frontier = []
    for (const { node, first } of frontier) {
      for (const segment of subnets) {
        const self = segment.members.find((member) => member.node === node)
        if (self === undefined) continue
        for (const member of segment.members) {
          if (seen.has(member.node)) continue
          seen.add(member.node)
          const way = first ?? { link: self.link, gateway: member.address }
          if (member.node === to) return way
          next.push({ node: member.node, first: way })
        }
      }
    }
    frontier = next
  }
  return undefined
}

function neighborOf(
  subnets: readonly Subnet[],
  node: string,
  random: SeededRandom,
): { link: string; gateway: string } | undefined {
  const ways = subnets.flatMap((segment) => {
    const self = segment.members.find((member) => member.node === node)
    if (self === undefined) return []
    return segment.members
      .filter((member) => member !== self)
      .map((member) => ({ link: self.link, gateway: member.address }))
  })
  return ways[random.below(ways.length)]
}

function oddities(random: SeededRandom): Partial<StepRoute> {
  if (random.fraction() < 0.05) return { mtu: 1200 }
  if (random.fraction() < 0.05) return { priority: 10 }
  if (random.fraction() < 0.03) return { onlink: true }
  return {}
}
