import { isInterfaceName } from '../../../net/interface-name.ts'
import * as vxlan from '../../../wire/packet/vxlan.ts'
import type { VxlanSettings } from '../../kernel.ts'
import { addAddress, addRoutes4, startIpv6, stopIpv6 } from './address-config.ts'
import { type Addr } from '../routing/addr.ts'
import { Device, type LinkDriver } from '../links/device.ts'
import { SCOPE } from '../routing/fib.ts'
import type { Namespace } from '../namespace.ts'
import { refusal, toLink } from './port-values.ts'
import { flushRoutesOf, reviveRoutesOf } from './route-config.ts'

/** 127.0.0.1 */
const LOOPBACK4 = 0x7f000001

/** Makes a device and registers it with its namespace (register_netdevice). */
export function registerDevice(
  namespace: Namespace,
  options: {
    name: string
    driver: LinkDriver
    mtu: number
    mac: number | undefined
    carrier: boolean
    vxlan?: VxlanSettings
  },
): Device {
  checkName(namespace, options.name)
  const device = new Device({
    ...options,
    namespace,
    index: namespace.nextIndex++,
    conf: namespace.sysctl.addLink(options.name),
  })
  namespace.devices.set(device.index, device)
  namespace.byName.set(device.name, device)
  announce(device)
  return device
}

function checkName(namespace: Namespace, name: string): void {
  if (!isInterfaceName(name)) {
    throw refusal('EINVAL', `Unable to name a link "${name}": expected 1 to 15 characters`)
  }
  if (namespace.byName.has(name)) throw refusal('EEXIST', `Unable to create link ${name}`)
}

export function announce(device: Device, change: 'set' | 'removed' = 'set'): void {
  device.namespace.emit(() => ({ kind: 'link', change, link: toLink(device) }))
}

/** IFF_UP set: routes of its addresses come, carriers change. */
export function setUp(device: Device): void {
  if (device.up) return
  const { namespace } = device
  device.up = true
  updateCarrier(device)
  if (device.isLoopback && !device.addresses4.some((own) => own.addr === LOOPBACK4)) {
    addAddress(namespace, device, LOOPBACK4, 8, SCOPE.host) // inetdev_event
  }
  for (const own of device.addresses4) addRoutes4(namespace, device, own)
  reviveRoutesOf(namespace, device)
  if (device.carrier) startIpv6(namespace, device)
  announce(device)
}

/** IFF_UP cleared: routes by it go, neighbours are forgotten, IPv6 addresses too. */
export function setDown(device: Device): void {
  if (!device.up) return
  const { namespace } = device
  device.up = false
  updateCarrier(device)
  stopIpv6(namespace, device)
  flushRoutesOf(namespace, device, 'down')
  namespace.neighbors4.flush(device)
  namespace.neighbors6.flush(device)
  namespace.changed()
  announce(device)
}

/** Works out carriers anew after a link or its peer changed. */
function updateCarrier(device: Device): void {
  const { peer, master } = device
  if (peer !== undefined) {
    const isOn = device.up && peer.up
    setCarrier(device, isOn)
    setCarrier(peer, isOn)
  }
  if (device.bridge !== undefined) refreshBridge(device)
  if (master !== undefined) refreshBridge(master)
}

/** Carrier as the driver reports it; the neighbours of a link that lost it are flushed (neigh_carrier_down). */
export function setCarrier(device: Device, carrier: boolean): void {
  if (device.carrier === carrier) return
  device.carrier = carrier
  const { namespace, master } = device
  if (carrier && device.up) startIpv6(namespace, device)
  if (!carrier) {
    namespace.neighbors4.flush(device, true)
    namespace.neighbors6.flush(device, true)
  }
  namespace.changed()
  if (device.up) announce(device)
  if (master !== undefined) refreshBridge(master)
}

/** A bridge has carrier while a port has; ports that went down are no longer known ways. */
function refreshBridge(bridge: Device): void {
  const { ports, learned } = bridge.bridge!
  for (const [mac, port] of learned) if (!port.up || !port.carrier) learned.delete(mac)
  setCarrier(bridge, ports.length === 0 || ports.some((port) => port.up && port.carrier))
}

/** Joins a bridge or leaves it (br_add_if, br_del_if). */
export function setMaster(device: Device, master: Device | undefined): void {
  if (device.master === master) return
  if (master !== undefined && (master.bridge === undefined || device.bridge !== undefined)) {
    throw refusal('EOPNOTSUPP', `Unable to make ${device.name} a port of ${master.name}`)
  }
  const before = device.master
  if (before !== undefined) {
    const { ports, learned } = before.bridge!
    ports.splice(ports.indexOf(device), 1)
    for (const [mac, port] of learned) if (port === device) learned.delete(mac)
    device.master = undefined
    adoptMac(before)
    adoptMtu(before)
    refreshBridge(before)
  }
  if (master !== undefined) {
    device.master = master
    master.bridge!.ports.unshift(device)
    adoptMac(master)
    adoptMtu(master)
    refreshBridge(master)
  }
  announce(device)
}

/** A bridge nobody gave an address has the lowest of its ports' (br_stp_recalculate_bridge_id). */
function adoptMac(bridge: Device): void {
  const state = bridge.bridge!
  if (state.ownMac || state.ports.length === 0) return
  setMac(bridge, Math.min(...state.ports.map((port) => port.mac ?? Infinity)))
}

/** A bridge whose MTU nobody set has the least of its ports' (br_mtu_auto_adjust). */
function adoptMtu(bridge: Device): void {
  const { ports, ownMtu } = bridge.bridge!
  if (!ownMtu) changeMtu(bridge, Math.min(...ports.map((port) => port.mtu), 1500))
}

export function setMac(device: Device, mac: number): void {
  if (device.mac === mac) return
  device.mac = mac
  // neigh_changeaddr: what was learned by the old address is learned again.
  device.namespace.neighbors4.flush(device, true)
  device.namespace.neighbors6.flush(device, true)
  announce(device)
  if (device.master !== undefined) adoptMac(device.master)
}

export function rename(device: Device, name: string): void {
  if (device.name === name) return
  const { namespace } = device
  checkName(namespace, name)
  namespace.byName.delete(device.name)
  namespace.sysctl.renameLink(device.name, name)
  device.name = name
  namespace.byName.set(name, device)
  announce(device)
}

/** Takes all that a namespace holds of a link away from it (unregister_netdevice, dev_change_net_namespace). */
function detach(device: Device): void {
  const { namespace } = device
  setDown(device)
  if (device.master !== undefined) setMaster(device, undefined)
  for (const port of device.bridge?.ports.slice() ?? []) setMaster(port, undefined)
  const addresses: Addr[] = device.addresses4.map((each) => each.addr)
  flushRoutesOf(namespace, device, 'removed')
  for (const addr of addresses) {
    const count = (namespace.local.get(addr) ?? 1) - 1
    if (count <= 0) namespace.local.delete(addr)
    else namespace.local.set(addr, count)
  }
  device.addresses4.length = 0
  device.addresses6.length = 0
  namespace.neighbors4.flush(device)
  namespace.neighbors6.flush(device)
  namespace.devices.delete(device.index)
  namespace.byName.delete(device.name)
  namespace.sysctl.removeLink(device.name)
  device.taps.clear()
  namespace.changed()
  announce(device, 'removed')
}

/** The link beneath a VXLAN link. */
function parentOf({ namespace, vxlan }: Device): Device | undefined {
  return namespace.devices.get(vxlan?.settings.parentIndex ?? 0)
}

/** Deletes a link; the other end of a veth goes with it, and VXLAN links above (vxlan_handle_lowerdev_unregister). */
export function deleteDevice(device: Device): void {
  for (const each of Array.from(device.namespace.devices.values())) {
    if (parentOf(each) === device) deleteDevice(each)
  }
  const { peer } = device
  detach(device)
  if (peer !== undefined) {
    device.peer = undefined
    peer.peer = undefined
    detach(peer)
  }
}

/** Moves a link to another namespace, where it keeps its index if that is free. */
export function moveDevice(device: Device, to: Namespace): void {
  if (device.namespace === to) return
  if (to.byName.has(device.name)) {
    throw refusal('EEXIST', `Unable to move link ${device.name} to ${to.name}`)
  }
  detach(device)
  device.namespace = to
  if (to.devices.has(device.index)) device.index = to.nextIndex++
  else to.nextIndex = Math.max(to.nextIndex, device.index + 1)
  device.conf = to.sysctl.addLink(device.name)
  to.devices.set(device.index, device)
  to.byName.set(device.name, device)
  announce(device)
}

export function setMtu(device: Device, mtu: number): void {
  if (mtu < 68 || mtu > 65_535) {
    throw refusal('EINVAL', `Unable to set MTU ${mtu} of ${device.name}: expected 68 to 65535`)
  }
  const parent = parentOf(device)
  if (parent !== undefined && mtu > parent.mtu - vxlan.OVERHEAD_OCTETS) {
    throw refusal('EINVAL', `Unable to set MTU ${mtu} of ${device.name}: it goes by ${parent.name}`)
  }
  if (device.bridge !== undefined) device.bridge.ownMtu = true
  changeMtu(device, mtu)
}

/** GSO_MAX_SIZE: what a veth can cut; others no more than they begin with (TSO_LEGACY_MAX_SIZE). */
const VETH_SEGMENT_OCTETS = 8 * 65_535

export function setSegmentOctets(device: Device, octets: number): void {
  const most = device.driver.kind === 'veth' ? VETH_SEGMENT_OCTETS : 65_536
  if (octets > most) {
    throw refusal('EINVAL', `Unable to have ${device.name} cut ${octets} octets: at most ${most}`)
  }
  // Nobody is told: do_setlink does not count it as a change to tell of.
  device.segmentOctets = octets
}

function changeMtu(device: Device, mtu: number): void {
  if (device.mtu === mtu) return
  // rt6_mtu_change: routes that had the link's MTU, or more than there is now, follow it.
  for (const route of device.namespace.routing6.routes()) {
    if (route.mtu === undefined || route.nextHops[0]?.device !== device) continue
    if (route.mtu >= mtu || route.mtu === device.mtu) route.mtu = mtu
  }
  device.mtu = mtu
  device.namespace.changed()
  announce(device)
  if (device.master !== undefined) adoptMtu(device.master)
}
