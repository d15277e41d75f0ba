import type { Closable } from '../lib/closable.ts'
import type { Family, IpAddress } from '../net/ip-address.ts'
import type { MacAddress } from '../net/mac-address.ts'
import type { Prefix } from '../net/prefix.ts'
import type { TcpStack, UdpStack } from '../net/transport.ts'
import type { FilterChange, FilterCounter, FilterTable } from './packet-filter.ts'

/**
 * The kernel as the core sees it: one {@link Kernel} is one network namespace.
 *
 * Calls are synchronous, because a netlink request is one system call of microseconds and an answer
 * that cannot be interleaved is one that needs no thought. What the kernel refuses is thrown as a
 * {@link KernelError}. `platform/linux` and `kernel/sim` implement this port, and `kernel.contract.ts`
 * is the suite that both pass.
 */
export interface Kernel {
  /** What captures, errors and tables call this namespace: "server01". */
  readonly name: string
  /** Equal for two objects exactly when they are of one namespace; another one later may have it again. */
  namespaceId(): string

  links(): readonly Link[]
  link(name: string): Link | undefined
  /** Makes a link (down) and answers it. Errors: EEXIST, ENOENT (namespace), EOPNOTSUPP (kind). */
  createLink(spec: LinkSpec): Link
  changeLink(index: number, change: LinkChange): void
  /** Errors: ENODEV. */
  deleteLink(index: number): void

  addresses(): readonly LinkAddress[]
  /** Errors: EEXIST, ENODEV. */
  addAddress(address: LinkAddress): void
  /** Errors: EADDRNOTAVAIL. */
  deleteAddress(address: LinkAddress): void

  /** Routes of one table, the main one by default; local and broadcast routes are in table 255. */
  routes(filter?: RouteFilter): readonly Route[]
  /** Errors: EEXIST, ENETUNREACH (gateway not on link), ENODEV, ENETDOWN. */
  addRoute(route: Route): void
  /** Adds, or swaps atomically with the route of the same destination, table, tos and priority. */
  replaceRoute(route: Route): void
  /**
   * Makes one route into another of the same destination, table and priority, with no moment without
   * either. Where `before` is gone `after` is added. An IPv4 route of somebody else is left where it is,
   * even one of the same priority; IPv6 has one row for all of these, which is replaced.
   * Errors: as of {@link addRoute}; EEXIST, and nothing is done, where `after` is there already.
   */
  swapRoute(before: Route, after: Route): void
  /** Errors: ESRCH. */
  deleteRoute(route: Route): void
  /**
   * The way a packet would take, by rules, tables and longest prefix.
   * Errors: ENETUNREACH, EHOSTUNREACH (unreachable), EACCES (prohibit), EINVAL (blackhole).
   */
  lookupRoute(query: RouteQuery): RouteAnswer

  rules(family: Family): readonly Rule[]
  addRule(rule: Rule): void
  deleteRule(rule: Rule): void

  neighbors(): readonly Neighbor[]
  /** Adds or overwrites an entry. */
  setNeighbor(neighbor: Neighbor): void
  deleteNeighbor(neighbor: Pick<Neighbor, 'linkIndex' | 'address'>): void

  /** The forwarding database of a VXLAN link: behind which node a MAC address is. */
  forwardingEntries(linkIndex: number): readonly ForwardingEntry[]
  /** Adds an entry, or overwrites that of the same MAC address; it never grows old. Errors: ENODEV. */
  setForwardingEntry(entry: ForwardingEntry): void
  /** Errors: ENODEV, ENOENT. */
  deleteForwardingEntry(entry: Pick<ForwardingEntry, 'linkIndex' | 'macAddress'>): void

  /** A value under /proc/sys by its dotted path after "net.": "ipv4.conf.eth0.proxy_arp"; a dot in an interface name is written "/". Errors: ENOENT. */
  readSysctl(path: string): string
  writeSysctl(path: string, value: string): void

  /**
   * Makes a table of the packet filter as described, in one transaction and without a moment in which
   * rules are missing. What the kernel has is compared with it, whoever put it there, and only the
   * difference is written: rules, elements and counters that are right are not touched and go on
   * counting. Returns what was changed; nothing was written where that is empty.
   * Errors: EINVAL (a table that makes no sense), EOPNOTSUPP or ENOENT (no nftables, or none that can do
   * what a rule asks for). The table then is as it was.
   */
  keepPacketFilter(table: FilterTable): readonly FilterChange[]
  /** Errors: ENOENT. */
  deletePacketFilter(name: string): void
  /** Counters of a table of the packet filter by name; empty where there is no such table. */
  packetFilterCounters(name: string): ReadonlyMap<string, FilterCounter>

  /** Network counters by the kernel's names: "Ip.InDiscards", "TcpExt.IPReversePathFilter". */
  counters(): ReadonlyMap<string, number>

  /** Calls `listener` for every change from now on, this process's own included. */
  watch(listener: (event: KernelEvent) => void): Closable

  /** Listens to what passes one link, both directions. Armed when the call returns. Errors: ENODEV. */
  capture(options: CaptureOptions, onPacket: (packet: CapturedPacket) => void): Capture

  /** Sends one IPv4 or IPv6 packet, header included, routed as the namespace's own. */
  sendPacket(packet: Uint8Array): void

  readonly tcp: TcpStack
  readonly udp: UdpStack

  /** Closes all that this object holds open. The namespace stays. */
  close(): void
}

/** All namespaces of one machine. */
export interface Machine {
  /** Errors: EEXIST. A new namespace has only `lo`, which is down. */
  createNamespace(name: string): Kernel
  /** A namespace by the name it was made with, or by an absolute path to it. Errors: ENOENT. */
  openNamespace(nameOrPath: string): Kernel
  /** Errors: ENOENT. Links in it vanish with it. */
  deleteNamespace(name: string): void
  namespaces(): readonly string[]
  /** The path under which other programs open the namespace: "/run/netns/server01". */
  namespacePath(name: string): string
}

/** Codes are Linux's errno names: "EEXIST". The message names the request and, where there is one, the kernel's own explanation. */
export class KernelError extends Error {
  override readonly name = 'KernelError'
  readonly code: string
  constructor(code: string, message: string) {
    super(`${message}: ${code}`)
    this.code = code
  }
}

/** Whether something thrown is the kernel's refusal with one of these codes. */
export function isKernelError(thrown: unknown, ...codes: string[]): thrown is KernelError {
  return thrown instanceof KernelError && (codes.length === 0 || codes.includes(thrown.code))
}

export interface Link {
  readonly index: number
  readonly name: string
  /** "veth", "bridge", "tun", "ipip", "vxlan", "loopback", …; "" for hardware. */
  readonly kind: string
  readonly mtu: number
  /**
   * Most octets of a TCP stream over IPv4 that reach the link in one packet, for it to cut into what its
   * MTU takes: 65,536, or more where somebody made it so ("BIG TCP", gso_ipv4_max_size). Undefined
   * where the kernel does not know of it (before Linux 6.3).
   */
  readonly segmentOctets?: number
  /** Undefined on links without a link-layer address, such as tunl0. */
  readonly macAddress: MacAddress | undefined
  /** Administratively up (IFF_UP). */
  readonly up: boolean
  /** Carrier (IFF_LOWER_UP). */
  readonly carrier: boolean
  /** Bridge that it is a port of, by index. */
  readonly masterIndex: number | undefined
  /** Index of the other end (veth), in the other end's namespace. */
  readonly peerIndex: number | undefined
  /** Of a VXLAN link only. */
  readonly vxlan?: VxlanSettings
}

/** What cannot be changed while a VXLAN link lives (RFC 7348, linux/if_link.h IFLA_VXLAN_*). */
export interface VxlanSettings {
  /** VXLAN network identifier: 24 bits. */
  readonly vni: number
  /** UDP port of outer headers. */
  readonly port: number
  /** Source of outer headers; the kernel chooses one where it is absent. */
  readonly localAddress: IpAddress | undefined
  /** Link beneath, whose MTU bounds this one's and with which this one vanishes. */
  readonly parentIndex: number | undefined
  /** Whether the forwarding database learns from what comes in. */
  readonly learning: boolean
}

export type LinkSpec =
  | {
      readonly kind: 'veth'
      readonly name: string
      readonly mtu?: number
      readonly macAddress?: MacAddress
      readonly peer: {
        readonly name: string
        readonly macAddress?: MacAddress
        /** Where the other end is made; here when absent. */
        readonly kernel?: Kernel
      }
    }
  | { readonly kind: 'bridge'; readonly name: string; readonly mtu?: number }
  /** A layer-3 TUN device that lives on without a process. */
  | { readonly kind: 'tun'; readonly name: string; readonly mtu?: number }
  /** The kernel's IPIP tunnel; with the name "tunl0" the fallback device. EOPNOTSUPP where the module is missing. */
  | { readonly kind: 'ipip'; readonly name: string; readonly mtu?: number }
  | {
      readonly kind: 'vxlan'
      readonly name: string
      readonly mtu?: number
      readonly macAddress?: MacAddress
      readonly vxlan: VxlanSettings
    }

export interface LinkChange {
  readonly up?: boolean
  readonly mtu?: number
  /** Errors: EINVAL beyond what the link can cut. A kernel that does not know of it ignores it. */
  readonly segmentOctets?: number
  readonly name?: string
  readonly macAddress?: MacAddress
  /** Bridge to join, null to leave. */
  readonly masterIndex?: number | null
  /** Namespace to move to; addresses and routes of the link are lost, as on Linux. */
  readonly kernel?: Kernel
}

export interface LinkAddress {
  readonly linkIndex: number
  readonly address: IpAddress
  readonly prefixLength: number
  /** RT_SCOPE: "global", "link", "host". */
  readonly scope: Scope
}

export type Scope = 'global' | 'site' | 'link' | 'host' | 'nowhere'

export const ROUTE_TABLE = { default: 253, main: 254, local: 255 } as const

/** Who made a route (rtnetlink.h RTPROT_*, /etc/iproute2/rt_protos). */
export const ROUTE_PROTOCOL = {
  redirect: 1,
  kernel: 2,
  boot: 3,
  static: 4,
  bird: 12,
  /** What Calico's own agent marks its routes with. */
  felix: 80,
} as const

export type RouteType =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'anycast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw'

export interface Route {
  readonly destination: Prefix
  readonly type: RouteType
  readonly table: number
  readonly protocol: number
  readonly scope: Scope
  /** Metric; 0 is none. IPv6 routes without one get 1024, as on Linux. */
  readonly priority: number
  readonly preferredSource?: IpAddress
  /** Empty for types without a way out, such as blackhole. */
  readonly nextHops: readonly NextHop[]
  /** RTAX_MTU. */
  readonly mtu?: number
}

export interface NextHop {
  readonly linkIndex: number
  /** Absent for what is on the link itself. May be of the other family (RTA_VIA). */
  readonly gateway?: IpAddress
  /** RTNH_F_ONLINK: believe that the gateway is on the link. */
  readonly onlink?: boolean
  /** 1 to 256; 1 when absent. */
  readonly weight?: number
}

export interface RouteFilter {
  readonly family?: Family
  /** The main table when absent; 0 for all. */
  readonly table?: number
  readonly protocol?: number
}

export interface RouteQuery {
  readonly destination: IpAddress
  readonly source?: IpAddress
  /** Forwarding: the link by which the packet came in. */
  readonly inputLinkIndex?: number
  readonly outputLinkIndex?: number
  readonly mark?: number
}

export interface RouteAnswer {
  readonly type: RouteType
  readonly linkIndex: number
  readonly gateway: IpAddress | undefined
  /** Source address that the kernel would choose. */
  readonly preferredSource: IpAddress | undefined
  readonly table: number
}

export interface Rule {
  readonly family: Family
  readonly priority: number
  readonly table: number
  readonly source?: Prefix
  readonly destination?: Prefix
  readonly inputLink?: string
  readonly outputLink?: string
  readonly mark?: number
  readonly markMask?: number
}

export type NeighborState =
  | 'incomplete'
  | 'reachable'
  | 'stale'
  | 'delay'
  | 'probe'
  | 'failed'
  | 'noarp'
  | 'permanent'

export interface Neighbor {
  readonly linkIndex: number
  readonly address: IpAddress
  readonly macAddress: MacAddress | undefined
  readonly state: NeighborState
}

/** One row of a VXLAN link's forwarding database, as `bridge fdb` shows it. */
export interface ForwardingEntry {
  readonly linkIndex: number
  readonly macAddress: MacAddress
  /** Destination of the outer header. */
  readonly remoteAddress: IpAddress
}

export type KernelEvent =
  | { readonly kind: 'link'; readonly change: 'set' | 'removed'; readonly link: Link }
  | { readonly kind: 'address'; readonly change: 'set' | 'removed'; readonly address: LinkAddress }
  | { readonly kind: 'route'; readonly change: 'set' | 'removed'; readonly route: Route }
  | { readonly kind: 'rule'; readonly change: 'set' | 'removed'; readonly rule: Rule }
  | { readonly kind: 'neighbor'; readonly change: 'set' | 'removed'; readonly neighbor: Neighbor }
  | {
      readonly kind: 'forwarding'
      readonly change: 'set' | 'removed'
      readonly entry: ForwardingEntry
    }
  /**
   * Some of forwarding, rp_filter, proxy_arp or proxy_ndp was written: of one link, or of all or new ones.
   * Other settings are written in silence.
   */
  | { readonly kind: 'settings'; readonly family: Family; readonly linkIndex: number | undefined }
  /** A queueing discipline or filter of a link came or went. */
  | { readonly kind: 'trafficControl'; readonly linkIndex: number }
  /** Some table of the packet filter was changed by somebody. */
  | { readonly kind: 'packetFilter' }
  /** Notifications were lost (ENOBUFS): list everything again. */
  | { readonly kind: 'overrun' }

export interface CaptureOptions {
  readonly linkIndex: number
  /** Octets kept of each packet, from the network header on; 256 when absent. */
  readonly snapOctets?: number
  /** Only these, decided in the kernel where it can; any IP packet when absent. */
  readonly filter?: CaptureFilter
}

/** Packets between two addresses, either way round, bare or inside one outer IPv4 header (IPIP, VXLAN). */
export interface CaptureFilter {
  readonly addresses: readonly [IpAddress, IpAddress]
  /** Also ICMP errors, from whomever, that quote a packet between the two. */
  readonly icmpErrors?: boolean
  /**
   * Also IPv4 ICMP echo messages, bare or inside one outer header, whose data begin with these eight
   * octets, whatever their addresses: those may be translated on the way.
   */
  readonly echoData?: Uint8Array
  /** UDP ports of outer headers that are VXLAN's; 4789 when absent. */
  readonly vxlanPorts?: readonly number[]
}

export interface CapturedPacket {
  /** Nanoseconds of the machine's monotonic-enough packet clock; comparable within one machine. */
  readonly atNanoseconds: bigint
  /** As seen by this namespace's end of the link. */
  readonly direction: 'in' | 'out'
  /** From the network header on; possibly cut. */
  readonly octets: Uint8Array
  /** Length before cutting. */
  readonly length: number
}

export interface Capture extends Closable {
  /** Packets that passed the filter but could not be kept. */
  readonly lost: number
}
