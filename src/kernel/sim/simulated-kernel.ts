import type { Closable } from '../../lib/closable.ts'
import { type Family, familyOf } from '../../net/ip-address.ts'
import type {
  TcpConnection,
  TcpListener,
  TcpStack,
  UdpSocket,
  UdpStack,
} from '../../net/transport.ts'
import * as ethernet from '../../wire/packet/ethernet.ts'
import * as ipv4 from '../../wire/packet/ipv4.ts'
import * as ipv6 from '../../wire/packet/ipv6.ts'
import { set16, set32 } from '../../wire/packet/octets.ts'
import * as vxlan from '../../wire/packet/vxlan.ts'
import {
  type Capture,
  type CapturedPacket,
  type CaptureOptions,
  type ForwardingEntry,
  type Kernel,
  type KernelEvent,
  type Link,
  type LinkAddress,
  type LinkChange,
  type LinkSpec,
  type Neighbor,
  type Route,
  type RouteAnswer,
  type RouteFilter,
  type RouteQuery,
  ROUTE_TABLE,
  type Rule,
} from '../kernel.ts'
import type { FilterChange, FilterCounter, FilterTable } from '../packet-filter.ts'
import { addAddress, deleteAddress } from './configuration/address-config.ts'
import { type Addr, addrFromText, addrToText, isAny, readAddr6 } from './routing/addr.ts'
import type { Device, LinkDriver } from './links/device.ts'
import { bridgeDriver, tunDriver, vethDriver } from './links/drivers.ts'
import { type FibRoute, isLocalType } from './routing/fib.ts'
import { outputMtu, routeOutput, sendLocal } from './ip/ip-output.ts'
import { ipipDriver } from './links/ipip-driver.ts'
import {
  deleteDevice,
  moveDevice,
  registerDevice,
  rename,
  setDown,
  setMac,
  setMaster,
  setMtu,
  setSegmentOctets,
  setUp,
} from './configuration/link-config.ts'
import { Namespace, UNLIMITED_NEIGHBORS } from './namespace.ts'
import {
  fromRule,
  macToNumber,
  refusal,
  scopeNumber,
  toForwardingEntry,
  toLink,
  toLinkAddress,
  toNeighbor,
  toRoute,
  toRule,
} from './configuration/port-values.ts'
import { addRoute, deleteRoute, replaceRoute, swapRoute } from './configuration/route-config.ts'
import { routeInput4 } from './routing/route-input.ts'
import { CaptureTap } from './links/taps.ts'
import { vxlanDriver } from './links/vxlan-driver.ts'
import type { SimTcpConnection } from './sockets/tcp-connection.ts'

/** One holder's view of a simulated namespace; what it opened is closed with it. */
export class SimulatedKernel implements Kernel {
  readonly name: string
  readonly tcp: TcpStack
  readonly udp: UdpStack
  readonly #namespace: Namespace
  readonly #held = new Set<Closable>()
  readonly #connections = new Set<SimTcpConnection>()
  #isClosed = false

  constructor(namespace: Namespace) {
    this.#namespace = namespace
    this.name = namespace.name
    this.tcp = {
      listen: (options, onAccept) => this.#listen(options, onAccept),
      connect: (options, handlers) =>
        this.#holdConnection(this.#open().tcp.connect(options, handlers)),
    }
    this.udp = {
      bind: (options, onDatagram) => this.#holdSocket(this.#open().udp.bind(options, onDatagram)),
    }
  }

  namespaceId(): string {
    return this.#namespace.id
  }

  // Links.

  links(): readonly Link[] {
    return [...this.#namespace.devices.values()].sort((a, b) => a.index - b.index).map(toLink)
  }

  link(name: string): Link | undefined {
    const device = this.#namespace.byName.get(name)
    return device === undefined ? undefined : toLink(device)
  }

  createLink(spec: LinkSpec): Link {
    return toLink(create(this.#namespace, spec))
  }

  changeLink(index: number, change: LinkChange): void {
    const device = this.#device(index)
    if (change.kernel !== undefined) moveDevice(device, namespaceOf(change.kernel))
    if (change.name !== undefined) rename(device, change.name)
    if (change.mtu !== undefined) setMtu(device, change.mtu)
    if (change.segmentOctets !== undefined) setSegmentOctets(device, change.segmentOctets)
    if (change.macAddress !== undefined) {
      if (device.bridge !== undefined) device.bridge.ownMac = true
      setMac(device, macToNumber(change.macAddress))
    }
    if (change.masterIndex !== undefined) {
      setMaster(device, change.masterIndex === null ? undefined : this.#device(change.masterIndex))
    }
    if (change.up === true) setUp(device)
    else if (change.up === false) setDown(device)
  }

  deleteLink(index: number): void {
    const device = this.#device(index)
    if (device.isLoopback) throw refusal('EOPNOTSUPP', `Unable to delete link ${device.name}`)
    // ip_tunnel_dellink: tunl0 stays, and nobody is told.
    if (device.driver.kind === 'ipip') return
    deleteDevice(device)
  }

  #device(index: number): Device {
    const device = this.#namespace.devices.get(index)
    if (device === undefined) throw refusal('ENODEV', `No link ${index} in ${this.name}`)
    return device
  }

  // Addresses.

  addresses(): readonly LinkAddress[] {
    const found: LinkAddress[] = []
    for (const device of this.#namespace.devices.values()) {
      for (const each of device.addresses4) found.push(toLinkAddress(device, each))
      for (const each of device.addresses6) found.push(toLinkAddress(device, each))
    }
    return found
  }

  addAddress(address: LinkAddress): void {
    const device = this.#device(address.linkIndex)
    const addr = addrFromText(address.address)
    addAddress(this.#namespace, device, addr, address.prefixLength, scopeNumber(address.scope))
  }

  deleteAddress(address: LinkAddress): void {
    const device = this.#device(address.linkIndex)
    const addr = addrFromText(address.address)
    if (!deleteAddress(this.#namespace, device, addr, address.prefixLength)) {
      const text = `${address.address}/${address.prefixLength}`
      throw refusal('EADDRNOTAVAIL', `Unable to delete address ${text} of ${device.name}`)
    }
  }

  // Routes and rules.

  routes(filter: RouteFilter = {}): readonly Route[] {
    const table = filter.table ?? ROUTE_TABLE.main
    const found: FibRoute[] = []
    for (const family of [4, 6] as const) {
      if (filter.family !== undefined && filter.family !== family) continue
      for (const route of this.#namespace.routing(family).routes()) {
        if (table !== 0 && route.table !== table) continue
        if (filter.protocol !== undefined && route.protocol !== filter.protocol) continue
        found.push(route)
      }
    }
    return found.sort(compareRoutes).map(toRoute)
  }

  addRoute(route: Route): void {
    addRoute(this.#namespace, route)
  }

  replaceRoute(route: Route): void {
    replaceRoute(this.#namespace, route)
  }

  swapRoute(before: Route, after: Route): void {
    swapRoute(this.#namespace, before, after)
  }

  deleteRoute(route: Route): void {
    deleteRoute(this.#namespace, route)
  }

  lookupRoute(query: RouteQuery): RouteAnswer {
    const namespace = this.#namespace
    const destination = addrFromText(query.destination)
    const source = query.source === undefined ? undefined : addrFromText(query.source)
    const input =
      query.inputLinkIndex === undefined ? undefined : this.#device(query.inputLinkIndex)
    if (input !== undefined) return this.#lookupInput(query, input, destination, source)
    const output =
      query.outputLinkIndex === undefined ? undefined : this.#device(query.outputLinkIndex)
    const route = routeOutput(namespace, { destination, source, output, mark: query.mark ?? 0 })
    if (typeof route === 'string') throw unreachable(query, route)
    return {
      type: route.hop.route.type,
      linkIndex: route.device.index,
      gateway: route.gateway === undefined ? undefined : addrToText(route.gateway),
      preferredSource: isAny(route.source) ? undefined : addrToText(route.source),
      table: route.hop.route.table,
    }
  }

  #lookupInput(
    query: RouteQuery,
    input: Device,
    destination: Addr,
    source: Addr | undefined,
  ): RouteAnswer {
    const namespace = this.#namespace
    if (typeof destination === 'number') {
      const from = typeof source === 'number' ? source : 0
      const route = routeInput4(namespace, input, from, destination)
      if (route.kind === 'error') throw unreachable(query, route.errno)
      if (route.kind === 'martian') {
        throw unreachable(query, route.reason === 'reversePath' ? 'EXDEV' : 'EINVAL')
      }
    }
    const hop = namespace
      .routing(familyOf(query.destination))
      .lookup({ destination, source, input, mark: query.mark ?? 0 })
    if (typeof hop === 'string') throw unreachable(query, hop)
    const isLocal = isLocalType(hop.route.type)
    return {
      type: hop.route.type,
      linkIndex: isLocal ? namespace.loopback.index : (hop.device ?? namespace.loopback).index,
      gateway: hop.via === undefined ? undefined : addrToText(hop.via),
      preferredSource: undefined,
      table: hop.route.table,
    }
  }

  rules(family: Family): readonly Rule[] {
    return this.#namespace.routing(family).rules.map((rule) => toRule(family, rule))
  }

  addRule(rule: Rule): void {
    const routing = this.#namespace.routing(rule.family)
    const added = fromRule(rule)
    if (routing.rules.some((other) => sameRule(other, added))) {
      throw refusal('EEXIST', `Unable to add rule ${rule.priority}`)
    }
    routing.addRule(added)
    this.#namespace.emit(() => ({ kind: 'rule', change: 'set', rule }))
  }

  deleteRule(rule: Rule): void {
    const routing = this.#namespace.routing(rule.family)
    const wanted = fromRule(rule)
    const found = routing.rules.find((other) => sameRule(other, wanted))
    if (found === undefined) throw refusal('ENOENT', `Unable to delete rule ${rule.priority}`)
    routing.removeRule(found)
    this.#namespace.emit(() => ({ kind: 'rule', change: 'removed', rule }))
  }

  // Neighbours.

  neighbors(): readonly Neighbor[] {
    const tables = [this.#namespace.neighbors4, this.#namespace.neighbors6]
    return tables
      .flatMap((table) => [...table.entries()])
      .filter((entry) => entry.state !== 'none')
      .map(toNeighbor)
  }

  setNeighbor(neighbor: Neighbor): void {
    const device = this.#device(neighbor.linkIndex)
    const table = this.#namespace.neighbors(familyOf(neighbor.address))
    const mac = neighbor.macAddress === undefined ? undefined : macToNumber(neighbor.macAddress)
    if (mac === undefined && neighbor.state !== 'noarp' && device.mac !== undefined) {
      throw refusal('EINVAL', `Unable to set neighbor ${neighbor.address} without a MAC address`)
    }
    const isPermanent = neighbor.state === 'permanent'
    const entry = table.getOrCreate(device, addrFromText(neighbor.address), isPermanent)
    if (entry === undefined) {
      throw refusal('ENOBUFS', `Unable to set neighbor ${neighbor.address}: the table is full`)
    }
    const options = { override: true, administrative: true }
    table.update(entry, mac, neighbor.state, options, device.mac ?? 0)
  }

  deleteNeighbor(neighbor: Pick<Neighbor, 'linkIndex' | 'address'>): void {
    const device = this.#device(neighbor.linkIndex)
    const table = this.#namespace.neighbors(familyOf(neighbor.address))
    const entry = table.get(device, addrFromText(neighbor.address))
    if (entry === undefined) {
      throw refusal('ENOENT', `Unable to delete neighbor ${neighbor.address} of ${device.name}`)
    }
    table.remove(entry)
  }

  forwardingEntries(linkIndex: number): readonly ForwardingEntry[] {
    const rows = this.#namespace.devices.get(linkIndex)?.vxlan?.forwarding ?? []
    return [...rows].map(([mac, remote]) => toForwardingEntry(linkIndex, mac, remote))
  }

  setForwardingEntry(entry: ForwardingEntry): void {
    const { forwarding } = this.#vxlan(entry.linkIndex)
    const mac = macToNumber(entry.macAddress)
    const remote = addrFromText(entry.remoteAddress)
    // vxlan_fdb_update: what stands for many has no one row that could be overwritten.
    if (mac === 0 || ethernet.isMulticast(mac)) {
      throw refusal('EOPNOTSUPP', `Unable to forward ${entry.macAddress}: it is no single address`)
    }
    if (forwarding.get(mac) === remote) return
    forwarding.set(mac, remote)
    this.#namespace.emit(() => ({ kind: 'forwarding', change: 'set', entry }))
  }

  deleteForwardingEntry({
    linkIndex,
    macAddress,
  }: Pick<ForwardingEntry, 'linkIndex' | 'macAddress'>): void {
    const { forwarding } = this.#vxlan(linkIndex)
    const mac = macToNumber(macAddress)
    const remote = forwarding.get(mac)
    if (remote === undefined) {
      throw refusal('ENOENT', `Unable to delete the forwarding of ${macAddress}`)
    }
    forwarding.delete(mac)
    const entry = toForwardingEntry(linkIndex, mac, remote)
    this.#namespace.emit(() => ({ kind: 'forwarding', change: 'removed', entry }))
  }

  #vxlan(linkIndex: number): NonNullable<Device['vxlan']> {
    const { name, vxlan } = this.#device(linkIndex)
    if (vxlan === undefined) throw refusal('EOPNOTSUPP', `${name} is no VXLAN link`)
    return vxlan
  }

  // Settings and figures.

  readSysctl(path: string): string {
    return this.#namespace.sysctl.read(path)
  }

  writeSysctl(path: string, value: string): void {
    this.#namespace.sysctl.write(path, value)
  }

  keepPacketFilter(table: FilterTable): readonly FilterChange[] {
    const changes = this.#namespace.packetFilter.keep(table)
    if (changes.length > 0) this.#namespace.emit(() => ({ kind: 'packetFilter' }))
    return changes
  }

  deletePacketFilter(name: string): void {
    this.#namespace.packetFilter.delete(name)
    this.#namespace.emit(() => ({ kind: 'packetFilter' }))
  }

  packetFilterCounters(name: string): ReadonlyMap<string, FilterCounter> {
    return this.#namespace.packetFilter.counters(name)
  }

  counters(): ReadonlyMap<string, number> {
    const { counters, machine } = this.#namespace
    const tables = ([4, 6] as const).flatMap((family): [string, number][] => {
      const table = family === 4 ? 'arp_cache' : 'ndisc_cache'
      // Who asks a thousand namespaces would have each count the entries of all.
      if (machine.neighborTables[family].gc_thresh3 === UNLIMITED_NEIGHBORS) return []
      return [
        [`${table}.entries`, machine.neighborEntries(family)],
        [`${table}.table_fulls`, machine.neighborTables[family].fulls],
      ]
    })
    return new Map([...counters.snapshot(), ...tables])
  }

  // Listening.

  watch(listener: (event: KernelEvent) => void): Closable {
    const { watchers, machine } = this.#open()
    let waiting: KernelEvent[] = []
    let isClosed = false
    const flush = (): void => {
      const events = waiting
      waiting = []
      for (const event of events) if (!isClosed) listener(event)
    }
    const watcher = (event: KernelEvent): void => {
      if (waiting.length === 0) machine.clock.after(0, flush)
      waiting.push(event)
    }
    watchers.add(watcher)
    return this.#hold({
      close() {
        isClosed = true
        watchers.delete(watcher)
      },
    })
  }

  capture(options: CaptureOptions, onPacket: (packet: CapturedPacket) => void): Capture {
    this.#open()
    const tap = new CaptureTap(this.#device(options.linkIndex), options, onPacket)
    const held = this.#hold(tap)
    return {
      get lost() {
        return tap.lost
      },
      close: () => held.close(),
    }
  }

  // Sending.

  sendPacket(packet: Uint8Array): void {
    const isVersion4 = ipv4.check(packet)
    if (!isVersion4 && !ipv6.check(packet)) {
      throw refusal('EINVAL', 'Unable to send what is no IP packet')
    }
    const octets = packet.slice()
    const namespace = this.#namespace
    const destination = isVersion4 ? ipv4.destination(octets) : readAddr6(octets, 24)
    // A raw socket with IP_HDRINCL is routed by its destination alone (raw_sendmsg).
    const route = routeOutput(namespace, { destination })
    if (typeof route === 'string') {
      throw refusal(route, `Unable to send to ${addrToText(destination)}`)
    }
    if (octets.length > route.device.mtu) {
      throw refusal(
        'EMSGSIZE',
        `Unable to send ${octets.length} octets by ${route.device.name}, whose MTU is ${route.device.mtu}`,
      )
    }
    if (isVersion4) completeHeader(namespace, octets, route.source as number)
    const isTooLong =
      isVersion4 &&
      ipv4.dontFragment(octets) &&
      octets.length > outputMtu(namespace, route, destination)
    sendLocal(namespace, octets, route)
    if (isTooLong) throw refusal('EMSGSIZE', `Unable to send ${octets.length} octets whole`)
  }

  // Sockets.

  #listen(
    options: Parameters<TcpStack['listen']>[0],
    onAccept: (connection: TcpConnection) => void,
  ): TcpListener {
    const listener = this.#open().tcp.listen(options, (connection) =>
      onAccept(this.#holdConnection(connection)),
    )
    const held = this.#hold(listener)
    return {
      port: listener.port,
      setMd5Key: (remote, key, prefixLength) => listener.setMd5Key(remote, key, prefixLength),
      close: () => held.close(),
    }
  }

  #holdConnection(connection: SimTcpConnection): SimTcpConnection {
    for (const each of this.#connections) {
      if (each.state === 'CLOSED') this.#connections.delete(each)
    }
    this.#connections.add(connection)
    return connection
  }

  #holdSocket(socket: UdpSocket): UdpSocket {
    const held = this.#hold(socket)
    return {
      port: socket.port,
      send: (octets, to) => socket.send(octets, to),
      close: () => held.close(),
    }
  }

  /** The namespace, for what this view holds from now on: a process that has ended opens nothing. */
  #open(): Namespace {
    if (this.#isClosed) throw new Error(`The kernel of ${this.name} is closed`)
    return this.#namespace
  }

  #hold(what: Closable): Closable {
    const held = this.#held
    const closable = {
      close() {
        if (held.delete(closable)) what.close()
      },
    }
    held.add(closable)
    return closable
  }

  /** Closes what this view holds open, as the end of a process does. */
  close(): void {
    this.#isClosed = true
    for (const held of Array.from(this.#held)) held.close()
    for (const connection of this.#connections) connection.abandon()
    this.#connections.clear()
  }

  /** For this folder: the namespace behind a kernel handed in through the port. */
  static namespaceOf(kernel: Kernel): Namespace {
    if (!(kernel instanceof SimulatedKernel)) {
      throw refusal('EINVAL', `Unable to use ${kernel.name}, which is no simulated namespace`)
    }
    return kernel.#namespace
  }
}

/** The namespace behind a kernel of a simulated machine. */
export function namespaceOf(kernel: Kernel): Namespace {
  return SimulatedKernel.namespaceOf(kernel)
}

function sameRule(a: ReturnType<typeof fromRule>, b: ReturnType<typeof fromRule>): boolean {
  return (
    a.priority === b.priority &&
    a.table === b.table &&
    a.inputLink === b.inputLink &&
    a.outputLink === b.outputLink &&
    a.mark === b.mark &&
    a.markMask === b.markMask &&
    a.source?.addr === b.source?.addr &&
    a.source?.length === b.source?.length &&
    a.destination?.addr === b.destination?.addr &&
    a.destination?.length === b.destination?.length
  )
}

/** By table, then address, the shorter prefix first, then priority. */
function compareRoutes(a: FibRoute, b: FibRoute): number {
  if (a.table !== b.table) return a.table - b.table
  if (typeof a.destination !== typeof b.destination)
    return typeof a.destination === 'number' ? -1 : 1
  if (a.destination !== b.destination) return a.destination < b.destination ? -1 : 1
  return a.length - b.length || a.priority - b.priority
}

function unreachable(query: RouteQuery, code: string): Error {
  return refusal(code, `No route to ${query.destination}`)
}

/** What the kernel fills in for raw sockets (raw_send_hdrinc). */
function completeHeader(namespace: Namespace, octets: Uint8Array, source: number): void {
  if (ipv4.source(octets) === 0) set32(octets, 12, source)
  if (ipv4.identification(octets) === 0) set16(octets, 4, namespace.nextIdentification())
  set16(octets, 2, octets.length)
  ipv4.writeChecksum(octets)
}

const DRIVERS: Readonly<Record<'bridge' | 'tun' | 'ipip', { driver: LinkDriver; mtu: number }>> = {
  bridge: { driver: bridgeDriver, mtu: 1500 },
  tun: { driver: tunDriver, mtu: 1500 },
  ipip: { driver: ipipDriver, mtu: 1480 },
}

function create(namespace: Namespace, spec: LinkSpec): Device {
  if (spec.kind === 'veth') return createVeth(namespace, spec)
  if (spec.kind === 'vxlan') return createVxlan(namespace, spec)
  const { driver, mtu } = DRIVERS[spec.kind]
  if (spec.kind === 'ipip' && spec.name !== 'tunl0' && !namespace.byName.has(spec.name)) {
    throw refusal('EOPNOTSUPP', `Unable to create ${spec.name}: only tunl0 is simulated`)
  }
  const device = registerDevice(namespace, {
    name: spec.name,
    driver,
    mtu: spec.mtu ?? mtu,
    mac: spec.kind === 'bridge' ? randomMac(namespace) : undefined,
    carrier: spec.kind !== 'tun',
  })
  if (spec.kind === 'bridge')
    device.bridge = { ports: [], learned: new Map(), ownMac: false, ownMtu: spec.mtu !== undefined }
  return device
}

function createVeth(namespace: Namespace, spec: Extract<LinkSpec, { kind: 'veth' }>): Device {
  const other = spec.peer.kernel === undefined ? namespace : namespaceOf(spec.peer.kernel)
  if (namespace.byName.has(spec.name)) throw refusal('EEXIST', `Unable to create link ${spec.name}`)
  // The kernel registers the peer first (veth_newlink), which shows in the indexes.
  const peer = registerDevice(other, {
    name: spec.peer.name,
    driver: vethDriver,
    mtu: spec.mtu ?? 1500,
    mac: spec.peer.macAddress === undefined ? randomMac(other) : macToNumber(spec.peer.macAddress),
    carrier: false,
  })
  const device = registerDevice(namespace, {
    name: spec.name,
    driver: vethDriver,
    mtu: spec.mtu ?? 1500,
    mac: spec.macAddress === undefined ? randomMac(namespace) : macToNumber(spec.macAddress),
    carrier: false,
  })
  device.peer = peer
  peer.peer = device
  return device
}

function createVxlan(namespace: Namespace, spec: Extract<LinkSpec, { kind: 'vxlan' }>): Device {
  const { name, macAddress, vxlan: settings } = spec
  const parent = namespace.devices.get(settings.parentIndex ?? 0)
  if (settings.parentIndex !== undefined && parent === undefined) {
    throw refusal('ENODEV', `Unable to create ${name}: no link ${settings.parentIndex}`)
  }
  const isTaken = [...namespace.devices.values()].some(
    ({ vxlan }) => vxlan?.settings.vni === settings.vni && vxlan.settings.port === settings.port,
  )
  if (isTaken) throw refusal('EEXIST', `Unable to create ${name}: VNI ${settings.vni} is taken`)
  const most = parent === undefined ? 1500 : parent.mtu - vxlan.OVERHEAD_OCTETS
  return registerDevice(namespace, {
    name,
    driver: vxlanDriver,
    mtu: Math.min(spec.mtu ?? most, parent === undefined ? 65_535 : most),
    mac: macAddress === undefined ? randomMac(namespace) : macToNumber(macAddress),
    carrier: true,
    vxlan: settings,
  })
}

/** eth_random_addr: locally administered, not of a group. */
function randomMac(namespace: Namespace): number {
  const { random } = namespace.machine
  const high = (random.below(0x1000000) & 0xfeffff) | 0x020000
  return high * 0x1000000 + random.below(0x1000000)
}
