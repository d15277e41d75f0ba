import { isKernelError, type Kernel, KernelError, type Link } from '../../../kernel/kernel.ts'
import { TUNNEL_DROPS, type TunnelDrop } from '../../../kernel/tunnel-drops.ts'
import { familyOf, type IpAddress } from '../../../net/ip-address.ts'
import type { Prefix } from '../../../net/prefix.ts'
import { loadProgram } from '../ebpf/bpf.ts'
import { decapsulateProgram } from '../ebpf/decapsulate.ts'
import { encapsulateProgram } from '../ebpf/encapsulate.ts'
import { guardProgram } from '../ebpf/guard.ts'
import { LinuxKernel } from '../linux-kernel.ts'
import { watchPathMtus } from '../capture/path-mtus.ts'
import {
  attachedProgram,
  attachProgram,
  detachProgram,
  type Hook,
} from '../netlink/traffic-control.ts'
import { createTunnelPair, insideEnd } from './tunnel-link.ts'
import { openTunnelMaps, PROGRAM_PREFIX, type TunnelMaps } from './tunnel-maps.ts'

export interface TunnelSettings {
  /** The node's own address: source of what leaves, destination of what comes. */
  readonly localAddress: IpAddress
  /** Links by which other nodes' packets come in. */
  readonly underlays: readonly number[]
  /** All nodes, and who is trusted like one. From others nothing is taken out of its outer header. */
  readonly senders: readonly Prefix[]
}

const ETHERNET_OCTETS = 14

/**
 * Makes a tunnel do what its routes say, and answers its link: the kernel's ipip device where there is
 * one, else a pair of links with programs at them. Does only what is not done yet, so that it can be
 * called again at any time; a tunnel that is right goes on without losing a packet.
 *
 * @param name "tunl0"
 */
export function createTunnel(
  kernel: Kernel,
  name: string,
  settings: TunnelSettings,
  mtu?: number,
): Link {
  const link = kernel.link(name) ?? createLink(kernel, name, mtu)
  if (link.kind === 'ipip') return link
  equipTunnel(linuxKernel(kernel), link, settings)
  return link
}

/** The agent's port to tunnels of programs, for one namespace. */
export function tunnelPrograms(context: LinuxKernel) {
  return {
    create: (name: string, mtu: number) => createTunnelPair(context, name, mtu),
    made: (link: Link) => insideEnd(context, link) !== undefined,
    equip: (link: Link, settings: TunnelSettings) => equipTunnel(context, link, settings),
    guard: (settings: TunnelSettings) => guardTunnel(context, settings),
    remove: (name: string) => removeTunnel(context, name),
    watchPathMtus: (address: IpAddress, listener: (node: IpAddress, mtu: number) => void) =>
      watchPathMtus(context, address, listener),
    drops: (link: Link) => readTunnelDrops(context, link),
  }
}

function createLink(kernel: Kernel, name: string, mtu: number | undefined): Link {
  try {
    return kernel.createLink({ kind: 'ipip', name, ...(mtu === undefined ? {} : { mtu }) })
  } catch (thrown) {
    if (!isKernelError(thrown, 'EOPNOTSUPP')) throw thrown
    return createTunnelPair(linuxKernel(kernel), name, mtu)
  }
}

function linuxKernel(kernel: Kernel): LinuxKernel {
  if (kernel instanceof LinuxKernel) return kernel
  throw new TypeError(`${kernel.name} is no Linux namespace`)
}

/** Hangs the programs at a pair that is there, and tells them from whom to take packets. */
export function equipTunnel(context: LinuxKernel, link: Link, settings: TunnelSettings): void {
  if (familyOf(settings.localAddress) !== 4) {
    throw new KernelError(
      'EAFNOSUPPORT',
      `${link.name} on ${context.name}: IPIP joins IPv4 addresses`,
    )
  }
  const inside = insideEnd(context, link)
  if (inside === undefined || link.macAddress === undefined) {
    throw new KernelError('ENODEV', `${link.name} on ${context.name}: its inside end is missing`)
  }
  if (!inside.up) context.changeLink(inside.index, { up: true })
  if (inside.mtu !== link.mtu) context.changeLink(inside.index, { mtu: link.mtu })
  const { segmentOctets } = link
  if (segmentOctets !== undefined && inside.segmentOctets !== segmentOctets) {
    context.changeLink(inside.index, { segmentOctets })
  }
  const maps = openTunnelMaps(context, inside.index)
  try {
    maps.setSenders(settings.senders)
    // What sends comes last: where it hangs, everything else does.
    const changed = equipUnderlays(context, { ...link, macAddress: link.macAddress }, inside, {
      ...settings,
      maps,
    })
    const title = `encapsulate ${settings.localAddress} of ${link.index}, maps ${maps.id}`
    equip(context, inside.index, title, () =>
      encapsulateProgram({
        local: settings.localAddress,
        tunnelIndex: link.index,
        sendersFd: maps.senders.fd,
        countersFd: maps.counters.fd,
      }),
    )
    if (changed) releaseOthers(context, [inside.index, ...settings.underlays])
  } finally {
    maps.close()
  }
}

function equipUnderlays(
  context: LinuxKernel,
  link: Link & { readonly macAddress: NonNullable<Link['macAddress']> },
  inside: Link,
  { localAddress, underlays, maps }: TunnelSettings & { readonly maps: TunnelMaps },
): boolean {
  const [end, mac] = [inside.index, link.macAddress]
  const title = `decapsulate ${localAddress} into ${end} ${mac}, maps ${maps.id}`
  let changed = false
  for (const index of underlays) {
    const isNew = equip(context, index, title, () =>
      decapsulateProgram({
        local: localAddress,
        insideIndex: end,
        tunnelMac: mac,
        sendersFd: maps.senders.fd,
        countersFd: maps.counters.fd,
        linkHeaderOctets: linkHeaderOctets(context, index),
      }),
    )
    changed ||= isNew
  }
  return changed
}

/**
 * Has links drop IPIP from strangers, before the kernel's own device sees it; for kernels whose packet
 * filter cannot.
 */
export function guardTunnel(context: LinuxKernel, { underlays, senders }: TunnelSettings): void {
  const [first] = underlays
  if (first === undefined) return
  const maps = openTunnelMaps(context, first)
  try {
    maps.setSenders(senders)
    for (const index of underlays) {
      equip(context, index, `${GUARD} with maps ${maps.id}`, () =>
        guardProgram({
          sendersFd: maps.senders.fd,
          countersFd: maps.counters.fd,
          linkHeaderOctets: linkHeaderOctets(context, index),
        }),
      )
    }
    releaseOthers(context, underlays)
  } finally {
    maps.close()
  }
}

/** The link whose program counts for a tunnel: its inside end, or one that is guarded. */
function countingLink(context: LinuxKernel, tunnel: Link): number | undefined {
  const inside = insideEnd(context, tunnel)?.index
  const candidates = inside === undefined ? context.links().map(({ index }) => index) : [inside]
  const prefix = inside === undefined ? `${PROGRAM_PREFIX}${GUARD}` : PROGRAM_PREFIX
  return candidates.find((index) => attachedProgram(context, index, HOOK)?.name.startsWith(prefix))
}

/** Takes a tunnel away: programs, maps and links. Does nothing where there is none of ours. */
export function removeTunnel(context: LinuxKernel, name: string): void {
  const link = context.link(name)
  if (link === undefined || insideEnd(context, link) === undefined) return
  context.deleteLink(link.index)
  releaseOthers(context, [])
}

/** Packets that the programs dropped since the tunnel was made, by reason; empty without programs. */
export function readTunnelDrops(context: LinuxKernel, link: Link): ReadonlyMap<TunnelDrop, number> {
  const index = countingLink(context, link)
  if (index === undefined) return new Map()
  const maps = openTunnelMaps(context, index)
  try {
    const names = Object.keys(TUNNEL_DROPS) as TunnelDrop[]
    return new Map(names.map((drop, index) => [drop, maps.count(index)]))
  } finally {
    maps.close()
  }
}

function linkHeaderOctets(context: LinuxKernel, index: number): number {
  const link = context.links().find((candidate) => candidate.index === index)
  if (link !== undefined) return link.macAddress === undefined ? 0 : ETHERNET_OCTETS
  throw new KernelError('ENODEV', `Tunnel over link ${index} on ${context.name}`)
}

/** Takes our programs off all links but these. */
function releaseOthers(context: LinuxKernel, keep: readonly number[]): void {
  for (const { index } of context.links()) {
    if (keep.includes(index)) continue
    const attached = attachedProgram(context, index, HOOK)
    if (attached?.name.startsWith(PROGRAM_PREFIX) === true) detachProgram(context, index, HOOK)
  }
}

const GUARD = 'guard'
/** Where all programs of the tunnel hang. */
const HOOK: Hook = 'ingress'

/** Loads and attaches a program unless the very same is attached; answers whether it was not. */
function equip(
  context: LinuxKernel,
  linkIndex: number,
  title: string,
  assemble: () => Uint8Array,
): boolean {
  const name = `${PROGRAM_PREFIX}${title}`
  if (attachedProgram(context, linkIndex, HOOK)?.name === name) return false
  const [word = ''] = title.split(' ')
  const fd = loadProgram(context.libc, `tortie_${word}`, assemble())
  try {
    attachProgram(context, linkIndex, HOOK, { fd, name })
    return true
  } finally {
    context.libc.close(fd)
  }
}
