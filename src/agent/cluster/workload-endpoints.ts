import { hash } from 'node:crypto'
import { messageOf } from '../../lib/errors.ts'
import { namespaceProfile } from '../../model/interface-name.ts'
import { validResource } from '../../model/parse-resource.ts'
import type { Draft } from '../../model/resource.ts'
import { workloadEndpointName } from '../../model/workload-endpoint-name.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import type { MacAddress } from '../../net/mac-address.ts'
import { isProfileName, type NetworkProfiles } from './network-profiles.ts'
import { hostPrefix } from '../../net/prefix.ts'
import { ResourceDoesNotExist, UpdateConflict } from '../../store/resource-errors.ts'
import type { Resources } from '../../store/resources.ts'

/** A pod's interface as its endpoint tells of it. */
export interface PublishedInterface {
  /** Of CNI. */
  readonly network: string
  readonly namespace: string
  readonly pod: string
  readonly orchestrator: 'k8s' | 'cni'
  readonly containerId: string
  readonly interfaceName: string
  readonly hostInterfaceName: string
  readonly addresses: readonly IpAddress[]
  readonly macAddress?: MacAddress
  readonly labels: Readonly<Record<string, string>>
}

const CONTAINER_ID_MAX = 128
const SLUG_MAX = 40

/**
 * A container's id as names of resources can have it. A runtime may call one "My_app.1": then what it is
 * like, and a digest of what it is.
 */
function storedContainerId(id: string): string {
  if (/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(id) && id.length <= CONTAINER_ID_MAX) return id
  const digest = hash('sha1', id).slice(0, 11)
  const like = id
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, SLUG_MAX)
  return `${like}-${digest}`.replaceAll(/--+/g, '-')
}

/** Pods of Kubernetes have the profile of their namespace, which Kubernetes' controllers make. */
function hasNetworkProfile({ orchestrator, network }: PublishedInterface): boolean {
  return orchestrator === 'cni' && isProfileName(network)
}

/** The workload endpoints of one node in the datastore, written and removed as pods come and go. */
export class WorkloadEndpoints {
  readonly #resources: Resources
  readonly #node: string
  readonly #profiles: NetworkProfiles

  constructor(resources: Resources, node: string, profiles: NetworkProfiles) {
    this.#resources = resources
    this.#node = node
    this.#profiles = profiles
  }

  /** Why the datastore would refuse the endpoint: a name that cannot be made, a label. */
  refusal(pod: PublishedInterface): string | undefined {
    try {
      validResource(this.#endpoint(pod))
      return undefined
    } catch (thrown) {
      return messageOf(thrown)
    }
  }

  /** @param policyType of the network configuration; "" has the profile of the network made, as in Calico */
  async publish(pod: PublishedInterface, policyType = ''): Promise<void> {
    await this.#resources.apply(this.#endpoint(pod))
    if (policyType === '' && hasNetworkProfile(pod)) await this.#profiles.ensure(pod.network)
  }

  /** Leaves an endpoint alone that names another container: a newer one of the same pod. */
  async withdraw(
    pod: Pick<
      PublishedInterface,
      'namespace' | 'pod' | 'orchestrator' | 'containerId' | 'interfaceName'
    >,
  ): Promise<void> {
    const name = this.#nameIfAny(pod)
    if (name === undefined) return // never published either
    const found = await this.#resources.find('WorkloadEndpoint', name, pod.namespace)
    if (found === undefined) return
    const { containerID } = found.spec
    const own: (string | undefined)[] = [pod.containerId, storedContainerId(pod.containerId)]
    if (containerID !== undefined && containerID !== '' && !own.includes(containerID)) return
    const { resourceVersion, uid } = found.metadata
    try {
      await this.#resources.delete('WorkloadEndpoint', name, {
        namespace: pod.namespace,
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
        ...(uid === undefined ? {} : { uid }),
      })
    } catch (thrown) {
      const replaced = thrown instanceof UpdateConflict
      if (!replaced && !(thrown instanceof ResourceDoesNotExist)) throw thrown
    }
  }

  #nameOf(
    pod: Pick<PublishedInterface, 'orchestrator' | 'pod' | 'containerId' | 'interfaceName'>,
  ): string {
    const workload = pod.orchestrator === 'k8s' ? pod.pod : storedContainerId(pod.containerId)
    return workloadEndpointName(this.#node, pod.orchestrator, workload, pod.interfaceName)
  }

  #nameIfAny(pod: Parameters<WorkloadEndpoints['withdraw']>[0]): string | undefined {
    try {
      return this.#nameOf(pod)
    } catch {
      return undefined
    }
  }

  #endpoint(pod: PublishedInterface): Draft<'WorkloadEndpoint'> {
    return {
      kind: 'WorkloadEndpoint',
      metadata: {
        name: this.#nameOf(pod),
        namespace: pod.namespace,
        labels: {
          ...pod.labels,
          'projectcalico.org/namespace': pod.namespace,
          'projectcalico.org/orchestrator': pod.orchestrator,
        },
      },
      spec: {
        orchestrator: pod.orchestrator,
        node: this.#node,
        containerID: storedContainerId(pod.containerId),
        ...(pod.orchestrator === 'k8s' ? { pod: pod.pod } : {}),
        endpoint: pod.interfaceName,
        ipNetworks: pod.addresses.map((address) => hostPrefix(address)),
        profiles: [hasNetworkProfile(pod) ? pod.network : namespaceProfile(pod.namespace)],
        interfaceName: pod.hostInterfaceName,
        ...(pod.macAddress === undefined ? {} : { mac: pod.macAddress }),
      },
    }
  }
}
