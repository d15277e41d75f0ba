import type { IpAddress } from '../net/ip-address.ts'
import type { MacAddress } from '../net/mac-address.ts'
import type { Prefix } from '../net/prefix.ts'

/** One interface of one container on this node: what ADD made and DEL must unmake. */
export interface Attachment {
  /** Name of the CNI network. */
  readonly network: string
  readonly containerId: string
  /** Path of the pod's network namespace. */
  readonly networkNamespace: string
  /** The pod's end: "eth0". */
  readonly interfaceName: string
  /** The host's end: "cali50914021272". */
  readonly hostInterfaceName: string
  readonly orchestrator: 'k8s' | 'cni'
  readonly namespace: string
  /** Name of the pod; the container id where there is no orchestrator. */
  readonly pod: string
  readonly labels: Readonly<Record<string, string>>
  readonly addresses: readonly IpAddress[]
  /** Of the pod's end; absent until it is made. */
  readonly macAddress?: MacAddress
  readonly mtu: number
  /** What the pod's routes by the gateway lead to; everywhere when absent. */
  readonly destinations?: readonly Prefix[]
  /** Whether the pod may forward packets (net.ipv4.ip_forward). */
  readonly forwards?: boolean
  /** The machine's start in which it was made (/proc/sys/kernel/random/boot_id). */
  readonly boot?: string
  /** Of the namespace at {@link networkNamespace} when it was made: {@link Kernel.namespaceId}. */
  readonly namespaceId?: string
  /** Whether the network configuration left the MTU to the agent: it follows the node's from then on. */
  readonly followsNodeMtu?: boolean
  /** "adding" while it is not whole, before ADD has succeeded or after DEL: what is left in that state is undone. */
  readonly state: 'adding' | 'ready'
}

export function attachmentKey(of: Pick<Attachment, 'containerId' | 'interfaceName'>): string {
  // Neither may have a colon: one container's "a" and "b-c" is not another's "a-b" and "c".
  return `${of.containerId}:${of.interfaceName}`
}

/** Of the same container and interface. */
export function isSameAttachment(
  one: Pick<Attachment, 'containerId' | 'interfaceName'>,
  other: Pick<Attachment, 'containerId' | 'interfaceName'>,
): boolean {
  return attachmentKey(one) === attachmentKey(other)
}

/** How IPAM names what a container holds: Calico's handle of a CNI workload. */
export function handleOf(of: Pick<Attachment, 'network' | 'containerId'>): string {
  return `${of.network}.${of.containerId}`
}

/**
 * The node's own memory of its attachments. It outlives the agent, so that DEL, CHECK and the routes of
 * running pods do not depend on the datastore. Writes are durable when the call returns.
 */
export interface AttachmentStore {
  list(): readonly Attachment[]
  put(attachment: Attachment): void
  /** Removing what is not there does nothing. */
  delete(key: string): void
  /** Throws what {@link put} would throw now, for example on a full disk. */
  assertWritable(): void
}

/** An {@link AttachmentStore} that forgets with the process, for simulation and tests. */
export class MemoryAttachmentStore implements AttachmentStore {
  readonly #rows = new Map<string, Attachment>()

  list(): readonly Attachment[] {
    return [...this.#rows.values()]
  }

  put(attachment: Attachment): void {
    this.#rows.set(attachmentKey(attachment), attachment)
  }

  delete(key: string): void {
    this.#rows.delete(key)
  }

  assertWritable(): void {}
}
