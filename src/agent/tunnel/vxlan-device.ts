import type { Log } from '../../lib/log.ts'
import type { Kernel, Link, VxlanSettings } from '../../kernel/kernel.ts'
import { VXLAN_LINK } from '../../routes/ownership.ts'
import type { MacAddress } from '../../net/mac-address.ts'
import { OVERHEAD_OCTETS } from '../../wire/packet/vxlan.ts'
import { refusalOf, setTunnelAddress } from './tunnel-device.ts'
import type { VxlanDevice } from './vxlan-settings.ts'

/** The link, and what the kernel would not have of it, one sentence a setting. */
export interface KeptVxlan {
  readonly link: Link | undefined
  readonly refused: readonly string[]
}

/**
 * Makes vxlan.calico as it should be: present, up, with its settings, MAC address, MTU and exactly one
 * address ({@link setTunnelAddress}). What cannot be changed on a link that lives has it made anew. Writes only what differs. An MTU
 * that the kernel refuses leaves the link with the one that it has, or that its parent lets it have.
 *
 * @param parentIndex the link that has the node's own address
 */
export function ensureVxlanDevice(
  kernel: Kernel,
  wanted: VxlanDevice,
  parentIndex: number,
  log: Log,
): KeptVxlan {
  const refused: string[] = []
  let link = kernel.link(VXLAN_LINK)
  const { vni, port, localAddress, macAddress, mtu } = wanted
  const vxlan = { vni, port, localAddress, parentIndex, learning: false }
  if (link !== undefined && !isSame(link.vxlan, vxlan)) {
    log.info('Recreating vxlan.calico: its settings cannot be changed', { ...vxlan })
    kernel.deleteLink(link.index)
    link = undefined
  }
  const { index, ...there } = link ?? createVxlan(kernel, { macAddress, vxlan })
  if (there.macAddress !== macAddress) kernel.changeLink(index, { macAddress })
  if (there.mtu !== mtu) {
    const refusal = refusalOf(() => kernel.changeLink(index, { mtu }))
    if (refusal !== undefined) refused.push(refusal)
  }
  if (!there.up) kernel.changeLink(index, { up: true })
  setTunnelAddress(kernel, { index, ...there }, wanted.address)
  return { link: kernel.link(VXLAN_LINK), refused }
}

/** With the MTU that its parent lets it have. */
function createVxlan(
  kernel: Kernel,
  { macAddress, vxlan }: { readonly macAddress: MacAddress; readonly vxlan: VxlanSettings },
): Link {
  const parent = kernel.links().find(({ index }) => index === vxlan.parentIndex)
  const mtu = (parent?.mtu ?? 1500) - OVERHEAD_OCTETS
  return kernel.createLink({ kind: 'vxlan', name: VXLAN_LINK, mtu, macAddress, vxlan })
}

/**
 * Takes vxlan.calico away where it is not needed, as Calico does. To be called when no route leads there
 * any more: with a link goes every route of which it is one of several next hops (fib_sync_down_dev).
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
