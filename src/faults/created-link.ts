import { isKernelError, type Kernel, type Link, type LinkSpec } from '../kernel/kernel.ts'
import type { Effect, PairEnd } from './effect.ts'
import { indexOf } from './named-route.ts'

type CreatedTunnel = Extract<Effect, { do: 'create-tunnel' }>

/** Settings of a link that an agent writes, and that are lost when the link is created again. */
const LINK_SETTINGS = [
  'ipv4.conf.*.forwarding',
  'ipv4.conf.*.proxy_arp',
  'ipv4.conf.*.rp_filter',
  'ipv4.neigh.*.proxy_delay',
  'ipv6.conf.*.forwarding',
]

/** The effects that write a link's settings as they are now. */
export function settingsOf(namespace: string, link: string, kernel: Kernel): readonly Effect[] {
  return LINK_SETTINGS.map((path) => path.replace('*', link.replaceAll('.', '/'))).flatMap(
    (path) => {
      const value = readOr(kernel, path)
      return value === undefined ? [] : [{ do: 'sysctl', in: namespace, path, value } as const]
    },
  )
}

/** A kernel without IPv6 has none of its settings. */
function readOr(kernel: Kernel, path: string): string | undefined {
  try {
    return kernel.readSysctl(path).trim()
  } catch (thrown) {
    if (isKernelError(thrown)) return undefined
    throw thrown
  }
}

/** The effects that make a pair as it is now: the other end up, this one still down. */
export function createdPair(
  namespace: string,
  link: Link,
  peer: PairEnd,
  other: Link,
): readonly Effect[] {
  if (link.macAddress === undefined || other.macAddress === undefined) return []
  const end = { ...peer, mac: other.macAddress }
  return [
    { do: 'create-pair', in: namespace, link: link.name, mac: link.macAddress, peer: end },
    { do: 'link', ...peer, change: { up: true, mtu: other.mtu } },
  ]
}

/** The effect that makes a tunnel as it is now. */
export function createdTunnel(namespace: string, link: Link, kernel: Kernel): CreatedTunnel {
  const tunnel = { do: 'create-tunnel', in: namespace, link: link.name, mtu: link.mtu } as const
  if (link.vxlan === undefined || link.macAddress === undefined) return tunnel
  const { parentIndex, ...settings } = link.vxlan
  const parent = kernel.links().find(({ index }) => index === parentIndex)?.name ?? ''
  return { ...tunnel, vxlan: { ...settings, mac: link.macAddress, parent } }
}

export function tunnelSpec({ link: name, mtu, vxlan }: CreatedTunnel, kernel: Kernel): LinkSpec {
  if (vxlan === undefined) return { kind: 'ipip', name, mtu }
  const { mac: macAddress, parent, ...settings } = vxlan
  const parentIndex = parent === '' ? undefined : indexOf(kernel, parent)
  return { kind: 'vxlan', name, mtu, macAddress, vxlan: { ...settings, parentIndex } }
}
