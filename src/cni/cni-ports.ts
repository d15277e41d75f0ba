import type { Kernel, Machine } from '../kernel/kernel.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { IpAddress } from '../net/ip-address.ts'
import type { Attachment, AttachmentStore } from './attachment.ts'

/** Addresses, as far as attaching a pod needs them; the agent makes it of IPAM. */
export interface AddressSource {
  /** Assigns the wanted addresses, or one of the node's own choice, under a handle. */
  assign(request: AddressRequest): Promise<readonly IpAddress[]>
  /** Gives back all addresses of a handle but some; none is not an error. */
  release(handle: string, except: readonly IpAddress[]): Promise<void>
  /** Of some addresses those that a handle no longer has; none where the datastore does not tell. */
  lost(handle: string, addresses: readonly IpAddress[]): Promise<readonly IpAddress[]>
  /** Handles of pods that hold addresses for this node. */
  handles(): Promise<readonly string[]>
  /** Throws what {@link assign} would throw now for want of a datastore, a pool or an address. */
  assertAvailable(of: Pick<AddressRequest, 'pools' | 'isOfPodCidr'>): Promise<void>
}

export interface AddressRequest {
  readonly handle: string
  readonly namespace: string
  readonly pod: string
  /** Fixed addresses; the first free one when empty. */
  readonly wanted: readonly IpAddress[]
  /** The only pools that it may come from, by name or CIDR; when absent those that select the node. */
  readonly pools?: readonly string[]
  /** Only from the range that Kubernetes gave the node. */
  readonly isOfPodCidr?: boolean
}

/** Publishes workload endpoints; the agent makes it of the datastore. */
export interface EndpointPublisher {
  /** Why the datastore would refuse the endpoint, whatever its addresses; undefined if it would not. */
  refusal(attachment: Attachment): string | undefined
  /** @param policyType `policy.type` of the network configuration */
  publish(attachment: Attachment, policyType: string): Promise<void>
  /** Removes the endpoint if it is still this container's; a newer container's is left alone. */
  withdraw(
    of: Pick<Attachment, 'namespace' | 'pod' | 'interfaceName' | 'containerId' | 'orchestrator'>,
  ): Promise<void>
}

export interface CniServiceNeeds {
  /** Name of the agent's Node. */
  readonly node: string
  /** The machine's start, which all it made for pods does not outlive. */
  readonly boot: string
  readonly host: Kernel
  readonly machine: Pick<Machine, 'openNamespace'>
  readonly addresses: AddressSource
  readonly endpoints: EndpointPublisher
  readonly attachments: AttachmentStore
  readonly log: Log
  readonly clock: Clock
  readonly random: Random
  /** Octets of a pod's interface when the network configuration leaves it to the agent. */
  podMtu(): number
  /** Why pods cannot be attached now, or undefined. */
  notReady(): string | undefined
  /** What running pods lack on this node. */
  lacking(): readonly string[]
  /** Called after every change of the attachments. */
  onChange(): void
}
