import { type Family, familyOf, ip } from '../../src/net/ip-address.ts'
import { isKernelError, type Kernel } from '../../src/kernel/kernel.ts'
import type { Scenario } from './scenario.ts'

/** What a tunnel of programs has besides its link; no other kind of tunnel does. */
export const INSIDE = 'tunl0-inside'

const COUNTED = {
  4: [
    'Ip.ForwDatagrams',
    'Ip.InHdrErrors',
    'Ip.InAddrErrors',
    'Ip.InUnknownProtos',
    'Ip.FragFails',
    'Ip.FragOKs',
    'Ip.ReasmOKs',
    'IpExt.InNoRoutes',
    'TcpExt.IPReversePathFilter',
    'Icmp.InEchos',
    'Icmp.InEchoReps',
    'Icmp.InDestUnreachs',
    'Icmp.InTimeExcds',
    'Icmp.OutDestUnreachs',
    'Icmp.OutTimeExcds',
    'Udp.NoPorts',
  ],
  6: [
    'Ip6.OutForwDatagrams',
    'Ip6.InHdrErrors',
    'Ip6.InAddrErrors',
    'Ip6.InNoRoutes',
    'Ip6.InTooBigErrors',
    'Ip6.InUnknownProtos',
    'Icmp6.InEchos',
    'Icmp6.InEchoReplies',
    'Icmp6.InDestUnreachs',
    'Icmp6.InTimeExcds',
    'Icmp6.InPktTooBigs',
    'Icmp6.OutDestUnreachs',
    'Icmp6.OutTimeExcds',
    'Icmp6.OutPktTooBigs',
    'Udp6.NoPorts',
  ],
} as const

export function describeTables(family: Family, kernels: ReadonlyMap<string, Kernel>): string[] {
  const lines: string[] = []
  for (const [node, kernel] of kernels) {
    const links = kernel.links()
    const names = new Map(links.map((link) => [link.index, link.name]))
    for (const link of links) {
      if (link.name === INSIDE) continue
      const state = `${link.up ? 'up' : 'down'} ${link.carrier ? 'carrier' : 'no carrier'}`
      lines.push(`${node} link ${link.name} ${state} mtu ${link.mtu}`)
    }
    const addresses = kernel
      .addresses()
      .map(
        (each) =>
          `${node} address ${each.address}/${each.prefixLength} ${each.scope} ${names.get(each.linkIndex)}`,
      )
    const routes = kernel.routes({ family, table: 0 }).map((route) => {
      const { nextHops, ...rest } = route
      const ways = nextHops.map(({ linkIndex, ...hop }) => ({ link: names.get(linkIndex), ...hop }))
      return `${node} route ${stable({ ...rest, ways })}`
    })
    lines.push(...addresses.sort(), ...routes.sort())
  }
  return lines
}

/** JSON with keys in order. */
function stable(value: object): string {
  return JSON.stringify(
    Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))),
  )
}

/** Names of links by node and index, which nothing changes once a network is built. */
export type LinkNames = ReadonlyMap<string, ReadonlyMap<number, string>>

export function linkNames(kernels: ReadonlyMap<string, Kernel>): LinkNames {
  const namesOf = (kernel: Kernel): ReadonlyMap<number, string> =>
    new Map(kernel.links().map(({ index, name }) => [index, name]))
  return new Map([...kernels].map(([node, kernel]) => [node, namesOf(kernel)]))
}

export function describeLookups(
  scenario: Scenario,
  kernels: ReadonlyMap<string, Kernel>,
  linkNames: LinkNames,
): string[] {
  const lines: string[] = []
  for (const [node, kernel] of kernels) {
    const names = linkNames.get(node)!
    for (const destination of scenario.lookups) {
      const outcome = attemptAnswer(() => {
        const answer = kernel.lookupRoute({ destination: ip(destination) })
        return `${answer.type} ${names.get(answer.linkIndex)} via ${answer.gateway} src ${answer.preferredSource}`
      })
      lines.push(`${node} to ${destination}: ${outcome}`)
    }
  }
  return lines
}

function attemptAnswer(ask: () => string): string {
  try {
    return ask()
  } catch (thrown) {
    if (isKernelError(thrown)) return thrown.code
    throw thrown
  }
}

export function describeNeighbors(
  family: Family,
  kernels: ReadonlyMap<string, Kernel>,
  linkNames: LinkNames,
): string[] {
  const lines: string[] = []
  for (const [node, kernel] of kernels) {
    const names = linkNames.get(node)!
    for (const { linkIndex, address, macAddress, state } of kernel.neighbors()) {
      // What failed may be collected as garbage: the real table is shared by all namespaces.
      if (macAddress === undefined) continue
      if (familyOf(address) !== family || names.get(linkIndex) === 'lo' || state === 'noarp')
        continue
      lines.push(`${node} ${names.get(linkIndex)} ${address}`)
    }
  }
  return lines.sort()
}

/** Counters by "node name"; links that come up have moved some of them. */
export function countersOf(
  { family, tunnel }: Scenario,
  kernels: ReadonlyMap<string, Kernel>,
): Map<string, number> {
  const found = new Map<string, number>()
  for (const [node, kernel] of kernels) {
    const counters = kernel.counters()
    for (const name of COUNTED[family]) {
      // Of what programs could not send nobody is told.
      if (tunnel === 'programs' && name.endsWith('DestUnreachs')) continue
      // Before Linux 6.7 packets that were too long were not counted; the guest is one of those.
      if (tunnel === 'ipip' && name === 'Ip.ForwDatagrams') continue
      found.set(`${node} ${name}`, counters.get(name) ?? -1)
    }
  }
  return found
}

export function differenceOf(
  before: ReadonlyMap<string, number>,
  after: Map<string, number>,
): string[] {
  return [...after].map(([name, count]) => `${name} ${count - before.get(name)!}`)
}
