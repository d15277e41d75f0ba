import {
  CNI_ERROR,
  CniError,
  type CniRequest,
  type NetworkConfiguration,
} from '../api/cni-protocol.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { IpAddress } from '../net/ip-address.ts'
import { type Attachment, isSameAttachment } from './attachment.ts'
import type { CniServiceNeeds } from './cni-ports.ts'
import { requestedAddresses } from './intended-attachment.ts'
import { shownValue } from './shown-value.ts'

/** The datastore of the agent has the addresses of its own node only. Errors: {@link CniError}. */
export function assertNode(
  { nodename, hostname, kubernetes }: NetworkConfiguration,
  node: string,
): void {
  const said = {
    // Calico reads the first of these that is there.
    ...(nodename ? { nodename } : { hostname }),
    'kubernetes.node_name': kubernetes?.node_name,
  }
  for (const [field, name = ''] of Object.entries(said)) {
    if (name === '' || name === node) continue
    throw new CniError(
      CNI_ERROR.invalidConfiguration,
      `${field} is ${shownValue(name)}; expected "${node}", the Node of the agent that serves here, or nothing`,
    )
  }
}

/** The addresses that ADD must give. Errors: {@link CniError}, also for one that the node itself has. */
export function wantedAddresses(
  request: CniRequest,
  { host, node }: Pick<CniServiceNeeds, 'host' | 'node'>,
): readonly IpAddress[] {
  const wanted = requestedAddresses(request)
  if (wanted.length === 0) return wanted
  const own = new Set(host.addresses().map(({ address }) => address))
  const taken = wanted.find((address) => own.has(address))
  if (taken === undefined) return wanted
  throw new CniError(CNI_ERROR.noAddress, `The address ${taken} is one of node ${node} itself`)
}

/** That nothing is in the way of an attachment, here or in the datastore. Errors: {@link CniError}. */
export function assertAttachable(
  intended: Attachment,
  pod: Kernel,
  { attachments, endpoints }: Pick<CniServiceNeeds, 'attachments' | 'endpoints'>,
): void {
  const { containerId, interfaceName, networkNamespace } = intended
  const known = attachments.list().find((row) => isSameAttachment(row, intended))
  if (known !== undefined) {
    throw new CniError(
      CNI_ERROR.conflict,
      `Container ${containerId} already has ${interfaceName} with ${known.addresses.join(', ')}: a second ADD needs a DEL first`,
    )
  }
  const refusal = endpoints.refusal(intended)
  if (refusal !== undefined) {
    throw new CniError(
      CNI_ERROR.invalidEnvironment,
      `${nameOf(intended)} with interface ${interfaceName} cannot be a workload endpoint: ${refusal}`,
    )
  }
  if (pod.link(interfaceName) === undefined) return
  throw new CniError(
    CNI_ERROR.conflict,
    `The namespace ${networkNamespace} already has an interface ${interfaceName}`,
  )
}

function nameOf({ orchestrator, namespace, pod, containerId }: Attachment): string {
  return orchestrator === 'k8s' ? `Pod ${namespace}/${pod}` : `Container ${containerId}`
}
