import type { Log } from '../lib/log.ts'
import type { Kernel, Link, VxlanSettings } from '../kernel/kernel.ts'
import { VXLAN_LINK } from '../routes/ownership.ts'
import { setTunnelAddress } from './tunnel-device.ts'
import type { VxlanDevice } from './vxlan-settings.ts'

/**
 * Makes vxlan.calico as it should be: present, up, with its settings, MAC address, MTU and exactly one
 * address ({@link setTunnelAddress}). What cannot be changed on a link that lives has it made anew. Writes only what differs.
 *
 * @param parentIndex the link that has the node's own address
 */
export function ensureVxlanDevice(
  kernel: Kernel,
  wanted: VxlanDevice,
  parentIndex: number,
  log: Log,
): Link | undefined {
  let link = kernel.link(VXLAN_LINK)
  const { vni, port, localAddress, macAddress, mtu } = wanted
  const vxlan = { vni, port, localAddress, parentIndex, learning: false }
  if (link !== undefined && !isSame(link.vxlan, vxlan)) {
    log.info('Making vxlan.calico anew: its settings cannot be changed', { ...vxlan })
    kernel.deleteLink(link.index)
    link = undefined
  }
  link ??= kernel.createLink({ kind: 'vxlan', name: VXLAN_LINK, mtu, macAddress, vxlan })
  if (link.macAddress !== macAddress) kernel.changeLink(link.index, { macAddress })
  if (link.mtu !== mtu) kernel.changeLink(link.index, { mtu })
  if (!link.up) kernel.changeLink(link.index, { up: true })
  setTunnelAddress(kernel, link, wanted.address)
  return kernel.link(VXLAN_LINK)
}

/**
 * Takes vxlan.calico away where it is not needed, as Calico does. To be called when no route leads there
 * any more: with a link goes every route of which it is one of several ways (fib_sync_down_dev).
 */
export function removeVxlanDevice(kernel: Kernel): void {
  const link = kernel.link(VXLAN_LINK)
  if (link !== undefined) kernel.deleteLink(link.index)
}

function isSame(a: VxlanSettings | undefined, b: VxlanSettings): boolean {
  return (
    a !== undefined &&
    a.vni === b.vni &&
    a.port === b.port &&
    a.localAddress === b.localAddress &&
    a.parentIndex === b.parentIndex &&
    a.learning === b.learning
  )
}
