import type { Kernel, Link, Machine } from '../../kernel/kernel.ts'
import type { Log } from '../../lib/log.ts'
import { HOST_END_MAC } from '../../routes/host-end.ts'

export interface PodLinkNeeds {
  /** The node's. */
  readonly kernel: Kernel
  readonly machine: Pick<Machine, 'openNamespace'>
  readonly log: Log
}

/** Where a pod's own end of its link is. */
export interface PodEnd {
  /** Path of the pod's namespace. */
  readonly networkNamespace: string
  /** "eth0" */
  readonly interfaceName: string
  /** Whether the network configuration left the MTU to the agent. */
  readonly followsNodeMtu?: boolean
}

/** What both ends of pods' links should be like. */
export interface PodLinkSettings {
  /** Octets, of pods that follow the node's. */
  readonly mtu: number
  /** False while packets may go by a narrower way still. */
  readonly mtuMayGrow: boolean
  /** {@link Link.segmentOctets}; undefined where it is left as it is. */
  readonly segmentOctets: number | undefined
}

/** What has its host end, beside what both ends have. */
const HOST_END = { up: true, macAddress: HOST_END_MAC } as const

/**
 * Makes a host end as whoever made it did: up, with its MAC address. Answers it as it is then. Errors: the
 * kernel's.
 */
export function keepHostEnd({ kernel, log }: Omit<PodLinkNeeds, 'machine'>, hostEnd: Link): Link {
  const { up, macAddress } = hostEnd
  if (up && macAddress === HOST_END.macAddress) return hostEnd
  kernel.changeLink(hostEnd.index, {
    ...(up ? {} : { up: true }),
    ...(macAddress === HOST_END.macAddress ? {} : { macAddress: HOST_END.macAddress }),
  })
  log.warn('Restored a pod’s link that was changed', { link: hostEnd.name, up, macAddress })
  return { ...hostEnd, ...HOST_END }
}

/**
 * Makes both ends of a pod's link as they should be, and answers the host's, which is looked at for both
 * unless `isUnsure`. The end that takes more is changed first, or the other last, so that nothing that is
 * sent in between is too large. Errors: the kernel's, when one end may have been changed.
 */
export function keepBothEnds(
  { kernel, machine }: Omit<PodLinkNeeds, 'log'>,
  hostEnd: Link,
  { networkNamespace, interfaceName, followsNodeMtu }: PodEnd,
  wanted: PodLinkSettings,
  isUnsure: boolean,
): Link {
  const mtu = followsNodeMtu === true ? allowedMtu(hostEnd, wanted) : hostEnd.mtu
  // A kernel that does not tell of segments has no such setting.
  const segmentOctets = hostEnd.segmentOctets && (wanted.segmentOctets ?? hostEnd.segmentOctets)
  const isSame = mtu === hostEnd.mtu && segmentOctets === hostEnd.segmentOctets
  if (isSame && !isUnsure) return hostEnd
  const change = {
    ...(followsNodeMtu === true ? { mtu } : {}),
    ...(segmentOctets === undefined ? {} : { segmentOctets }),
  }
  const changeHostEnd = (): void => kernel.changeLink(hostEnd.index, change)
  if (mtu > hostEnd.mtu) changeHostEnd()
  const pod = machine.openNamespace(networkNamespace)
  try {
    const podEnd = pod.link(interfaceName)
    if (podEnd !== undefined) pod.changeLink(podEnd.index, change)
  } finally {
    pod.close()
  }
  if (mtu <= hostEnd.mtu) changeHostEnd()
  return { ...hostEnd, ...change }
}

function allowedMtu(hostEnd: Link, { mtu, mtuMayGrow }: PodLinkSettings): number {
  return mtuMayGrow ? mtu : Math.min(mtu, hostEnd.mtu)
}
