import { isKernelError, KernelError, type Kernel, type Link } from '../../kernel/kernel.ts'
import { addressFromOctets, addressOctets, familyOf, type IpAddress } from '../../net/ip-address.ts'
import type { Context } from './context.ts'
import { type BpfMap, loadProgram } from './ebpf/bpf.ts'
import { decapsulateProgram, dropCopiesProgram, encapsulateProgram } from './ebpf/ipip-programs.ts'
import { LinuxKernel } from './linux-kernel.ts'
import { attachedProgram, attachProgram, detachProgram, type Hook } from './traffic-control.ts'
import { COPY_UNTIL_ADDRESS, openNodes, PROGRAM_PREFIX } from './tunnel-map.ts'

export interface TunnelSettings {
  /** The node's own address: source of what leaves, destination of what comes. */
  readonly localAddress: IpAddress
  /** Links by which other nodes' packets come in. */
  readonly underlays: readonly number[]
  /** Addresses of all nodes. From others nothing is taken out of its outer header. */
  readonly nodes: readonly IpAddress[]
}

const ETHERNET_OCTETS = 14
const PRESENT = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0)

/**
 * Makes a tunnel do what its routes say, and answers its link: the kernel's ipip device where there is
 * one, else a TUN device with programs around it. Does only what is not done yet, so that it can be
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
  if (link.kind !== 'tun') return link
  if (!(kernel instanceof LinuxKernel)) throw new TypeError(`${kernel.name} is no Linux namespace`)
  equipTunnel(kernel, link, settings)
  return link
}

function createLink(kernel: Kernel, name: string, mtu: number | undefined): Link {
  const size = mtu === undefined ? {} : { mtu }
  try {
    return kernel.createLink({ kind: 'ipip', name, ...size })
  } catch (thrown) {
    if (!isKernelError(thrown, 'EOPNOTSUPP')) throw thrown
    return kernel.createLink({ kind: 'tun', name, ...size })
  }
}

/** Hangs the programs around a TUN device that is there, and tells them which nodes there are. */
export function equipTunnel(context: LinuxKernel, link: Link, settings: TunnelSettings): void {
  const { localAddress } = settings
  if (familyOf(localAddress) !== 4) {
    throw new KernelError(
      'EAFNOSUPPORT',
      `${link.name} on ${context.name}: IPIP joins IPv4 addresses`,
    )
  }
  const nodes = openNodes(context, link.index)
  const map = nodes.id()
  try {
    setNodes(nodes, settings.nodes)
    // What sends comes last: where it hangs, everything else does.
    equip(context, link.index, 'ingress', 'copies', () => dropCopiesProgram())
    let changed = false
    for (const index of settings.underlays) {
      const title = `decapsulate ${localAddress} into ${link.index}, map ${map}`
      const isNew = equip(context, index, 'ingress', title, () =>
        decapsulateProgram({
          local: localAddress,
          tunnelIndex: link.index,
          nodesFd: nodes.fd,
          linkHeaderOctets: linkHeaderOctets(context, index),
        }),
      )
      changed ||= isNew
    }
    const title = `encapsulate ${localAddress}, map ${map}`
    equip(context, link.index, 'egress', title, () => encapsulateProgram(localAddress, nodes.fd))
    if (changed) releaseOthers(context, link, settings.underlays)
  } finally {
    nodes.close()
  }
}

function setNodes(map: BpfMap, nodes: readonly IpAddress[]): void {
  const wanted = new Set<string>(nodes.filter((node) => familyOf(node) === 4))
  for (const key of map.keys()) {
    const address = addressFromOctets(key)
    if (!wanted.delete(address) && address !== COPY_UNTIL_ADDRESS) map.delete(key)
  }
  for (const address of wanted) map.set(addressOctets(address as IpAddress), PRESENT)
}

function linkHeaderOctets(context: LinuxKernel, index: number): number {
  const link = context.links().find((candidate) => candidate.index === index)
  if (link !== undefined) return link.macAddress === undefined ? 0 : ETHERNET_OCTETS
  throw new KernelError('ENODEV', `Tunnel over link ${index} on ${context.name}`)
}

/** Takes our programs off links that are no longer underlays of the tunnel. */
function releaseOthers(context: LinuxKernel, tunnel: Link, underlays: readonly number[]): void {
  for (const { index } of context.links()) {
    if (index === tunnel.index || underlays.includes(index)) continue
    const attached = attachedProgram(context, index, 'ingress')
    if (attached?.name.startsWith(PROGRAM_PREFIX) === true) detachProgram(context, index, 'ingress')
  }
}

/** Loads and attaches a program unless the very same is attached; answers whether it was not. */
function equip(
  context: Context,
  linkIndex: number,
  hook: Hook,
  title: string,
  assemble: () => Uint8Array,
): boolean {
  const name = `${PROGRAM_PREFIX}${title}`
  if (attachedProgram(context, linkIndex, hook)?.name === name) return false
  const [word = ''] = title.split(' ')
  const fd = loadProgram(context.libc, `tortie_${word}`, assemble())
  try {
    attachProgram(context, linkIndex, hook, { fd, name })
    return true
  } finally {
    context.libc.close(fd)
  }
}
