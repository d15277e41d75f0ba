import { counterName } from './counted-drop.ts'
import { FILTER_TABLE } from '../../kernel/own-filter.ts'
import { messageOf } from '../../lib/errors.ts'
import { contains } from '../../net/prefix.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import type { Kernel, Link } from '../../kernel/kernel.ts'
import type { NamespaceSnapshot, Netns } from '../../api/node-access.ts'

/** Sysctls of a namespace that decide whether a packet passes or which address and TTL it has. */
const SYSCTLS = [
  'ipv4.ip_forward',
  'ipv4.ip_default_ttl',
  'ipv4.icmp_echo_ignore_all',
  'ipv4.conf.all.forwarding',
  'ipv4.conf.all.rp_filter',
  'ipv4.conf.all.proxy_arp',
  'ipv4.conf.all.arp_ignore',
  'ipv6.conf.all.forwarding',
  'ipv6.icmp.echo_ignore_all',
  'ipv4.neigh.default.gc_thresh3',
  'ipv6.neigh.default.gc_thresh3',
] as const

/** The same of each link; `*` is the link's name. */
const LINK_SYSCTLS = [
  'ipv4.conf.*.forwarding',
  'ipv4.conf.*.rp_filter',
  'ipv4.conf.*.proxy_arp',
  'ipv4.conf.*.arp_ignore',
  'ipv6.conf.*.hop_limit',
] as const

/** Links whose sysctls are read; on a node with more pods only those named are. */
const SYSCTL_LINKS_MAX = 64

/** The path of a link's sysctl: a dot of the name is written "/", as the kernel port wants it. */
export function linkSysctl(pattern: (typeof LINK_SYSCTLS)[number], link: string): string {
  return pattern.replace('*', link.replaceAll('.', '/'))
}

export interface NamespaceReading {
  readonly path?: string | undefined
  /** Only routes that contain one of these. */
  readonly toward?: readonly IpAddress[] | undefined
  /** Links whose sysctls matter most, read even where there are a great many. */
  readonly links?: readonly string[]
}

/** All that a namespace's tables say. What cannot be read is told in `unknown`; nothing is thrown. */
export function readNamespace(
  netns: Netns,
  kernel: Kernel,
  options: NamespaceReading = {},
): NamespaceSnapshot {
  const unknown: string[] = []
  const read = <Value>(what: string, from: () => Value, otherwise: Value): Value => {
    try {
      return from()
    } catch (thrown) {
      unknown.push(`${what} could not be read: ${messageOf(thrown)}`)
      return otherwise
    }
  }
  const links = read('links', () => kernel.links(), [])
  const vxlan = links.filter((link) => link.vxlan !== undefined)
  const forwardingOf = ({ index }: Link) => kernel.forwardingEntries(index)
  const { toward } = options
  const routes = read('routes', () => kernel.routes({ table: 0 }), [])
  return {
    netns,
    ...(options.path === undefined ? {} : { path: options.path }),
    links,
    addresses: read('addresses', () => kernel.addresses(), []),
    routes:
      toward === undefined
        ? routes
        : routes.filter((route) => toward.some((address) => contains(route.destination, address))),
    rules: [
      ...read('rules', () => kernel.rules(4), []),
      ...read('IPv6 rules', () => kernel.rules(6), []),
    ],
    neighbors: read('neighbors', () => kernel.neighbors(), []),
    ...(vxlan.length === 0
      ? {}
      : { forwarding: read('forwarding databases', () => vxlan.flatMap(forwardingOf), []) }),
    sysctls: readSysctls(kernel, links, options.links ?? []),
    counters: readCounters(kernel),
    unknown,
  }
}

/**
 * Counters of a namespace, those of the agent's packet filter and tunnel too; none where they cannot be
 * read.
 */
export function readCounters(
  kernel: Kernel,
  tunnelDrops: () => Readonly<Record<string, number>> = () => ({}),
): Readonly<Record<string, number>> {
  return {
    ...counted(() => kernel.counters()),
    ...counted(() => filterCounters(kernel)),
    ...counted(() =>
      Object.entries(tunnelDrops()).map(([name, packets]) => [
        counterName('tunnel', name),
        packets,
      ]),
    ),
  }
}

function counted(read: () => Iterable<readonly [string, number]>): Record<string, number> {
  try {
    return Object.fromEntries(read())
  } catch {
    return {}
  }
}

function filterCounters(kernel: Kernel): readonly (readonly [string, number])[] {
  const counters = [...kernel.packetFilterCounters(FILTER_TABLE)]
  return counters.map(([name, { packets }]) => [counterName('filter', name), packets])
}

/** A sysctl that a kernel has not is left out, and a prediction that needs it says so. */
function readSysctls(
  kernel: Kernel,
  links: readonly Link[],
  wanted: readonly string[],
): Readonly<Record<string, string>> {
  const names = links.map((link) => link.name)
  const chosen =
    names.length <= SYSCTL_LINKS_MAX
      ? names
      : names.filter((name, at) => at < SYSCTL_LINKS_MAX || wanted.includes(name))
  const paths = [
    ...SYSCTLS,
    ...chosen.flatMap((name) => LINK_SYSCTLS.map((pattern) => linkSysctl(pattern, name))),
  ]
  const values: Record<string, string> = {}
  for (const path of paths) {
    try {
      values[path] = kernel.readSysctl(path).trim()
    } catch {
      continue
    }
  }
  return values
}
