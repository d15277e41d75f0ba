import { closeSync, fstatSync } from 'node:fs'
import type {
  Capture,
  CapturedPacket,
  CaptureOptions,
  ForwardingEntry,
  Kernel,
  KernelEvent,
  Link,
  LinkAddress,
  LinkChange,
  LinkSpec,
  Neighbor,
  Route,
  RouteAnswer,
  RouteFilter,
  RouteQuery,
  Rule,
} from '../../kernel/kernel.ts'
import type { Closable } from '../../lib/closable.ts'
import type { Log } from '../../lib/log.ts'
import type { Family } from '../../net/ip-address.ts'
import type { TcpStack, UdpStack } from '../../net/transport.ts'
import type { FilterChange, FilterCounter, FilterTable } from '../../kernel/packet-filter.ts'
import { addAddress, deleteAddress, listAddresses } from './netlink/addresses.ts'
import { capture } from './capture/capture.ts'
import type { Context } from './netlink/context.ts'
import { readNetworkCounters } from './counters.ts'
import {
  deleteForwardingEntry,
  listForwardingEntries,
  setForwardingEntry,
} from './netlink/forwarding.ts'
import { FilterTables } from './nftables/filter-tables.ts'
import type { Libc } from './process/libc.ts'
import {
  changeLink,
  createLink,
  deleteLink,
  findLink,
  listLinks,
  settleCarrier,
} from './netlink/links.ts'
import { deleteNeighbor, listNeighbors, setNeighbor } from './netlink/neighbors.ts'
import { NETLINK, NetlinkSocket } from './netlink/netlink-socket.ts'
import { RawSender } from './capture/raw-sender.ts'
import { OpenHandles } from './process/open-handles.ts'
import {
  addRoute,
  deleteRoute,
  listRoutes,
  lookupRoute,
  replaceRoute,
  swapRoute,
} from './netlink/routes.ts'
import { addRule, deleteRule, listRules } from './netlink/rules.ts'
import { readSysctl, writeSysctl } from './sysctl.ts'
import { LinuxTcpStack } from './sockets/tcp.ts'
import type { ThreadNamespace } from './process/thread-namespace.ts'
import { LinuxUdpStack } from './sockets/udp.ts'
import { watch } from './netlink/watch.ts'

export interface LinuxKernelOptions {
  readonly name: string
  readonly libc: Libc
  readonly thread: ThreadNamespace
  /** Descriptor of the namespace; the kernel closes it. */
  readonly namespaceFd: number
  /** Told of what is asked of the kernel. */
  readonly log: Log
  /** Told once, after closing. */
  readonly onClose: () => void
}

/** The real kernel, in one network namespace. */
export class LinuxKernel implements Kernel, Context {
  readonly name: string
  readonly libc: Libc
  readonly namespaceFd: number
  readonly #enteredFd: number
  readonly #thread: ThreadNamespace
  readonly #onClose: () => void
  readonly #log: Log
  #netlink: NetlinkSocket | undefined
  #netfilter: NetlinkSocket | undefined
  #filterTables: FilterTables | undefined
  readonly #resources = new OpenHandles()
  #rawSender: RawSender | undefined
  readonly tcp: TcpStack
  readonly udp: UdpStack
  #closed = false

  constructor({ name, libc, thread, namespaceFd, log, onClose }: LinuxKernelOptions) {
    this.name = name
    this.libc = libc
    this.namespaceFd = namespaceFd
    this.#enteredFd = thread.toEnter(namespaceFd)
    this.#thread = thread
    this.#onClose = onClose
    this.#log = log
    this.tcp = new LinuxTcpStack(this, this.#resources)
    this.udp = new LinuxUdpStack(this, this.#resources)
  }

  inside<Result>(body: () => Result): Result {
    if (this.#closed) throw new Error(`The kernel of ${this.name} is closed`)
    return this.#thread.inside(this.#enteredFd, body)
  }

  get netlink(): NetlinkSocket {
    if (this.#closed) throw new Error(`The kernel of ${this.name} is closed`)
    this.#netlink ??= this.inside(() => new NetlinkSocket(this.libc, NETLINK.route, this.#log))
    return this.#netlink
  }

  get #filters(): FilterTables {
    if (this.#closed) throw new Error(`The kernel of ${this.name} is closed`)
    this.#netfilter ??= this.inside(
      () => new NetlinkSocket(this.libc, NETLINK.netfilter, this.#log),
    )
    this.#filterTables ??= new FilterTables(this.#netfilter, this.name)
    return this.#filterTables
  }

  /** Device and inode of the namespace's file (namespaces(7)). */
  namespaceId(): string {
    const { dev, ino } = fstatSync(this.namespaceFd, { bigint: true })
    return `${dev}:${ino}`
  }

  links(): readonly Link[] {
    return listLinks(this)
  }

  link(name: string): Link | undefined {
    return findLink(this, name)
  }

  createLink(spec: LinkSpec): Link {
    return createLink(this, spec, namespaceOf)
  }

  changeLink(index: number, change: LinkChange): void {
    changeLink(this, index, change, namespaceOf)
    // One that moved in the same step may have another index: who needs its first packets opens it there.
    if (change.up === true && change.kernel === undefined) settleCarrier(this, index)
  }

  deleteLink(index: number): void {
    deleteLink(this, index)
  }

  addresses(): readonly LinkAddress[] {
    return listAddresses(this)
  }

  addAddress(address: LinkAddress): void {
    addAddress(this, address)
  }

  deleteAddress(address: LinkAddress): void {
    deleteAddress(this, address)
  }

  routes(filter?: RouteFilter): readonly Route[] {
    return listRoutes(this, filter)
  }

  addRoute(route: Route): void {
    addRoute(this, route)
  }

  replaceRoute(route: Route): void {
    replaceRoute(this, route)
  }

  swapRoute(before: Route, after: Route): void {
    swapRoute(this, before, after)
  }

  deleteRoute(route: Route): void {
    deleteRoute(this, route)
  }

  lookupRoute(query: RouteQuery): RouteAnswer {
    return lookupRoute(this, query)
  }

  rules(family: Family): readonly Rule[] {
    return listRules(this, family)
  }

  addRule(rule: Rule): void {
    addRule(this, rule)
  }

  deleteRule(rule: Rule): void {
    deleteRule(this, rule)
  }

  neighbors(): readonly Neighbor[] {
    return listNeighbors(this)
  }

  setNeighbor(neighbor: Neighbor): void {
    setNeighbor(this, neighbor)
  }

  deleteNeighbor(neighbor: Pick<Neighbor, 'linkIndex' | 'address'>): void {
    deleteNeighbor(this, neighbor)
  }

  forwardingEntries(linkIndex: number): readonly ForwardingEntry[] {
    return listForwardingEntries(this, linkIndex)
  }

  setForwardingEntry(entry: ForwardingEntry): void {
    setForwardingEntry(this, entry)
  }

  deleteForwardingEntry(entry: Pick<ForwardingEntry, 'linkIndex' | 'macAddress'>): void {
    deleteForwardingEntry(this, entry)
  }

  readSysctl(path: string): string {
    return readSysctl(this, path)
  }

  writeSysctl(path: string, value: string): void {
    writeSysctl(this, path, value)
  }

  keepPacketFilter(table: FilterTable): readonly FilterChange[] {
    return this.#filters.keep(table)
  }

  deletePacketFilter(name: string): void {
    this.#filters.delete(name)
  }

  packetFilterCounters(name: string): ReadonlyMap<string, FilterCounter> {
    return this.#filters.counters(name)
  }

  counters(): ReadonlyMap<string, number> {
    return readNetworkCounters(this)
  }

  watch(listener: (event: KernelEvent) => void): Closable {
    return watch(this, this.#resources, listener)
  }

  capture(options: CaptureOptions, onPacket: (packet: CapturedPacket) => void): Capture {
    return capture(this, this.#resources, options, onPacket)
  }

  sendPacket(packet: Uint8Array): void {
    this.#rawSender ??= this.#resources.keep(new RawSender(this))
    this.#rawSender.send(packet)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#resources.closeAll()
    this.#netlink?.close()
    this.#netfilter?.close()
    closeSync(this.namespaceFd)
    this.#onClose()
  }
}

function namespaceOf(kernel: Kernel): number {
  if (kernel instanceof LinuxKernel) return kernel.namespaceFd
  throw new TypeError(`${kernel.name} is not a namespace of this machine`)
}
