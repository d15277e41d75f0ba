import type { Log } from '../lib/log.ts'
import { isKernelError, type Kernel, type Link } from '../kernel/kernel.ts'
import type { IpAddress } from '../net/ip-address.ts'

export const TUNNEL_LINK = 'tunl0'

export interface TunnelDevice {
  /** Octets of a packet inside the tunnel. */
  readonly mtu: number
  /** The node's own address in the pod network; undefined while it has none. */
  readonly address: IpAddress | undefined
}

/** What a TUN device must know to carry packets between nodes. */
export interface TunnelEnds {
  /** The node's own address: source of outer headers, and their destination on the way back. */
  readonly localAddress: IpAddress
  /** Links by which other nodes' packets come in. */
  readonly underlays: readonly number[]
  /** Addresses of all nodes; from others nothing is taken out of its outer header. */
  readonly nodes: readonly IpAddress[]
}

/** Makes a TUN device do what an ipip device does. Called again at will; does only what is missing. */
export type EquipTunnel = (link: Link, ends: TunnelEnds) => void

/**
 * Makes tunl0 as it should be: present, up, with its MTU and exactly one address. Undefined takes the
 * addresses off and leaves the device, as Calico does where no pool tunnels. Writes only what differs.
 */
export function ensureTunnelDevice(
  kernel: Kernel,
  wanted: TunnelDevice | undefined,
  log: Log,
): Link | undefined {
  let link = kernel.link(TUNNEL_LINK)
  if (wanted === undefined) {
    if (link !== undefined) setAddress(kernel, link, undefined)
    return link
  }
  link ??= createTunnelLink(kernel, wanted.mtu, log)
  if (link.mtu !== wanted.mtu) kernel.changeLink(link.index, { mtu: wanted.mtu })
  if (!link.up) kernel.changeLink(link.index, { up: true })
  setAddress(kernel, link, wanted.address)
  return kernel.link(TUNNEL_LINK)
}

/** The kernel's own tunnel, or where it has none a TUN device that routes look the same through. */
function createTunnelLink(kernel: Kernel, mtu: number, log: Log): Link {
  try {
    return kernel.createLink({ kind: 'ipip', name: TUNNEL_LINK, mtu })
  } catch (thrown) {
    // EEXIST: the module brought tunl0 itself, as it does in every namespace.
    const made = kernel.link(TUNNEL_LINK)
    if (isKernelError(thrown, 'EEXIST') && made !== undefined) return made
    if (!isKernelError(thrown, 'EOPNOTSUPP', 'ENOTSUP', 'ENODEV')) throw thrown
    log.info('This kernel has no ipip module; tunl0 is a TUN device', { reason: thrown.message })
    return kernel.createLink({ kind: 'tun', name: TUNNEL_LINK, mtu })
  }
}

function setAddress(kernel: Kernel, link: Link, wanted: IpAddress | undefined): void {
  const rows = kernel
    .addresses()
    .filter((row) => row.linkIndex === link.index && !row.address.includes(':'))
  const right = rows.find((row) => row.address === wanted && row.prefixLength === 32)
  for (const row of rows) if (row !== right) kernel.deleteAddress(row)
  if (wanted === undefined || right !== undefined) return
  kernel.addAddress({ linkIndex: link.index, address: wanted, prefixLength: 32, scope: 'global' })
}
