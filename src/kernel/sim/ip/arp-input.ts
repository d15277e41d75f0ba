import * as arp from '../../../wire/packet/arp.ts'
import * as ethernet from '../../../wire/packet/ethernet.ts'
import * as ipv4 from '../../../wire/packet/ipv4.ts'
import { ETHER_TYPE } from '../../../wire/packet/protocols.ts'
import { isLoopbackAddr, isMulticastAddr, sameNetwork } from '../routing/addr.ts'
import type { Device, Frame } from '../links/device.ts'
import { SCOPE } from '../routing/fib.ts'
import { addressType, type Namespace } from '../namespace.ts'
import type { NeighborEntry } from './neighbors.ts'
import { routeInput4 } from '../routing/route-input.ts'
import { selectAddress4 } from '../routing/routing.ts'

/** Takes an ARP message that came in by a link (arp_process). */
export function receiveArp(namespace: Namespace, device: Device, frame: Frame): void {
  const { octets } = frame
  if (!device.needsNeighbors || !arp.check(octets)) return
  const isToUs = frame.destination === device.mac || ethernet.isMulticast(frame.destination)
  const operation = arp.operation(octets)
  const sender = arp.senderAddress(octets)
  const target = arp.targetAddress(octets)
  const isKnown = operation === arp.OPERATION.request || operation === arp.OPERATION.reply
  const isNonsense =
    isMulticastAddr(target) || (isLoopbackAddr(target) && !localnet(namespace, device))
  if (!isToUs || !isKnown || isNonsense) return
  if (operation === arp.OPERATION.request && answer(namespace, device, frame, sender, target))
    return
  if (sender !== 0) learn(namespace, device, frame, operation, sender)
}

function localnet(namespace: Namespace, device: Device): boolean {
  return device.conf.conf4.route_localnet !== 0 || namespace.sysctl.all.conf4.route_localnet !== 0
}

/** Whether the request was for an address that is ours to answer for, answered or not. */
function answer(
  namespace: Namespace,
  device: Device,
  frame: Frame,
  sender: number,
  target: number,
): boolean {
  const senderMac = arp.senderMac(frame.octets)
  if (sender === 0) {
    // Duplicate address detection (RFC 5227): answered for our own addresses only.
    if (namespace.isLocal(target) && !ignores(namespace, device, sender, target)) {
      reply(device, senderMac, sender, target)
    }
    return true
  }
  const route = routeInput4(namespace, device, sender, target)
  if (route.kind === 'local') {
    if (!route.isBroadcast && !ignores(namespace, device, sender, target)) {
      noteSender(namespace, device, sender, senderMac)
      reply(device, senderMac, sender, target)
    }
    return !route.isBroadcast
  }
  if (route.kind !== 'forward' || !proxies(namespace, device, route.hop.device)) return false
  noteSender(namespace, device, sender, senderMac)
  const delay = device.conf.neigh4.proxy_delay * 10
  if (delay === 0 || frame.destination === device.mac) reply(device, senderMac, sender, target)
  else proxyLater(namespace, device, delay, () => reply(device, senderMac, sender, target))
  return true
}

/** arp_fwd_proxy: the target must be reached by another link than the one that asks. */
function proxies(namespace: Namespace, device: Device, output: Device | undefined): boolean {
  const { conf4 } = device.conf
  if (conf4.forwarding === 0) return false
  const all = namespace.sysctl.all.conf4
  const isProxy = conf4.proxy_arp !== 0 || all.proxy_arp !== 0
  return (isProxy && output !== device) || (conf4.proxy_arp_pvlan !== 0 && output === device)
}

/** pneigh_enqueue: a random time up to proxy_delay, and no more than proxy_qlen at once. */
function proxyLater(namespace: Namespace, device: Device, delay: number, send: () => void): void {
  if (device.proxyQueue >= device.conf.neigh4.proxy_qlen) return
  device.proxyQueue++
  namespace.machine.clock.after(namespace.machine.random.fraction() * delay, () => {
    device.proxyQueue--
    if (device.up) send()
  })
}

function ignores(namespace: Namespace, device: Device, sender: number, target: number): boolean {
  const level = Math.max(device.conf.conf4.arp_ignore, namespace.sysctl.all.conf4.arp_ignore)
  if (level === 0) return false
  if (level === 8) return true
  const own = device.addresses4.find((each) => each.addr === target)
  if (level === 1) return own === undefined
  // Some network of the link must have both; who has no address is of every network (confirm_addr_indev).
  const isSame = device.addresses4.some(
    ({ addr, length }) =>
      sameNetwork(addr, target, length) && (sender === 0 || sameNetwork(addr, sender, length)),
  )
  return own === undefined || !isSame
}

function noteSender(namespace: Namespace, device: Device, sender: number, senderMac: number): void {
  const entry = namespace.neighbors4.getOrCreate(device, sender)
  if (entry === undefined) return
  namespace.neighbors4.update(entry, senderMac, 'stale', { override: true }, device.mac!)
}

function reply(device: Device, targetMac: number, targetAddress: number, own: number): void {
  const octets = arp.encode({
    operation: arp.OPERATION.reply,
    senderMac: device.mac!,
    senderAddress: own,
    targetMac,
    targetAddress,
  })
  sendArp(device, targetMac, octets)
}

function sendArp(device: Device, destination: number, octets: Uint8Array): void {
  device.send({
    etherType: ETHER_TYPE.arp,
    destination,
    source: device.mac!,
    octets,
    shared: false,
  })
}

/** Takes what a message says of its sender into the table, as far as it may be believed. */
function learn(
  namespace: Namespace,
  device: Device,
  frame: Frame,
  operation: number,
  sender: number,
): void {
  const table = namespace.neighbors4
  const isReply = operation === arp.OPERATION.reply
  const isGratuitous = arp.targetAddress(frame.octets) === sender
  const accepts = Math.max(device.conf.conf4.arp_accept, namespace.sysctl.all.conf4.arp_accept)
  let entry = table.get(device, sender)
  if (entry === undefined && accepts !== 0 && isGratuitous)
    entry = table.getOrCreate(device, sender)
  if (entry === undefined) return
  const lockMilliseconds = device.conf.neigh4.locktime * 10
  const override =
    namespace.machine.clock.now() > entry.updatedAt + lockMilliseconds ||
    (isGratuitous && accepts !== 0)
  const isProof = isReply && frame.destination === device.mac
  const state = isProof ? 'reachable' : 'stale'
  table.update(entry, arp.senderMac(frame.octets), state, { override }, device.mac!)
}

/** Asks for a neighbour's address (arp_solicit); the source is that of the packet that waits, if it is ours. */
export function solicitArp(namespace: Namespace, entry: NeighborEntry, unicast: boolean): void {
  const { device } = entry
  const target = entry.addr as number
  const level = Math.max(device.conf.conf4.arp_announce, namespace.sysctl.all.conf4.arp_announce)
  const waiting = entry.waiting[0]
  let source: number | undefined
  if (waiting !== undefined && waiting.etherType === ETHER_TYPE.ipv4 && level < 2) {
    const wanted = ipv4.source(waiting.octets)
    const isOurs = addressType(namespace, wanted) === 'local'
    const isOfNetwork = device.addresses4.some(
      (each) =>
        sameNetwork(each.addr, target, each.length) && sameNetwork(each.addr, wanted, each.length),
    )
    if (isOurs && (level === 0 || isOfNetwork)) source = wanted
  }
  source ??= selectAddress4(device, target, SCOPE.link) ?? 0
  const octets = arp.encode({
    operation: arp.OPERATION.request,
    senderMac: device.mac!,
    senderAddress: source,
    targetMac: 0,
    targetAddress: target,
  })
  sendArp(device, unicast && entry.mac !== undefined ? entry.mac : ethernet.BROADCAST, octets)
}
