import type { Closable } from '../../lib/closable.ts'
import {
  isKernelError,
  type Kernel,
  KernelError,
  type Link,
  type LinkChange,
  type Scope,
} from '../../kernel/kernel.ts'
import { ip, type IpAddress } from '../../net/ip-address.ts'
import type { Prefix } from '../../net/prefix.ts'

export const TUNNEL_LINK = 'tunl0'
/** What the kernel's own tunl0, which cannot be deleted, is called where programs take its place. */
const SET_ASIDE_LINK = 'tunl0-kernel'

/**
 * What tunl0 is made of: the kernel's ipip device, or eBPF programs for kernels without it. "auto" keeps
 * what is there, and else takes the kernel's where there is one.
 */
export const TUNNEL_KINDS = ['auto', 'kernel', 'ebpf'] as const
export type TunnelKind = (typeof TUNNEL_KINDS)[number]

export interface TunnelDevice {
  /** Octets of a packet inside the tunnel. */
  readonly mtu: number
  /** {@link Link.segmentOctets} where tunl0 is made of programs; the kernel's own device has a fixed one. */
  readonly segmentOctets?: number | undefined
  /** The node's own address in the pod network; undefined while it has none, or needs none. */
  readonly address: IpAddress | undefined
}

/**
 * The address of a tunnel's link that has no other: the IPv4 dummy address (RFC 7600), which is nobody's
 * and never leaves. By a link without any address the kernel takes nothing whose return path is another
 * link, however loosely it filters (fib_validate_source), and packets of a tunnel come before its address
 * does.
 */
export const DUMMY_ADDRESS = ip('192.0.0.8')

/** What programs must know to carry packets between nodes. */
export interface TunnelEnds {
  /** The node's own address: source of outer headers, and their destination on the way back. */
  readonly localAddress: IpAddress
  /** Links by which other nodes' packets come in. */
  readonly underlays: readonly number[]
  /** All nodes, and who is trusted like one; from others nothing is taken out of its outer header. */
  readonly senders: readonly Prefix[]
}

/** A tunl0 made of eBPF programs. */
export interface TunnelPrograms {
  /** Makes the link (down), which carries nothing yet. */
  create(name: string, mtu: number): Link
  /** Whether a link was made by {@link create}. */
  made(link: Link): boolean
  /** Makes the link do what an ipip device does. Called again at will; does only what is missing. */
  equip(link: Link, ends: TunnelEnds): void
  /** Keeps IPIP from others than `senders` away from the kernel's own device. Called again at will, too. */
  guard(ends: TunnelEnds): void
  /** Takes link and programs away. */
  remove(name: string): void
  /**
   * Tells of nodes that a packet in an outer header from `localAddress` did not reach because of its size,
   * and of the octets that would have, outer header included (ICMP: fragmentation needed).
   */
  watchPathMtus(localAddress: IpAddress, listener: (node: IpAddress, mtu: number) => void): Closable
  /** Packets dropped since the link was made, by reason. */
  drops(link: Link): ReadonlyMap<string, number>
}

export interface TunnelNeeds {
  readonly kernel: Kernel
  readonly kind: TunnelKind
  /** Absent where no programs can be loaded. */
  readonly programs: TunnelPrograms | undefined
}

export interface TunnelInUse {
  readonly link: Link
  readonly kind: Exclude<TunnelKind, 'auto'>
  /** Why this one, in words. */
  readonly reason: string
}

/** A tunnel, and what the kernel would not have of it, one sentence a setting. */
export interface KeptTunnel {
  readonly use: TunnelInUse | undefined
  readonly refused: readonly string[]
}

/**
 * Makes tunl0 as it should be: present, of the kind asked for, up, with its MTU and at most one address.
 * Writes only what differs. Undefined wanted takes programs away, and of a device of the kernel's, which
 * stays, the addresses, as Calico does. A setting that the kernel refuses keeps no other from its place.
 */
export function ensureTunnelDevice(
  needs: TunnelNeeds,
  wanted: TunnelDevice | undefined,
): KeptTunnel {
  const { kernel } = needs
  if (wanted === undefined) {
    const link = kernel.link(TUNNEL_LINK)
    if (link === undefined) return { use: undefined, refused: [] }
    if (needs.programs?.made(link) === true) needs.programs.remove(TUNNEL_LINK)
    else setOnlyAddress(kernel, link, undefined)
    return { use: undefined, refused: [] }
  }
  const refused: string[] = []
  const change = (settings: LinkChange): void => {
    const refusal = refusalOf(() => kernel.changeLink(link.index, settings))
    if (refusal !== undefined) refused.push(refusal)
  }
  const { link, ...use } = tunnelLink(needs, wanted.mtu)
  if (link.mtu !== wanted.mtu) change({ mtu: wanted.mtu })
  const { segmentOctets } = wanted
  if (use.kind === 'ebpf' && segmentOctets !== undefined && link.segmentOctets !== segmentOctets) {
    change({ segmentOctets })
  }
  if (!link.up) kernel.changeLink(link.index, { up: true })
  setTunnelAddress(kernel, link, wanted.address)
  return { use: { link: kernel.link(TUNNEL_LINK) ?? link, ...use }, refused }
}

/** What the kernel said to a setting that it does not take. */
export function refusalOf(change: () => void): string | undefined {
  try {
    change()
    return undefined
  } catch (thrown) {
    if (!isKernelError(thrown)) throw thrown
    return thrown.message
  }
}

/** The tunl0 that is there, if it is of the right kind, else a new one. */
function tunnelLink(needs: TunnelNeeds, mtu: number): TunnelInUse {
  const { kernel, kind, programs } = needs
  const there = kernel.link(TUNNEL_LINK)
  const reason = kind === 'auto' ? undefined : `the setting says ${kind}`
  if (there?.kind === 'ipip') {
    if (kind === 'ebpf') setAside(kernel, there)
    else return { link: there, kind: 'kernel', reason: reason ?? 'this kernel has an ipip module' }
  } else if (there !== undefined && programs?.made(there) === true) {
    if (kind === 'kernel') programs.remove(TUNNEL_LINK)
    else return { link: there, kind: 'ebpf', reason: reason ?? WITHOUT_MODULE }
  } else if (there !== undefined) {
    throw new KernelError(
      'EEXIST',
      `${TUNNEL_LINK} on ${kernel.name} is a ${there.kind} link that is no tunnel of ours: rename or delete it`,
    )
  }
  return createTunnelLink(needs, mtu, reason)
}

const WITHOUT_MODULE = 'this kernel has no ipip module'

function createTunnelLink(
  { kernel, kind, programs }: TunnelNeeds,
  mtu: number,
  reason: string | undefined,
): TunnelInUse {
  if (kind !== 'ebpf') {
    takeBack(kernel)
    try {
      const link = kernel.createLink({ kind: 'ipip', name: TUNNEL_LINK, mtu })
      return { link, kind: 'kernel', reason: reason ?? 'this kernel has an ipip module' }
    } catch (thrown) {
      // EEXIST: the module brought tunl0 itself, as it does in every namespace.
      const made = kernel.link(TUNNEL_LINK)
      if (isKernelError(thrown, 'EEXIST') && made?.kind === 'ipip') {
        return { link: made, kind: 'kernel', reason: reason ?? 'this kernel has an ipip module' }
      }
      if (!isKernelError(thrown, 'EOPNOTSUPP', 'ENOTSUP', 'ENODEV')) throw thrown
      if (kind === 'kernel') {
        throw new KernelError(
          thrown.code,
          `${WITHOUT_MODULE}, and the setting says kernel; load the module or say auto or ebpf`,
        )
      }
    }
  }
  if (programs === undefined) {
    const why = kind === 'ebpf' ? 'the setting says ebpf' : WITHOUT_MODULE
    throw new KernelError('EOPNOTSUPP', `${why}, and ${kernel.name} takes no eBPF programs`)
  }
  const link = programs.create(TUNNEL_LINK, mtu)
  return { link, kind: 'ebpf', reason: reason ?? WITHOUT_MODULE }
}

/** Undoes {@link setAside}. */
function takeBack(kernel: Kernel): void {
  const aside = kernel.link(SET_ASIDE_LINK)
  if (aside?.kind === 'ipip') kernel.changeLink(aside.index, { name: TUNNEL_LINK })
}

/** The kernel's device goes on under another name, without an address and down. */
function setAside(kernel: Kernel, link: Link): void {
  setOnlyAddress(kernel, link, undefined)
  kernel.changeLink(link.index, { up: false })
  kernel.changeLink(link.index, { name: SET_ASIDE_LINK })
}

/** Gives the link of a tunnel its address, or {@link DUMMY_ADDRESS} while it has none. */
export function setTunnelAddress(kernel: Kernel, link: Link, address: IpAddress | undefined): void {
  if (address !== undefined) setOnlyAddress(kernel, link, address)
  else setOnlyAddress(kernel, link, DUMMY_ADDRESS, 'host')
}

/** Gives a link one IPv4 address, of a single host, and takes all others; undefined takes all. */
function setOnlyAddress(
  kernel: Kernel,
  link: Link,
  wanted: IpAddress | undefined,
  scope: Scope = 'global',
): void {
  const rows = kernel
    .addresses()
    .filter((row) => row.linkIndex === link.index && !row.address.includes(':'))
  const right = rows.find((row) => row.address === wanted && row.prefixLength === 32)
  // First the new one: the link is never without.
  if (wanted !== undefined && right === undefined) {
    kernel.addAddress({ linkIndex: link.index, address: wanted, prefixLength: 32, scope })
  }
  for (const row of rows) if (row !== right) kernel.deleteAddress(row)
}
