import { ROUTE_PROTOCOL, ROUTE_TABLE, type RouteType } from '../../kernel.ts'
import {
  type Addr,
  addrFamily,
  addrToText,
  isLinkLocalAddr,
  linkLocalFromMac,
  LOOPBACK6,
  maskAddr,
  sameNetwork,
} from '../routing/addr.ts'
import type { Device, LinkAddr } from '../links/device.ts'
import { type FibRoute, SCOPE } from '../routing/fib.ts'
import type { Namespace } from '../namespace.ts'
import { refusal, toLinkAddress } from './port-values.ts'
import {
  addKernelRoute,
  dropRoute,
  flushRoutesFrom,
  flushRoutesOf,
  plainHop,
} from './route-config.ts'
import { settleConf4 } from './sysctl.ts'

/** Adds an address to a link, and the routes that come with it (inet_insert_ifa, inet6_addr_add). */
export function addAddress(
  namespace: Namespace,
  device: Device,
  addr: Addr,
  length: number,
  scope: number,
): void {
  if (addrFamily(addr) === 6) return addAddress6(namespace, device, addr as string, length)
  settleConf4(device.conf)
  const list = device.addresses4
  const sameNet = list.find(
    (each) => each.length === length && sameNetwork(each.addr, addr, length),
  )
  if (list.some((each) => each.addr === addr && each.length === length)) {
    throw refusal('EEXIST', `Unable to add address ${addrToText(addr)}/${length} to ${device.name}`)
  }
  if (sameNet !== undefined && sameNet.scope !== scope) {
    throw refusal('EINVAL', `Unable to add address ${addrToText(addr)}/${length}: scope differs`)
  }
  const secondary = sameNet !== undefined
  const own: LinkAddr = { addr, length, scope, secondary, tentative: false }
  insertInOrder(list, own)
  noteLocal(namespace, addr, 1)
  announce(namespace, device, own, 'set')
  addRoutes4(namespace, device, own)
  return undefined
}

/** Primaries stand before secondaries, those of wider scope first. */
function insertInOrder(list: LinkAddr[], own: LinkAddr): void {
  if (own.secondary) {
    list.push(own)
    return
  }
  let at = 0
  list.forEach((each, index) => {
    if (!each.secondary && own.scope <= each.scope) at = index + 1
  })
  list.splice(at, 0, own)
}

function noteLocal(namespace: Namespace, addr: Addr, change: 1 | -1): void {
  const count = (namespace.local.get(addr) ?? 0) + change
  if (count <= 0) namespace.local.delete(addr)
  else namespace.local.set(addr, count)
  namespace.changed()
}

function announce(
  namespace: Namespace,
  device: Device,
  own: LinkAddr,
  change: 'set' | 'removed',
): void {
  namespace.emit(() => ({ kind: 'address', change, address: toLinkAddress(device, own) }))
}

/** fib_add_ifaddr: the address itself, its network and the network's broadcast address. */
export function addRoutes4(namespace: Namespace, device: Device, own: LinkAddr): void {
  for (const route of routesOf4(device, own)) addKernelRoute(namespace, route)
}

function routesOf4(device: Device, own: LinkAddr): FibRoute[] {
  const addr = own.addr as number
  const primary = !own.secondary
    ? own
    : (device.addresses4.find(
        (each) =>
          !each.secondary && each.length === own.length && sameNetwork(each.addr, addr, own.length),
      ) ?? own)
  const routes = [kernelRoute(device, 'local', addr, 32, SCOPE.host, primary.addr)]
  if (!device.up) return routes
  const network = maskAddr(addr, own.length) as number
  const isNetwork = network !== addr || own.length < 32
  if (network >>> 24 !== 0 && !own.secondary && isNetwork) {
    const type = device.isLoopback ? 'local' : 'unicast'
    const scope = device.isLoopback ? SCOPE.host : SCOPE.link
    routes.push(kernelRoute(device, type, network, own.length, scope, own.addr))
    if (own.length < 31) {
      const broadcast = (network | (0xffffffff >>> own.length)) >>> 0
      routes.push(kernelRoute(device, 'broadcast', broadcast, 32, SCOPE.link, own.addr))
    }
  }
  return routes
}

/** fib_magic: a route that the kernel makes for an address. */
function kernelRoute(
  device: Device,
  type: RouteType,
  destination: Addr,
  length: number,
  scope: number,
  preferredSource: Addr | undefined,
  priority = 0,
): FibRoute {
  const route: FibRoute = {
    destination,
    length,
    type,
    table: type === 'unicast' ? ROUTE_TABLE.main : ROUTE_TABLE.local,
    protocol: ROUTE_PROTOCOL.kernel,
    scope,
    priority,
    preferredSource,
    nextHops: [],
    mtu: undefined,
  }
  route.nextHops = [plainHop(route, device, scope === SCOPE.host ? SCOPE.nowhere : SCOPE.host)]
  return route
}

/** Takes an address off a link (inet_del_ifa, inet6_addr_del). Answers false if it is not there. */
export function deleteAddress(
  namespace: Namespace,
  device: Device,
  addr: Addr,
  length: number,
): boolean {
  const list = addrFamily(addr) === 4 ? device.addresses4 : device.addresses6
  const own = list.find((each) => each.addr === addr && each.length === length)
  if (own === undefined) return false
  if (addrFamily(addr) === 6) removeAddress6(namespace, device, own)
  else removeAddress4(namespace, device, own)
  return true
}

function removeAddress4(namespace: Namespace, device: Device, own: LinkAddr): void {
  const list = device.addresses4
  const secondaries = own.secondary
    ? []
    : list.filter(
        (each) =>
          each.secondary &&
          each.length === own.length &&
          sameNetwork(each.addr, own.addr, own.length),
      )
  const promotes =
    device.conf.conf4.promote_secondaries !== 0 ||
    namespace.sysctl.all.conf4.promote_secondaries !== 0
  if (!promotes) for (const each of secondaries) takeAway4(namespace, device, each)
  takeAway4(namespace, device, own)
  const heir = promotes ? secondaries[0] : undefined
  if (heir !== undefined) {
    heir.secondary = false
    for (const each of secondaries) addRoutes4(namespace, device, each)
  }
  if (list.length === 0) {
    // fib_inetaddr_event: without an address the link has no part in IPv4 routing any more.
    flushRoutesOf(namespace, device, 'disabled')
    namespace.neighbors4.flush(device)
  }
}

function takeAway4(namespace: Namespace, device: Device, own: LinkAddr): void {
  const routes = routesOf4(device, own)
  device.addresses4.splice(device.addresses4.indexOf(own), 1)
  noteLocal(namespace, own.addr, -1)
  announce(namespace, device, own, 'removed')
  const stillNeeded = device.addresses4.flatMap((each) => routesOf4(device, each))
  for (const route of routes) {
    const isNeeded = stillNeeded.some(
      (each) =>
        each.type === route.type &&
        each.destination === route.destination &&
        each.length === route.length,
    )
    if (isNeeded) continue
    const table = namespace.routing4.table(route.table)
    const found = table
      .at(route.destination, route.length)
      .find(
        (each) =>
          each.type === route.type &&
          each.protocol === ROUTE_PROTOCOL.kernel &&
          each.nextHops[0]?.device === device &&
          each.preferredSource === route.preferredSource,
      )
    if (found !== undefined) dropRoute(namespace, found)
  }
  if (!namespace.isLocal(own.addr)) flushRoutesFrom(namespace, own.addr)
}

const MULTICAST6 = '\uff00\0\0\0\0\0\0\0'
const DAD_MILLISECONDS = 1000

/** @param detect look for duplicates first, as for addresses that the kernel makes; those of the port come without */
function addAddress6(
  namespace: Namespace,
  device: Device,
  addr: string,
  length: number,
  detect = false,
): void {
  if (device.addresses6.some((each) => each.addr === addr)) {
    throw refusal('EEXIST', `Unable to add address ${addrToText(addr)}/${length} to ${device.name}`)
  }
  if (device.conf.conf6.disable_ipv6 !== 0) {
    throw refusal('EACCES', `Unable to add address ${addrToText(addr)}: IPv6 is disabled`)
  }
  const scope = isLinkLocalAddr(addr) ? SCOPE.link : addr === LOOPBACK6 ? SCOPE.host : SCOPE.global
  const own: LinkAddr = { addr, length, scope, secondary: false, tentative: false }
  device.addresses6.unshift(own)
  addPrefixRoute6(namespace, device, own)
  if (device.up && !device.isLoopback) addMulticastRoute6(namespace, device)
  const { accept_dad: acceptDad, dad_transmits: transmits } = device.conf.conf6
  const needsDetection =
    detect &&
    detect &&
    device.needsNeighbors &&
    acceptDad > 0 &&
    transmits > 0 &&
    device.up &&
    device.carrier
  if (needsDetection) {
    own.tentative = true
    const wait = (transmits + namespace.machine.random.fraction()) * DAD_MILLISECONDS
    namespace.machine.clock.after(wait, () => {
      if (own.tentative && device.addresses6.includes(own)) ready6(namespace, device, own)
    })
  } else ready6(namespace, device, own)
}

/** Duplicate address detection found nobody: the address may be used (addrconf_dad_completed). */
function ready6(namespace: Namespace, device: Device, own: LinkAddr): void {
  own.tentative = false
  noteLocal(namespace, own.addr, 1)
  addKernelRoute(namespace, kernelRoute(device, 'local', own.addr, 128, SCOPE.global, undefined))
  keepAnycast6(namespace, device)
  announce(namespace, device, own, 'set')
}

function addPrefixRoute6(namespace: Namespace, device: Device, own: LinkAddr): void {
  if (!device.up || own.addr === LOOPBACK6) return
  const network = maskAddr(own.addr, own.length)
  addKernelRoute(
    namespace,
    kernelRoute(device, 'unicast', network, own.length, SCOPE.global, undefined, 256),
  )
}

function removeAddress6(namespace: Namespace, device: Device, own: LinkAddr): void {
  device.addresses6.splice(device.addresses6.indexOf(own), 1)
  if (!own.tentative) noteLocal(namespace, own.addr, -1)
  announce(namespace, device, own, 'removed')
  const network = maskAddr(own.addr, own.length)
  const isShared = device.addresses6.some(
    (each) => each.length === own.length && maskAddr(each.addr, own.length) === network,
  )
  for (const route of namespace.routing6.routes()) {
    if (route.protocol !== ROUTE_PROTOCOL.kernel || route.nextHops[0]?.device !== device) continue
    const isHost = route.type === 'local' && route.destination === own.addr
    const isNetwork =
      !isShared &&
      route.type === 'unicast' &&
      route.length === own.length &&
      route.destination === network
    if (isHost || isNetwork) dropRoute(namespace, route)
  }
  keepAnycast6(namespace, device)
}

function addMulticastRoute6(namespace: Namespace, device: Device): void {
  const route = kernelRoute(device, 'multicast', MULTICAST6, 8, SCOPE.global, undefined, 256)
  addKernelRoute(namespace, route)
}

/** The link is up and has carrier: IPv6 gives it its link-local address (addrconf_dev_config). */
export function startIpv6(namespace: Namespace, device: Device): void {
  if (device.conf.conf6.disable_ipv6 !== 0) return
  if (device.isLoopback) {
    if (device.addresses6.length === 0) addAddress6(namespace, device, LOOPBACK6, 128)
    return
  }
  if (device.mac === undefined || device.master !== undefined) return
  addMulticastRoute6(namespace, device)
  for (const own of device.addresses6) {
    addPrefixRoute6(namespace, device, own)
    if (!own.tentative && !namespace.isLocal(own.addr)) ready6(namespace, device, own)
  }
  const linkLocal = linkLocalFromMac(device.mac)
  const hasOne = device.addresses6.some((each) => isLinkLocalAddr(each.addr))
  if (!hasOne && device.conf.conf6.addr_gen_mode === 0) {
    addAddress6(namespace, device, linkLocal, 64, true)
  }
}

/** The link went down: IPv6 forgets its addresses (addrconf_ifdown). */
export function stopIpv6(namespace: Namespace, device: Device): void {
  for (const own of device.addresses6.slice()) {
    const keeps = device.conf.conf6.keep_addr_on_down > 0 && !isLinkLocalAddr(own.addr)
    if (keeps) continue
    device.addresses6.splice(device.addresses6.indexOf(own), 1)
    if (!own.tentative) noteLocal(namespace, own.addr, -1)
    announce(namespace, device, own, 'removed')
  }
  keepAnycast6(namespace, device)
}

/** A router joins the anycast address of each subnet of its links (addrconf_join_anycast). */
export function keepAnycast6(namespace: Namespace, device: Device): void {
  const wanted = new Set<Addr>()
  if (device.conf.conf6.forwarding !== 0 && !device.isLoopback) {
    for (const { addr, length, tentative } of device.addresses6) {
      // Links of two routers have none (RFC 6164).
      const anycast = maskAddr(addr, length)
      const isOwn = device.addresses6.some((each) => each.addr === anycast)
      if (!tentative && length < 127 && !isOwn) wanted.add(anycast)
    }
  }
  for (const addr of device.anycast6) {
    if (wanted.has(addr)) continue
    device.anycast6.delete(addr)
    const found = namespace.routing6
      .table(ROUTE_TABLE.local)
      .at(addr, 128)
      .find((route) => route.type === 'anycast' && route.nextHops[0]?.device === device)
    if (found !== undefined) dropRoute(namespace, found)
  }
  for (const addr of wanted) {
    if (device.anycast6.has(addr)) continue
    device.anycast6.add(addr)
    addKernelRoute(namespace, kernelRoute(device, 'anycast', addr, 128, SCOPE.global, undefined))
  }
}
