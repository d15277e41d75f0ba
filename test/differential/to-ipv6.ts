import { ip } from '../../src/net/ip-address.ts'
import type { End, Probe, Scenario, ScenarioNode, Step, StepRoute } from './scenario.ts'

/** Settings of IPv6 links that scenarios of IPv4 turn under another name, or the same. */
const TURNED: Readonly<Record<string, string>> = {
  proxy_arp: 'proxy_ndp',
  ignore_routes_with_linkdown: 'ignore_routes_with_linkdown',
}

/** So that addresses are there at once and nothing comes of itself. */
const PINNED: readonly (readonly [string, string])[] = [
  ['accept_ra', '0'],
  ['accept_redirects', '0'],
  ['autoconf', '0'],
  ['accept_dad', '0'],
  ['dad_transmits', '0'],
]

/** IPv6 needs links of 1280 octets (RFC 8200 section 5). */
const LEAST_MTU = 1280

/**
 * The same world in IPv6: 10.1.2.3 is fd00:1:2::3, lengths keep what they cut off, and pods have their
 * host's link-local address for a gateway. Links get addresses of their own by which neighbours ask.
 */
export function toIpv6(scenario: Scenario): Scenario {
  const macs = new Map<string, string>()
  const cables = scenario.cables.map((cable, at) => {
    const give = (end: End, side: number): End => {
      const mac = `02:00:00:00:${(at + 1).toString(16).padStart(2, '0')}:0${side}`
      macs.set(`${end.node} ${end.link}`, mac)
      return { ...end, mac }
    }
    const mtu = Math.max(cable.mtu, LEAST_MTU)
    return { near: give(cable.near, 1), far: give(cable.far, 2), mtu }
  })
  const gatewayOfPod = (node: string): string | undefined => {
    const cable = scenario.cables.find(({ far }) => far.node === node)
    const mac = cable === undefined ? undefined : macs.get(`${cable.near.node} ${cable.near.link}`)
    return mac === undefined ? undefined : linkLocal(mac)
  }
  return {
    seed: scenario.seed,
    family: 6,
    nodes: scenario.nodes.map(nodeOf),
    cables,
    steps: scenario.steps.flatMap((step) => stepOf(step, gatewayOfPod) ?? []),
    probes: scenario.probes.map((probe) => probeOf(probe, scenario)),
    lookups: scenario.lookups.map(address6),
  }
}

function nodeOf(node: ScenarioNode): ScenarioNode {
  const sysctls: [string, string][] = []
  for (const where of ['all', 'default']) {
    for (const [key, value] of PINNED) sysctls.push([`ipv6.conf.${where}.${key}`, value])
  }
  // A switch has no business with IPv6, and its bridge's address would come at a moment of its own.
  const isSwitch = node.bridges.length > 0
  for (const where of ['all', 'default']) {
    sysctls.push([`ipv6.conf.${where}.disable_ipv6`, isSwitch ? '1' : '0'])
  }
  for (const [path, value] of node.sysctls) {
    if (path === 'ipv4.ip_forward') sysctls.push(['ipv6.conf.all.forwarding', value])
    const turned = turnedPath(path)
    if (turned !== undefined) sysctls.push([turned, value])
  }
  sysctls.push(['ipv6.icmp.ratelimit', '0'])
  return { ...node, sysctls }
}

function turnedPath(path: string): string | undefined {
  const [, group, link, key] = path.split('.')
  const turned = group === 'conf' ? TURNED[key ?? ''] : undefined
  return turned === undefined ? undefined : `ipv6.conf.${link}.${turned}`
}

function stepOf(step: Step, gatewayOfPod: (node: string) => string | undefined): Step | undefined {
  switch (step.do) {
    case 'address':
    case 'unaddress':
      return { ...step, address: prefix6(withOwnNetwork(step.address)) }
    case 'route':
    case 'replace':
    case 'unroute': {
      const route = routeOf(step.route, gatewayOfPod(step.node))
      return route === undefined ? undefined : { ...step, route }
    }
    case 'rule':
      return { ...step, ...(step.source === undefined ? {} : { source: prefix6(step.source) }) }
    case 'sysctl': {
      const path = turnedPath(step.path)
      return path === undefined ? undefined : { ...step, path }
    }
    case 'link':
      return { ...step, ...(step.mtu === undefined ? {} : { mtu: Math.max(step.mtu, LEAST_MTU) }) }
    case 'neighbor':
      return { ...step, address: address6(step.address) }
    case 'vxlan':
    case 'forward':
    case 'ipip':
    case 'remove':
      return undefined // tunnels, which these networks do not have
  }
}

function routeOf(route: StepRoute, gatewayOfPod: string | undefined): StepRoute | undefined {
  // A pod's gateway of IPv6 is on its link without a route.
  if (route.destination.startsWith('169.254.')) return undefined
  const { gateway, preferredSource, others } = route
  const gateway6 = gateway?.startsWith('169.254.') === true ? gatewayOfPod : gateway
  return {
    ...route,
    destination: prefix6(route.destination),
    ...(gateway6 === undefined
      ? {}
      : { gateway: gateway6.includes(':') ? gateway6 : address6(gateway6) }),
    ...(others === undefined
      ? {}
      : { others: others.map((way) => ({ ...way, gateway: address6(way.gateway) })) }),
    ...(preferredSource === undefined ? {} : { preferredSource: address6(preferredSource) }),
    ...(route.mtu === undefined ? {} : { mtu: Math.max(route.mtu, LEAST_MTU) }),
  }
}

/** A raw socket of IPv6 leaves the source to whoever wrote the header: there is always one. */
function probeOf(probe: Probe, scenario: Scenario): Probe {
  const own = scenario.steps.find((step) => step.do === 'address' && step.node === probe.node)
  const address = own?.do === 'address' ? own.address.split('/')[0]! : '192.0.2.50'
  return {
    ...probe,
    source: address6(probe.source ?? address),
    destination: address6(probe.destination),
  }
}

function address6(address: string): string {
  if (address === '127.0.0.1') return '::1'
  const [a, b, c, d] = address.split('.').map((part) => Number(part).toString(16))
  return ip(a === 'a' ? `fd00:${b}:${c}::${d}` : `fd00:f${a}:${b}:${c}::${d}`)
}

/** Two links of one network and metric take turns in IPv6 (find_rr_leaf), which no simulation can foresee. */
function withOwnNetwork(address: string): string {
  const [text, length] = address.split('/') as [string, string]
  return `${text}/${Math.max(Number(length), 24)}`
}

/** Three octets of a network become three groups; what is behind them counts in the last group. */
function prefix6(text: string): string {
  const [address, digits] = text.split('/') as [string, string]
  const length = Number(digits)
  if (length === 0) return '::/0'
  if (length > 24) return `${address6(address)}/${length + 96}`
  const [whole, rest] = [Math.floor(length / 8), length % 8]
  return `${address6(address)}/${whole * 16 + (rest === 0 ? 0 : 8 + rest)}`
}

/** fe80:: with the modified EUI-64 of a MAC address (RFC 4291 appendix A). */
export function linkLocal(mac: string): string {
  const [a, b, c, d, e, f] = mac.split(':').map((part) => parseInt(part, 16))
  const group = (high: number, low: number): string => ((high << 8) | low).toString(16)
  return `fe80::${group(a! ^ 2, b!)}:${group(c!, 0xff)}:${group(0xfe, d!)}:${group(e!, f!)}`
}
