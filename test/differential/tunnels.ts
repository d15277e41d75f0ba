import { SeededRandom } from '../../src/lib/random.ts'
import { VXLAN_LINK } from '../../src/routes/ownership.ts'
import type { Probe, Scenario, Step, StepRoute, TunnelKind } from './scenario.ts'

/** A host at which a tunnel ends. */
interface TunnelEnd {
  readonly node: string
  /** Link and address of the node that tunnelled packets leave and come by. */
  readonly uplink: string
  readonly local: string
  readonly block: string
  /** Of the tunnel's own link, inside the block. */
  readonly inner: string
  readonly mac: string
  readonly pods: readonly Pod[]
}

interface Pod {
  readonly node: string
  readonly address: string
}

const TUNL0 = 'tunl0'
const WRONG_MAC = '66:00:00:00:99:99'
/** A host's MTU is what remains of its link's behind these. */
const OVERHEAD_OCTETS = { vxlan: 50, ipip: 20 } as const

/** The same world with tunnels between its hosts, as the agent makes them; mostly right, partly wrong. */
export function withTunnels(scenario: Scenario, kind: TunnelKind): Scenario {
  const random = new SeededRandom(scenario.seed + 0x7475)
  const ends = endsOf(scenario, kind)
  if (ends.length < 2) return scenario
  const steps =
    kind === 'vxlan' ? vxlanSteps(scenario, ends, random) : ipipSteps(scenario, ends, kind, random)
  const probes = Array.from({ length: 4 }, () => probeOf(scenario, ends, kind, random))
  const inner = ends.map((end) => end.inner)
  return {
    ...scenario,
    tunnel: kind,
    steps: [...scenario.steps, ...steps],
    probes,
    lookups: [...scenario.lookups, ...inner],
  }
}

function endsOf(scenario: Scenario, kind: TunnelKind): TunnelEnd[] {
  const { cables, steps } = scenario
  const hosts = scenario.nodes.map(({ name }) => name).filter((name) => name.startsWith('n'))
  return hosts.flatMap((node, at): TunnelEnd[] => {
    const links = cables
      .flatMap(({ near, far }) => [near, far])
      .filter((end) => end.node === node && end.link.startsWith('eth'))
    const own = steps.filter((step) => step.node === node && 'address' in step)
    const first = own.find((step) => step.do === 'address')
    if (first?.do !== 'address') return []
    // Programs know one address of their node, which forwards; the kernel's device takes them all.
    const sysctls = new Map(scenario.nodes.find(({ name }) => name === node)!.sysctls)
    const forwards = sysctls.get('ipv4.ip_forward') === '1'
    const isPlain = links.length === 1 && own.length === 1 && forwards
    if (kind === 'programs' && !isPlain) return []
    const pods = cables.flatMap(({ near, far }): Pod[] => {
      const step = steps.find((each) => each.do === 'address' && each.node === far.node)
      const isPod = near.node === node && far.node.startsWith('p') && step?.do === 'address'
      return isPod ? [{ node: far.node, address: addressOf(step.address) }] : []
    })
    const network = pods[0]?.address.split('.').slice(0, 3).join('.') ?? `10.211.${100 + at}`
    return [
      {
        node,
        uplink: first.link,
        local: addressOf(first.address),
        block: `${network}.0/24`,
        inner: `${network}.1`,
        mac: `66:00:00:00:01:0${at}`,
        pods,
      },
    ]
  })
}

function addressOf(text: string): string {
  return text.split('/')[0]!
}

function mtuOf(scenario: Scenario, { node, uplink }: TunnelEnd): number {
  const cable = scenario.cables.find(({ near, far }) =>
    [near, far].some((end) => end.node === node && end.link === uplink),
  )
  return cable?.mtu ?? 1500
}

function vxlanSteps(scenario: Scenario, ends: readonly TunnelEnd[], random: SeededRandom): Step[] {
  const chance = (probability: number): boolean => random.fraction() < probability
  const pick = <T>(values: readonly T[]): T => values[random.below(values.length)]!
  const link = VXLAN_LINK
  const steps: Step[] = []
  for (const { node, uplink, local, mac, inner } of ends) {
    const source = chance(0.9) ? local : pick([undefined, ends[0]!.local, '192.0.2.9', inner])
    const mtu =
      mtuOf(
        scenario,
        ends.find((end) => end.node === node)!,
      ) - OVERHEAD_OCTETS.vxlan
    steps.push({
      do: 'vxlan',
      node,
      ...(chance(0.95) ? { parent: uplink } : {}),
      ...(source === undefined ? {} : { local: source }),
      vni: chance(0.95) ? 4096 : 4097,
      mac,
      ...(chance(0.8) ? { mtu: pick([mtu, mtu, mtu, mtu - 50, mtu + 50]) } : {}),
    })
    if (chance(0.97)) steps.push({ do: 'link', node, link, up: true })
    if (chance(0.95)) steps.push({ do: 'address', node, link, address: `${inner}/32` })
  }
  for (const { node } of ends) {
    for (const other of ends) {
      if (other.node === node) continue
      const mac = chance(0.96) ? other.mac : WRONG_MAC
      const remote = chance(0.95)
        ? other.local
        : pick([pick(ends).local, '192.0.2.9', '10.10.0.77'])
      if (chance(0.93)) steps.push({ do: 'forward', node, link, mac: other.mac, remote })
      if (chance(0.95)) steps.push({ do: 'neighbor', node, link, address: other.inner, mac })
      if (chance(0.95)) steps.push(routeStep(node, other, link, other.inner))
    }
  }
  const mistakes = random.below(3)
  for (let at = 0; at < mistakes; at++) {
    const { node, mac, local } = pick(ends)
    const own = { node, link } as const
    const kinds: readonly Step[] = [
      { do: 'link', ...own, up: false },
      { do: 'link', ...own, mtu: pick([600, 1000, 1300, 1450, 1500]) },
      { do: 'forward', ...own, mac: pick(ends).mac },
      { do: 'forward', ...own, mac: pick([mac, WRONG_MAC]), remote: local },
      { do: 'forward', ...own, mac: '00:00:00:00:00:00', remote: pick(ends).local },
      { do: 'neighbor', ...own, address: pick(ends).inner, mac: pick([mac, WRONG_MAC]) },
      { do: 'unaddress', ...own, address: `${pick(ends).inner}/32` },
      { do: 'remove', ...own },
      { do: 'vxlan', node, vni: 4096, mac },
      { do: 'link', node, link: pick(ends).uplink, mtu: pick([700, 1000, 1300]) },
      { do: 'link', node, link: pick(ends).uplink, up: false },
    ]
    steps.push(pick(kinds))
  }
  return steps
}

function ipipSteps(
  scenario: Scenario,
  ends: readonly TunnelEnd[],
  kind: 'ipip' | 'programs',
  random: SeededRandom,
): Step[] {
  const chance = (probability: number): boolean => random.fraction() < probability
  const pick = <T>(values: readonly T[]): T => values[random.below(values.length)]!
  const link = TUNL0
  const nodes = ends.map((end) => end.local)
  const changed = scenario.steps.flatMap((step) => (step.do === 'link' ? (step.mtu ?? []) : []))
  const least = Math.min(...scenario.cables.map(({ mtu }) => mtu), ...changed)
  const common = pick([least, least, least, least - 20]) - OVERHEAD_OCTETS.ipip
  const steps: Step[] = []
  for (const end of ends) {
    const { node, uplink, local, inner } = end
    const own = mtuOf(scenario, end) - OVERHEAD_OCTETS.ipip
    // A pair of links has its MTU for both directions, the kernel's device for what it sends.
    const mtu = kind === 'programs' ? common : pick([own, own, own, own - 20, 1480])
    steps.push({ do: 'ipip', node, local, underlays: [uplink], nodes, mtu })
    if (kind === 'programs' || chance(0.95)) steps.push({ do: 'link', node, link, up: true })
    if (chance(0.95)) steps.push({ do: 'address', node, link, address: `${inner}/32` })
    for (const other of ends) {
      if (other === end) continue
      const gateway = chance(0.95)
        ? other.local
        : pick([pick(ends).local, '192.0.2.9', '10.10.0.77'])
      if (chance(0.95)) steps.push(routeStep(node, other, link, gateway))
    }
  }
  const mistakes = random.below(3)
  for (let at = 0; at < mistakes; at++) {
    const { node, block, uplink, inner } = pick(ends)
    const route = {
      destination: block,
      type: 'unicast',
      table: 254,
      scope: 'link',
      priority: 0,
      link,
    }
    const kinds: readonly Step[] = [
      { do: 'replace', node, route: route as StepRoute },
      { do: 'unaddress', node, link, address: `${inner}/32` },
      ...(kind === 'programs'
        ? []
        : ([
            { do: 'link', node, link, mtu: pick([576, 600, 1000]) },
            { do: 'link', node, link, up: false },
            { do: 'link', node, link: uplink, mtu: pick([700, 1000, 1300]) },
            { do: 'link', node, link: uplink, up: false },
            { do: 'remove', node, link },
          ] as const)),
    ]
    steps.push(pick(kinds))
  }
  return steps
}

function routeStep(node: string, other: TunnelEnd, link: string, gateway: string): Step {
  const way = { link, gateway, onlink: true }
  const kind = { type: 'unicast', table: 254, scope: 'global', priority: 0 } as const
  return { do: 'replace', node, route: { destination: other.block, ...kind, ...way } }
}

function probeOf(
  scenario: Scenario,
  ends: readonly TunnelEnd[],
  kind: TunnelKind,
  random: SeededRandom,
): Probe {
  const chance = (probability: number): boolean => random.fraction() < probability
  const pick = <T>(values: readonly T[]): T => values[random.below(values.length)]!
  const inside = (end: TunnelEnd): readonly Pod[] => [
    ...end.pods,
    { node: end.node, address: end.inner },
  ]
  const from = pick(ends)
  const source = pick(inside(from))
  const destination = chance(0.85)
    ? pick(inside(pick(ends.filter((end) => end !== from)))).address
    : pick([...scenario.probes.map((probe) => probe.destination), '10.211.100.77'])
  const dontFragment = chance(0.5)
  // Programs set DF outside on what is longer, whatever it is inside.
  const most = kind === 'programs' && !dontFragment ? 480 : 1473
  return {
    node: source.node,
    protocol: pick(['echo', 'echo', 'echo', 'echo', 'udp', 'unknown']),
    ...(chance(0.9) ? { source: source.address } : {}),
    destination,
    timeToLive: chance(0.8) ? 64 : 1 + random.below(6),
    ...(chance(0.3) ? { typeOfService: random.below(kind === 'programs' ? 3 : 256) } : {}),
    payload: chance(0.5) ? 56 : random.below(most),
    dontFragment,
  }
}
