import { appended } from '../../../lib/appended.ts'
import { macFromOctets, macOctets, type MacAddress } from '../../../net/mac-address.ts'
import {
  ipv4NetworkNumber,
  networkPrefix,
  ipv4Prefix,
  type Prefix,
  prefixAddress,
  prefixFamily,
  prefixLength,
} from '../../../net/prefix.ts'
import { get48, set48 } from '../../../wire/packet/octets.ts'
import {
  type ForwardingEntry,
  KernelError,
  type Link,
  type LinkAddress,
  type Neighbor,
  type NextHop,
  type Route,
  type Rule,
  type Scope,
} from '../../kernel.ts'
import { addrFromText, addrToText, type Addr } from '../routing/addr.ts'
import type { Device, LinkAddr } from '../links/device.ts'
import { type FibNextHop, type FibRoute, SCOPE } from '../routing/fib.ts'
import type { NeighborEntry } from '../ip/neighbors.ts'
import { type FibRule, ROUTE_ERRORS } from '../routing/routing.ts'

/** Translation between the port's values, made of text, and the simulation's, made of numbers. */

const SCOPE_NAMES: Readonly<Record<number, Scope>> = {
  [SCOPE.global]: 'global',
  [SCOPE.site]: 'site',
  [SCOPE.link]: 'link',
  [SCOPE.host]: 'host',
  [SCOPE.nowhere]: 'nowhere',
}

export function scopeNumber(scope: Scope): number {
  return SCOPE[scope]
}

export function macToText(mac: number): MacAddress {
  const octets = new Uint8Array(6)
  set48(octets, 0, mac)
  return macFromOctets(octets)
}

export function macToNumber(mac: MacAddress): number {
  return get48(macOctets(mac), 0)
}

/** The text is kept beside the number: links are listed more often than they change. */
function macOf(device: Device): MacAddress | undefined {
  if (device.mac === undefined) return undefined
  if (device.macText?.mac !== device.mac) {
    device.macText = { mac: device.mac, text: macToText(device.mac) }
  }
  return device.macText.text
}

export function toLink(device: Device): Link {
  return {
    index: device.index,
    name: device.name,
    kind: device.driver.kind,
    mtu: device.mtu,
    segmentOctets: device.segmentOctets,
    macAddress: macOf(device),
    up: device.up,
    carrier: device.up && device.carrier,
    masterIndex: device.master?.index,
    peerIndex: device.peer?.index,
    ...(device.vxlan === undefined ? {} : { vxlan: device.vxlan.settings }),
  }
}

export function toLinkAddress(device: Device, each: LinkAddr): LinkAddress {
  return {
    linkIndex: device.index,
    address: addrToText(each.addr),
    prefixLength: each.length,
    scope: SCOPE_NAMES[each.scope] ?? 'global',
  }
}

/** Fields that are not there are not made first and left out then: there are many routes. */
export function toRoute(route: FibRoute): Route {
  const { destination, length, type, table, protocol, priority, preferredSource, mtu } = route
  const port: Writable<Route> = {
    destination: toPrefix(destination, length),
    type,
    table,
    protocol,
    scope: SCOPE_NAMES[route.scope] ?? 'global',
    priority,
    nextHops: ROUTE_ERRORS[type] === undefined ? toNextHops(route.nextHops) : [],
  }
  if (preferredSource !== undefined) port.preferredSource = addrToText(preferredSource)
  if (mtu !== undefined) port.mtu = mtu
  return port
}

type Writable<Value> = { -readonly [Key in keyof Value]: Value[Key] }

function toPrefix(destination: Addr, length: number): Prefix {
  return typeof destination === 'number'
    ? ipv4Prefix(destination, length)
    : networkPrefix(addrToText(destination), length)
}

function toNextHops(hops: readonly FibNextHop[]): NextHop[] {
  let ways: NextHop[] = []
  for (const { device, gateway, onlink, weight } of hops) {
    if (device === undefined) continue
    const way: Writable<NextHop> = { linkIndex: device.index }
    if (gateway !== undefined) way.gateway = addrToText(gateway)
    if (onlink) way.onlink = true
    if (weight !== 1) way.weight = weight
    ways = appended(ways, way)
  }
  return ways
}

export function destinationOf({ destination }: Route): { destination: Addr; length: number } {
  const isVersion4 = prefixFamily(destination) === 4
  return {
    destination: isVersion4
      ? ipv4NetworkNumber(destination)
      : addrFromText(prefixAddress(destination)),
    length: prefixLength(destination),
  }
}

export function toNeighbor(entry: NeighborEntry): Neighbor {
  return {
    linkIndex: entry.device.index,
    address: addrToText(entry.addr),
    macAddress: entry.mac === undefined || !entry.isValid ? undefined : macToText(entry.mac),
    state: entry.state === 'none' ? 'failed' : entry.state,
  }
}

export function toForwardingEntry(linkIndex: number, mac: number, remote: Addr): ForwardingEntry {
  return { linkIndex, macAddress: macToText(mac), remoteAddress: addrToText(remote) }
}

export function toRule(family: 4 | 6, rule: FibRule): Rule {
  return {
    family,
    priority: rule.priority,
    table: rule.table,
    ...(rule.source === undefined ? {} : { source: prefixText(rule.source) }),
    ...(rule.destination === undefined ? {} : { destination: prefixText(rule.destination) }),
    ...(rule.inputLink === undefined ? {} : { inputLink: rule.inputLink }),
    ...(rule.outputLink === undefined ? {} : { outputLink: rule.outputLink }),
    ...(rule.markMask === 0 ? {} : { mark: rule.mark, markMask: rule.markMask }),
  }
}

export function fromRule(rule: Rule): FibRule {
  const isMarked = rule.mark !== undefined || rule.markMask !== undefined
  return {
    priority: rule.priority,
    table: rule.table,
    source: numericPrefix(rule.source),
    destination: numericPrefix(rule.destination),
    inputLink: rule.inputLink,
    outputLink: rule.outputLink,
    mark: (rule.mark ?? 0) >>> 0,
    markMask: isMarked ? (rule.markMask ?? 0xffffffff) : 0,
  }
}

function prefixText(value: { readonly addr: Addr; readonly length: number }): Prefix {
  return networkPrefix(addrToText(value.addr), value.length)
}

function numericPrefix(value: Prefix | undefined): FibRule['source'] {
  return value === undefined
    ? undefined
    : { addr: addrFromText(prefixAddress(value)), length: prefixLength(value) }
}

/** What is thrown where the kernel would answer with an errno. */
export function refusal(code: string, message: string): KernelError {
  return new KernelError(code, message)
}
