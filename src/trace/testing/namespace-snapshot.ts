import { ip } from '../../net/ip-address.ts'
import { mac } from '../../net/mac-address.ts'
import { hostPrefix, parseInterfaceAddress, prefix } from '../../net/prefix.ts'
import {
  type Link,
  type LinkAddress,
  type Neighbor,
  type NextHop,
  type Route,
  ROUTE_TABLE,
  type Rule,
  type Scope,
} from '../../kernel/kernel.ts'
import type { NamespaceSnapshot, Netns } from '../../api/node-access.ts'

export interface LinkText extends Partial<Omit<Link, 'macAddress'>> {
  readonly index: number
  readonly name: string
  readonly mac?: string
  /** "172.16.170.128/24". */
  readonly addresses?: readonly string[]
}

export interface NamespaceText {
  readonly netns: Netns
  readonly path?: string
  readonly links: readonly LinkText[]
  /** Lines as `ip route` prints them; local routes are made of the addresses. */
  readonly routes: readonly string[]
  readonly rules?: readonly Rule[]
  readonly neighbors?: readonly Neighbor[]
  readonly sysctls?: Readonly<Record<string, string>>
  readonly counters?: Readonly<Record<string, number>>
}

/** A snapshot written by hand: links with addresses, routes as lines of text. */
export function namespaceSnapshot(text: NamespaceText): NamespaceSnapshot {
  const links = text.links.map(linkOf)
  const addresses = text.links.flatMap(addressesOf)
  return {
    netns: text.netns,
    ...(text.path === undefined ? {} : { path: text.path }),
    links,
    addresses,
    routes: [
      ...addresses.map((each) => localRoute(each)),
      ...text.routes.map((line) => routeOf(line, links)),
    ],
    rules: text.rules ?? [],
    neighbors: text.neighbors ?? [],
    sysctls: { ...defaultSysctls(links, text.netns), ...text.sysctls },
    counters: text.counters ?? {},
    unknown: [],
  }
}

function linkOf({ mac: macAddress, ...rest }: LinkText): Link {
  return {
    kind: rest.name.startsWith('tunl') ? 'ipip' : rest.name === 'lo' ? 'loopback' : 'veth',
    mtu: 1500,
    up: true,
    carrier: true,
    masterIndex: undefined,
    peerIndex: undefined,
    macAddress: macAddress === undefined ? undefined : mac(macAddress),
    ...rest,
  }
}

function addressesOf({ index, addresses = [] }: LinkText): LinkAddress[] {
  return addresses.map((text) => {
    const { address, prefixLength } = parseInterfaceAddress(text)!
    return { linkIndex: index, address, prefixLength, scope: 'global' }
  })
}

function localRoute({ address, linkIndex }: LinkAddress): Route {
  return {
    destination: hostPrefix(address),
    type: 'local',
    table: ROUTE_TABLE.local,
    protocol: 2,
    scope: 'host',
    priority: 0,
    nextHops: [{ linkIndex }],
  }
}

const PROTOCOLS: Readonly<Record<string, number>> = { kernel: 2, boot: 3, static: 4, bird: 12 }

/** "10.211.1.0/24 via 172.16.170.129 dev ens33 proto bird onlink", "blackhole 10.211.0.0/24 proto bird". */
export function routeOf(line: string, links: readonly Link[]): Route {
  const [, kind, destination, rest] = /^(blackhole|unreachable|prohibit|throw)? ?(\S+)(.*)$/.exec(
    line,
  )!
  const word = (text: string, name: string): string | undefined =>
    new RegExp(`\\b${name} (\\S+)`).exec(text)?.[1]
  const hopOf = (text: string): NextHop => {
    const gateway = word(text, 'via')
    return {
      linkIndex: links.find(({ name }) => name === word(text, 'dev'))!.index,
      ...(gateway === undefined ? {} : { gateway: ip(gateway) }),
      ...(text.includes('onlink') ? { onlink: true } : {}),
    }
  }
  const hops = rest!.includes('nexthop') ? rest!.split('nexthop').slice(1) : [rest!]
  return {
    destination:
      destination === 'default'
        ? prefix('0.0.0.0/0')
        : destination!.includes('/')
          ? prefix(destination!)
          : hostPrefix(ip(destination!)),
    type: (kind as Route['type'] | undefined) ?? 'unicast',
    table: Number(word(rest!, 'table') ?? ROUTE_TABLE.main),
    protocol: PROTOCOLS[word(rest!, 'proto') ?? 'boot'] ?? 3,
    scope: (word(rest!, 'scope') as Scope | undefined) ?? 'global',
    priority: Number(word(rest!, 'metric') ?? 0),
    nextHops: kind === undefined ? hops.map(hopOf) : [],
  }
}

/** What a node that forwards and a pod that does not have, rp_filter strict as Calico sets it on cali*. */
function defaultSysctls(links: readonly Link[], netns: Netns): Record<string, string> {
  const forwarding = netns === 'host' ? '1' : '0'
  const values: Record<string, string> = {
    'ipv4.ip_forward': forwarding,
    'ipv4.ip_default_ttl': '64',
    'ipv4.icmp_echo_ignore_all': '0',
    'ipv4.conf.all.forwarding': forwarding,
    'ipv4.conf.all.rp_filter': '0',
    'ipv4.conf.all.proxy_arp': '0',
  }
  for (const { name } of links) {
    const isCali = name.startsWith('cali')
    values[`ipv4.conf.${name}.forwarding`] = forwarding
    values[`ipv4.conf.${name}.rp_filter`] = isCali ? '1' : '0'
    values[`ipv4.conf.${name}.proxy_arp`] = isCali ? '1' : '0'
  }
  return values
}
