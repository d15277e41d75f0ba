import { FILTER_TABLE } from '../../src/kernel/own-filter.ts'
import { type Kernel, type Link, ROUTE_PROTOCOL } from '../../src/kernel/kernel.ts'
import { ip } from '../../src/net/ip-address.ts'
import { mac } from '../../src/net/mac-address.ts'
import { POD_LINK_PREFIX } from '../../src/routes/ownership.ts'

/** Something that another program takes away from a node, or changes. */
export interface Damage {
  /** As the commands for it say. */
  readonly name: string
  /** Whether the kernel tells of it. */
  readonly isTold: boolean
  do(): void
}

const OF_AGENT: ReadonlySet<number> = new Set([
  ROUTE_PROTOCOL.bird,
  ROUTE_PROTOCOL.felix,
  ROUTE_PROTOCOL.boot,
])
/** Of a pod's host end, by whether the kernel tells of them. */
const HOST_END_SYSCTLS = [
  ['ipv4.conf', 'forwarding', true],
  ['ipv4.conf', 'proxy_arp', true],
  ['ipv6.conf', 'proxy_ndp', true],
  ['ipv6.conf', 'forwarding', true],
  ['ipv4.conf', 'route_localnet', false],
  ['ipv4.neigh', 'proxy_delay', false],
] as const

/** All that can be taken from what an agent keeps on a node, as it is when each is done. */
export function damages(kernel: Kernel): readonly Damage[] {
  const links = kernel.links()
  const kept = links.filter(({ name }) => isTunnel(name) || isPodLink(name))
  return [
    ...routeDamages(kernel),
    ...kept.flatMap((link) => linkDamages(kernel, link)),
    ...links.filter(({ name }) => isTunnel(name)).flatMap((link) => tunnelDamages(kernel, link)),
    ...sysctlDamages(kernel),
    told('nft delete table', () => kernel.deletePacketFilter(FILTER_TABLE)),
    told('nft flush table', () => {
      kernel.keepPacketFilter({ name: FILTER_TABLE, sets: [], chains: [] })
    }),
  ]
}

function told(name: string, run: () => void): Damage {
  return { name, isTold: true, do: run }
}

function isTunnel(name: string): boolean {
  return name === 'tunl0' || name === 'vxlan.calico'
}

function isPodLink(name: string): boolean {
  return name.startsWith(POD_LINK_PREFIX)
}

function routeDamages(kernel: Kernel): Damage[] {
  return kernel
    .routes({ family: 4 })
    .filter(({ protocol }) => OF_AGENT.has(protocol))
    .flatMap((route) => [
      told(`ip route del ${route.destination}`, () => kernel.deleteRoute(route)),
      ...(route.nextHops.length === 0
        ? []
        : [
            told(`ip route change ${route.destination} mtu 600`, () => {
              kernel.replaceRoute({ ...route, mtu: 600 })
            }),
          ]),
    ])
}

function linkDamages(kernel: Kernel, { name, index, macAddress }: Link): Damage[] {
  const change = (what: string, settings: Parameters<Kernel['changeLink']>[1]): Damage =>
    told(`ip link set ${name} ${what}`, () => kernel.changeLink(index, settings))
  return [
    change('down', { up: false }),
    change('mtu 1000', { mtu: 1000 }),
    ...(macAddress === undefined
      ? []
      : [change('address 02:…', { macAddress: mac('02:00:00:00:00:01') })]),
  ]
}

function tunnelDamages(kernel: Kernel, { name, index, kind }: Link): Damage[] {
  const ofLink = ({ linkIndex }: { linkIndex: number }): boolean => linkIndex === index
  const entries = kind === 'vxlan' ? kernel.forwardingEntries(index) : []
  const neighbors = kernel.neighbors().filter(({ state }) => state === 'permanent')
  const addresses = kernel.addresses().filter(({ address }) => !address.includes(':'))
  return [
    ...addresses.filter(ofLink).flatMap((address) => [
      told(`ip address del ${address.address} dev ${name}`, () => kernel.deleteAddress(address)),
      told(`ip address add 10.9.9.9 dev ${name}`, () => {
        kernel.addAddress({ ...address, address: ip('10.9.9.9') })
      }),
    ]),
    ...neighbors
      .filter(ofLink)
      .flatMap((neighbor) => [
        told(`ip neigh del ${neighbor.address}`, () => kernel.deleteNeighbor(neighbor)),
        told(`ip neigh replace ${neighbor.address} lladdr 02:…`, () =>
          kernel.setNeighbor({ ...neighbor, macAddress: mac('02:00:00:00:00:01') }),
        ),
      ]),
    ...entries.flatMap((entry) => [
      told(`bridge fdb del ${entry.macAddress}`, () => kernel.deleteForwardingEntry(entry)),
      told(`bridge fdb replace ${entry.macAddress} dst 10.9.9.9`, () => {
        kernel.setForwardingEntry({ ...entry, remoteAddress: ip('10.9.9.9') })
      }),
    ]),
    // The ipip module's own device cannot be deleted.
    ...(kind === 'ipip' ? [] : [told(`ip link del ${name}`, () => kernel.deleteLink(index))]),
  ]
}

function sysctlDamages(kernel: Kernel): Damage[] {
  const names = kernel.links().map(({ name }) => name)
  const ofNode = names.flatMap((name) =>
    isPodLink(name) || name === 'lo'
      ? []
      : [`ipv4.conf.${name}.forwarding`, `ipv4.conf.${name}.rp_filter`],
  )
  const paths = [
    ...[
      'ipv4.ip_forward',
      ...ofNode.map((path) => path.replace('vxlan.calico', 'vxlan/calico')),
    ].map((path) => [path, true] as const),
    ...names
      .filter(isPodLink)
      .flatMap((name) =>
        HOST_END_SYSCTLS.map(
          ([group, key, isTold]) => [`${group}.${name}.${key}`, isTold] as const,
        ),
      ),
  ]
  return paths.map(([path, isTold]) => {
    const value = path.endsWith('rp_filter') || kernel.readSysctl(path) === '0' ? '1' : '0'
    return {
      name: `sysctl net.${path}=${value}`,
      isTold,
      do: () => kernel.writeSysctl(path, value),
    }
  })
}

/** What an agent keeps on a node, one line each; without what is new whenever it is made. */
export function snapshot(kernel: Kernel): readonly string[] {
  const links = kernel.links()
  const nameOf = (index: number): string => links.find((link) => link.index === index)?.name ?? '?'
  const sysctls = sysctlDamages(kernel).map(({ name }) => name.slice('sysctl net.'.length))
  return [
    ...links.map(({ name, kind, mtu, up, macAddress }) =>
      [name, kind, mtu, up, isPodLink(name) || kind === 'vxlan' ? macAddress : ''].join(' '),
    ),
    ...kernel
      .addresses()
      .filter(({ address }) => !address.includes(':'))
      .map(({ address, prefixLength, scope, linkIndex }) =>
        [address, prefixLength, scope, nameOf(linkIndex)].join(' '),
      ),
    ...kernel.routes({ family: 4 }).map(({ nextHops, ...route }) => {
      const ways = nextHops.map(({ linkIndex, ...hop }) => ({ ...hop, link: nameOf(linkIndex) }))
      return JSON.stringify({ ...route, ways })
    }),
    ...kernel
      .neighbors()
      .filter(({ state }) => state === 'permanent')
      .map(({ address, macAddress, linkIndex }) =>
        [address, macAddress, nameOf(linkIndex)].join(' '),
      ),
    ...links
      .filter(({ kind }) => kind === 'vxlan')
      .flatMap(({ index }) => kernel.forwardingEntries(index))
      .map(({ macAddress, remoteAddress }) => [macAddress, remoteAddress].join(' ')),
    ...sysctls.map((text) => {
      const path = text.split('=')[0]!
      return `${path} = ${kernel.readSysctl(path)}`
    }),
    ['counters', ...kernel.packetFilterCounters(FILTER_TABLE).keys()].join(' '),
  ].toSorted()
}
