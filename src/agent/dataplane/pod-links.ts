import { isKernelError, type Kernel, type Link, type Machine } from '../../kernel/kernel.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'

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

/**
 * Makes both ends of a pod's link as they should be, and answers the host's, which is looked at for both.
 * The end that takes more is changed first, or the other last, so that nothing that is sent in between is
 * too large. What the kernel refuses is told, and taken for done until everything is read anew.
 */
export function keepPodLink(
  { kernel, machine, log }: PodLinkNeeds,
  hostEnd: Link,
  { networkNamespace, interfaceName, followsNodeMtu }: PodEnd,
  wanted: PodLinkSettings,
): Link {
  const mtu = followsNodeMtu === true ? allowedMtu(hostEnd, wanted) : hostEnd.mtu
  // A kernel that does not tell of segments has no such setting.
  const segmentOctets = hostEnd.segmentOctets && (wanted.segmentOctets ?? hostEnd.segmentOctets)
  if (mtu === hostEnd.mtu && segmentOctets === hostEnd.segmentOctets) return hostEnd
  const change = {
    ...(mtu === hostEnd.mtu ? {} : { mtu }),
    ...(segmentOctets === undefined ? {} : { segmentOctets }),
  }
  const changeHostEnd = (): void => kernel.changeLink(hostEnd.index, change)
  try {
    if (mtu > hostEnd.mtu) changeHostEnd()
    const pod = machine.openNamespace(networkNamespace)
    try {
      const podEnd = pod.link(interfaceName)
      if (podEnd !== undefined) pod.changeLink(podEnd.index, change)
    } finally {
      pod.close()
    }
    if (mtu <= hostEnd.mtu) changeHostEnd()
  } catch (thrown) {
    if (!isKernelError(thrown)) throw thrown
    const error = messageOf(thrown)
    log.warn('Failed to change the link of a pod', { link: hostEnd.name, ...change, error })
  }
  return { ...hostEnd, ...change }
}

function allowedMtu(hostEnd: Link, { mtu, mtuMayGrow }: PodLinkSettings): number {
  return mtuMayGrow ? mtu : Math.min(mtu, hostEnd.mtu)
}
