import { isKernelError, type Kernel, type Link, type Machine } from '../kernel/kernel.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'

export interface PodSegmentsNeeds {
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
}

/**
 * Has both ends of a pod's link take TCP segments of this size. The pod's end is done first, so that the
 * host's, which is looked at, says when both are. What the kernel refuses is told and costs speed only.
 */
export function setPodSegment(
  { kernel, machine, log }: PodSegmentsNeeds,
  hostEnd: Link,
  { networkNamespace, interfaceName }: PodEnd,
  segmentOctets: number,
): void {
  try {
    const pod = machine.openNamespace(networkNamespace)
    try {
      const link = pod.link(interfaceName)
      if (link !== undefined) pod.changeLink(link.index, { segmentOctets })
    } finally {
      pod.close()
    }
    kernel.changeLink(hostEnd.index, { segmentOctets })
  } catch (thrown) {
    if (!isKernelError(thrown)) throw thrown
    const error = messageOf(thrown)
    log.warn('A pod keeps TCP segments of another size', { link: hostEnd.name, error })
  }
}
