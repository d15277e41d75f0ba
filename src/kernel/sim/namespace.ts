import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import type { KernelEvent } from '../kernel.ts'
import { type Addr } from './routing/addr.ts'
import { Counters } from './counters.ts'
import type { Device, Frame } from './links/device.ts'
import type { NeighborTable } from './ip/neighbors.ts'
import type { Rejection } from '../packet-filter.ts'
import type { FilteredPacket, PacketMeta } from './filter/filtered-packet.ts'
import { PacketFilter } from './filter/packet-filter.ts'
import { PeerRateLimit } from './ip/rate-limit.ts'
import type { RedirectHistory } from './ip/redirects.ts'
import { Routing } from './routing/routing.ts'
import { Translations } from './ip/source-nat.ts'
import type { Joiner } from './sockets/tcp-buffer.ts'
import type { TcpSockets } from './sockets/tcp-sockets.ts'
import type { UdpSockets } from './sockets/udp-sockets.ts'
import { type NeighborTableLimits, Sysctl } from './configuration/sysctl.ts'

/** Linux begins with 1024, too few for a machine that stands for a thousand. */
export const UNLIMITED_NEIGHBORS = 2 ** 31 - 1

/** What a machine gives to its namespaces. */
export interface MachineCore {
  readonly clock: Clock
  readonly random: Random
  /** For what sockets hand to programs: nothing is reentrant. */
  readonly joiner: Joiner
  /** The packet clock: later for each packet, and never behind the clock. */
  nanoseconds(): bigint
  /** Hands a frame to a device's input, soon, in order; nothing is reentrant. */
  deliver(device: Device, frame: Frame): void
  readonly neighborTables: NeighborTableLimits
  /** Entries of all namespaces. */
  neighborEntries(family: 4 | 6): number
}

/** What a socket layer takes from the input path; false if nobody wants the packet. */
export type TransportInput = (packet: Inbound) => boolean

/** A packet that was addressed to this namespace. */
export interface Inbound {
  readonly family: 4 | 6
  readonly device: Device
  readonly octets: Uint8Array
  readonly source: Addr
  readonly destination: Addr
  readonly protocol: number
  /** TTL or hop limit it arrived with. */
  readonly timeToLive: number
  /** Where the transport header begins, and where the packet ends. */
  readonly at: number
  readonly end: number
  /** Its destination is a broadcast or multicast address of IP. */
  readonly isBroadcast: boolean
  /** The link layer sent it to a group: nobody answers that with an error. */
  readonly isLinkGroup: boolean
  readonly meta: PacketMeta
}

/** News of an ICMP error for a packet that a socket of this namespace sent. */
export interface TransportError {
  readonly protocol: number
  /** Addresses of the packet that failed: the source is ours. */
  readonly source: Addr
  readonly destination: Addr
  /** The failed packet's transport header; at least eight octets. */
  readonly octets: Uint8Array
  readonly at: number
  readonly errno: string
  /** Of "fragmentation needed" and "packet too big". */
  readonly mtu: number | undefined
}

/** The state of one network namespace (struct net). The functions of this folder work on it. */
export class Namespace {
  readonly name: string
  /** Of this namespace alone, also among those that are gone. */
  readonly id: string
  readonly machine: MachineCore
  readonly devices = new Map<number, Device>()
  readonly byName = new Map<string, Device>()
  readonly sysctl = new Sysctl()
  readonly counters = new Counters()
  readonly routing4: Routing
  readonly routing6: Routing
  /** Set by whoever assembles the namespace; see machine.ts. */
  neighbors4!: NeighborTable
  neighbors6!: NeighborTable
  loopback!: Device
  tcp!: TcpSockets
  udp!: UdpSockets
  /** Tells who sent a packet that a rule rejects. */
  reject!: (packet: FilteredPacket, reason: Rejection) => void
  readonly packetFilter = new PacketFilter()
  readonly translations = new Translations()
  /** By IP protocol number. */
  readonly transports = new Map<number, TransportInput>()
  readonly transportErrors = new Map<number, (error: TransportError) => void>()
  readonly errorRate = new PeerRateLimit()
  /** Path MTUs learned from ICMP, by destination. */
  readonly pathMtu = new Map<Addr, { readonly mtu: number; readonly until: number }>()
  /** Addresses that the namespace answers for itself, with how many links have each. */
  readonly local = new Map<Addr, number>()
  /** Incomplete packets, by source, destination, protocol and identification. */
  readonly fragments = new Map<string, { readonly fragments: Uint8Array[] }>()
  readonly redirects = new Map<Addr, RedirectHistory>()
  /** Addresses that proxy_ndp answers for: "link index, space, address". */
  readonly proxyNeighbors6 = new Set<string>()
  /** Somebody has added a route of type local by hand (fib_has_custom_local_routes). */
  hasCustomLocalRoutes = false
  readonly watchers = new Set<(event: KernelEvent) => void>()
  identification: number
  nextIndex = 1
  closed = false

  constructor(name: string, machine: MachineCore, id: string) {
    this.name = name
    this.id = id
    this.machine = machine
    this.identification = machine.random.below(0x10000)
    this.routing4 = new Routing(4, () => this.loopback)
    this.routing6 = new Routing(6, () => this.loopback)
    this.sysctl.onChange = () => this.changed()
    this.sysctl.onNotable = (family, link) => {
      const linkIndex = link === undefined ? undefined : this.byName.get(link)?.index
      this.emit(() => ({ kind: 'settings', family, linkIndex }))
    }
  }

  routing(family: 4 | 6): Routing {
    return family === 4 ? this.routing4 : this.routing6
  }

  neighbors(family: 4 | 6): NeighborTable {
    return family === 4 ? this.neighbors4 : this.neighbors6
  }

  /** Whether some link of the namespace has the address. */
  isLocal(addr: Addr): boolean {
    return this.local.has(addr)
  }

  /** Cached lookups no longer hold. */
  changed(): void {
    this.routing4.changed()
    this.routing6.changed()
  }

  /** Tells those who watch; `event` is called only if someone does. */
  emit(event: () => KernelEvent): void {
    if (this.watchers.size === 0) return
    const value = event()
    for (const watcher of this.watchers) watcher(value)
  }

  nextIdentification(): number {
    this.identification = (this.identification + 1) & 0xffff
    return this.identification
  }
}

/** The type that a lookup in the local table gives an address (inet_addr_type). */
export function addressType(namespace: Namespace, addr: Addr): 'local' | 'broadcast' | 'unicast' {
  const family = typeof addr === 'number' ? 4 : 6
  const table = namespace.routing(family).tables.get(255)
  const found = table?.search(addr, (route) => route)
  if (found?.type === 'local') return 'local'
  if (found?.type === 'broadcast') return 'broadcast'
  return 'unicast'
}
