import { Backoff } from '../lib/backoff.ts'
import { type Clock, sleep } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { isKernelError, type Kernel, type Machine } from '../kernel/kernel.ts'
import { interfaceName as hostInterfaceName } from '../model/interface-name.ts'
import { addressBits, familyOf, type IpAddress, parseIpAddress } from '../net/ip-address.ts'
import { type Attachment, attachmentKey, type AttachmentStore } from './attachment.ts'
import { attachPod, checkPod, detachPod } from './networking.ts'
import { toldRequest } from './told-request.ts'
import {
  CNI_ERROR,
  CniError,
  type CniErrorCode,
  type CniRequest,
  type CniResult,
} from '../api/cni-protocol.ts'
import { asCniError } from './failure.ts'

/** Addresses, as far as attaching a pod needs them; the agent makes it of IPAM. */
export interface AddressSource {
  /** Assigns the wanted addresses, or one of the node's own choice, under a handle. */
  assign(request: AddressRequest): Promise<readonly IpAddress[]>
  /** Gives back all addresses of a handle; none is not an error. */
  release(handle: string): Promise<void>
  /** Handles of pods that hold addresses for this node. */
  handles(): Promise<readonly string[]>
  /** Throws what {@link assign} would throw now for want of a datastore, a pool or an address. */
  assertAvailable(): Promise<void>
}

export interface AddressRequest {
  readonly handle: string
  readonly namespace: string
  readonly pod: string
  /** Fixed addresses; the first free one when empty. */
  readonly wanted: readonly IpAddress[]
}

/** Publishes workload endpoints; the agent makes it of the datastore. */
export interface EndpointPublisher {
  /** Why the datastore would refuse the endpoint, whatever its addresses; undefined if it would not. */
  refusal(attachment: Attachment): string | undefined
  publish(attachment: Attachment): Promise<void>
  /** Removes the endpoint if it is still this container's; a newer container's is left alone. */
  withdraw(
    of: Pick<Attachment, 'namespace' | 'pod' | 'interfaceName' | 'containerId' | 'orchestrator'>,
  ): Promise<void>
}

export interface CniServiceNeeds {
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

/** Between tries to take away what is left of a pod. */
const UNDO_MILLISECONDS = { firstMilliseconds: 500, mostMilliseconds: 60_000 }

/**
 * The agent's side of CNI: attaches and detaches pods. Every command may be repeated, come in any
 * order and be cut off anywhere; requests for one container run one after another.
 */
export class CniService {
  readonly #needs: CniServiceNeeds
  readonly #queues = new Map<string, Promise<unknown>>()
  /** Attachments that are being undone in the background, by key. */
  readonly #undoing = new Set<string>()
  #isStopped = false

  constructor(needs: CniServiceNeeds) {
    this.#needs = needs
  }

  /** The answer to one request: a {@link CniResult} for ADD, else null. Errors: {@link CniError}. */
  handle(request: CniRequest): Promise<CniResult | null> {
    const { log } = this.#needs
    return log.topics.cni
      ? toldRequest(log, request, () => this.#answer(request))
      : this.#answer(request)
  }

  async #answer(request: CniRequest): Promise<CniResult | null> {
    try {
      return await this.#serve(request)
    } catch (thrown) {
      throw asCniError(thrown)
    }
  }

  async #serve(request: CniRequest): Promise<CniResult | null> {
    switch (request.command) {
      case 'ADD':
        return this.#alone(request.containerId, () => this.#add(request))
      case 'DEL':
        return this.#alone(request.containerId, () => this.#delete(request))
      case 'CHECK':
        return this.#alone(request.containerId, () => this.#check(request))
      case 'GC':
        return this.#collectGarbage(request)
      case 'STATUS':
        return this.#status()
    }
  }

  /** Undoes in the background what a crash left half made, as soon as it can; to be called once, at start. */
  recover(): void {
    for (const attachment of this.#needs.attachments.list()) {
      if (attachment.state === 'adding') void this.#undoLater(attachment)
    }
  }

  stop(): void {
    this.#isStopped = true
  }

  /** Tries for ever, less and less often; a DEL in the meantime does the same at once. */
  async #undoLater(attachment: Attachment): Promise<void> {
    const { attachments, clock, random, log } = this.#needs
    const key = attachmentKey(attachment)
    if (this.#undoing.has(key)) return
    this.#undoing.add(key)
    const backoff = new Backoff({ ...UNDO_MILLISECONDS, random })
    const isUndone = async (): Promise<boolean> => {
      const left = attachments.list().find((row) => attachmentKey(row) === key)
      if (this.#isStopped || left?.state !== 'adding') return true
      try {
        await this.#undo(left)
        return true
      } catch (thrown) {
        const fields = { containerId: left.containerId, error: messageOf(thrown) }
        log.warn('What is left of a pod cannot be taken away yet; trying again', fields)
        return false
      }
    }
    while (!(await this.#alone(attachment.containerId, isUndone))) {
      await sleep(clock, backoff.next())
    }
    this.#undoing.delete(key)
  }

  async #alone<T>(containerId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#queues.get(containerId) ?? Promise.resolve()
    const mine = before.then(work, work)
    this.#queues.set(containerId, mine)
    try {
      return await mine
    } finally {
      if (this.#queues.get(containerId) === mine) this.#queues.delete(containerId)
    }
  }

  async #add(request: CniRequest): Promise<CniResult> {
    const { attachments, addresses, endpoints, host, log, onChange } = this.#needs
    this.#assertReady(CNI_ERROR.tryAgainLater)
    const intended = intend(request, this.#needs.podMtu())
    this.#assertNameable(intended)
    const pod = this.#openPod(request)
    try {
      await this.#undoUnfinished(intended)
      this.#assertFree(intended)
      if (pod.link(request.interfaceName) !== undefined) {
        throw new CniError(
          CNI_ERROR.conflict,
          `The namespace ${request.networkNamespace} already has an interface ${request.interfaceName}`,
        )
      }
      let attachment = intended
      attachments.put(attachment)
      try {
        const assigned = await addresses.assign({
          handle: handleOf(attachment),
          namespace: attachment.namespace,
          pod: attachment.pod,
          wanted: wantedAddresses(request),
        })
        attachment = { ...attachment, addresses: assigned }
        attachments.put(attachment)
        const podEnd = attachPod(host, pod, attachment)
        attachment = {
          ...attachment,
          ...(podEnd.macAddress === undefined ? {} : { macAddress: podEnd.macAddress }),
        }
        await endpoints.publish(attachment)
        attachment = { ...attachment, state: 'ready' }
        attachments.put(attachment)
      } catch (thrown) {
        await this.#undo(attachment).catch((second: unknown) => {
          const fields = { containerId: attachment.containerId, error: messageOf(second) }
          log.error('ADD failed and could not be undone yet', fields)
          void this.#undoLater(attachment)
        })
        throw thrown
      }
      onChange()
      log.info('Attached', {
        pod: `${attachment.namespace}/${attachment.pod}`,
        addresses: attachment.addresses,
      })
      return resultOf(attachment)
    } finally {
      pod.close()
    }
  }

  async #delete(request: CniRequest): Promise<null> {
    const known = this.#needs.attachments
      .list()
      .find((row) => attachmentKey(row) === attachmentKey(request))
    // Unknown here is no error: the record may have been lost, so all that can be derived is removed.
    await this.#undoOrLater(known ?? intend(request, 0))
    return null
  }

  /**
   * For DEL and GC, which go on whatever they meet: what cannot be undone now, such as what stands in a
   * datastore that is away, is remembered and left to the background.
   */
  async #undoOrLater(attachment: Attachment): Promise<void> {
    const { attachments, log } = this.#needs
    try {
      await this.#undo(attachment)
    } catch (thrown) {
      const fields = { containerId: attachment.containerId, error: messageOf(thrown) }
      log.warn('A pod is not taken away whole yet; the rest follows', fields)
      const left: Attachment = { ...attachment, state: 'adding' }
      attachments.put(left)
      void this.#undoLater(left)
    }
  }

  /** What an ADD of the same attachment left that was cut off goes before the next begins. */
  async #undoUnfinished(intended: Attachment): Promise<void> {
    const known = this.#needs.attachments.list().find((row) => isSameAttachment(row, intended))
    if (known?.state === 'adding') await this.#undo(known)
  }

  async #undo(attachment: Attachment): Promise<void> {
    const { attachments, addresses, endpoints, host, onChange } = this.#needs
    const pod = this.#tryOpenPod(attachment.networkNamespace)
    try {
      if (this.#ownsHostEnd(attachment)) detachPod(host, pod, attachment)
      else if (pod !== undefined) detachPodEnd(pod, attachment.interfaceName)
    } finally {
      pod?.close()
    }
    await endpoints.withdraw(attachment)
    if (this.#ownsHandle(attachment)) await addresses.release(handleOf(attachment))
    attachments.delete(attachmentKey(attachment))
    onChange()
  }

  /** False when a newer container of the same pod has taken the host end over. */
  #ownsHostEnd(attachment: Attachment): boolean {
    return !this.#needs.attachments
      .list()
      .some(
        (row) =>
          row.hostInterfaceName === attachment.hostInterfaceName &&
          attachmentKey(row) !== attachmentKey(attachment),
      )
  }

  /** False when the container has its addresses by another interface: DEL follows an ADD that was refused. */
  #ownsHandle(attachment: Attachment): boolean {
    return !this.#needs.attachments
      .list()
      .some(
        (row) =>
          handleOf(row) === handleOf(attachment) &&
          attachmentKey(row) !== attachmentKey(attachment),
      )
  }

  async #check(request: CniRequest): Promise<null> {
    const known = this.#needs.attachments
      .list()
      .find((row) => attachmentKey(row) === attachmentKey(request) && row.state === 'ready')
    if (known === undefined) {
      throw new CniError(
        CNI_ERROR.unknownContainer,
        `Container ${request.containerId} has no interface ${request.interfaceName} from this node`,
      )
    }
    const pod = this.#openPod(request)
    try {
      const found = checkPod(this.#needs.host, pod, known)
      if (found.length > 0) {
        throw new CniError(CNI_ERROR.conflict, `Not as ADD left it: ${found.join('; ')}`)
      }
    } finally {
      pod.close()
    }
    return null
  }

  async #collectGarbage(request: CniRequest): Promise<null> {
    const { name } = request.configuration
    const list = request.configuration['cni.dev/valid-attachments']
    // Without it every pod would be one that the runtime no longer knows.
    if (list === undefined) throw new CniError(CNI_ERROR.invalidConfiguration, NO_VALID_ATTACHMENTS)
    const valid = new Set(
      list.map(({ containerID, ifname }) =>
        attachmentKey({ containerId: containerID, interfaceName: ifname }),
      ),
    )
    for (const attachment of this.#needs.attachments.list()) {
      if (attachment.network !== name || valid.has(attachmentKey(attachment))) continue
      await this.#alone(attachment.containerId, () => this.#undoOrLater(attachment))
    }
    const live = new Set([
      ...this.#needs.attachments.list().map(handleOf),
      ...list.map(({ containerID }) => handleOf({ network: name, containerId: containerID })),
    ])
    await this.#releaseStale(name, live)
    return null
  }

  /** Gives back what no attachment has, as far as it can be. Errors: the first one met, after all is tried. */
  async #releaseStale(network: string, live: ReadonlySet<string>): Promise<void> {
    const failures: unknown[] = []
    for (const handle of await this.#needs.addresses.handles()) {
      if (!handle.startsWith(`${network}.`) || live.has(handle)) continue
      await this.#needs.addresses.release(handle).catch((thrown: unknown) => {
        failures.push(thrown)
        const fields = { handle, error: messageOf(thrown) }
        this.#needs.log.error('Addresses could not be given back', fields)
      })
    }
    if (failures.length > 0) throw failures[0]
  }

  /** Errors: {@link CniError} notAvailable if ADD would fail now, limitedConnectivity if running pods suffer too. */
  async #status(): Promise<null> {
    const { addresses, attachments, lacking } = this.#needs
    try {
      this.#assertReady(CNI_ERROR.notAvailable)
      attachments.assertWritable()
      await addresses.assertAvailable()
    } catch (thrown) {
      const { message, cniCode } = asCniError(thrown)
      const isCutOff = attachments.list().length > 0 && lacking().length > 0
      if (cniCode === CNI_ERROR.internal) throw thrown
      if (!isCutOff) throw new CniError(CNI_ERROR.notAvailable, message)
      throw new CniError(CNI_ERROR.limitedConnectivity, `${message}; ${lacking().join('; ')}`)
    }
    return null
  }

  #assertReady(code: CniErrorCode): void {
    const reason = this.#needs.notReady()
    if (reason !== undefined) throw new CniError(code, `The node agent is not ready: ${reason}`)
  }

  /** The host end and the handle of addresses are the container's: it can have one interface only. */
  #assertFree({ containerId, interfaceName }: Attachment): void {
    const known = this.#needs.attachments.list().find((row) => row.containerId === containerId)
    if (known === undefined) return
    const has = `Container ${containerId} already has ${known.interfaceName} with ${known.addresses.join(', ')}`
    throw new CniError(
      CNI_ERROR.conflict,
      known.interfaceName === interfaceName
        ? `${has}: a second ADD needs a DEL first`
        : `${has}: expected one interface for each container, found ${interfaceName} as another`,
    )
  }

  #assertNameable(intended: Attachment): void {
    const refusal = this.#needs.endpoints.refusal(intended)
    if (refusal === undefined) return
    const what =
      intended.orchestrator === 'k8s'
        ? `Pod ${intended.namespace}/${intended.pod}`
        : `Container ${intended.containerId}`
    throw new CniError(
      CNI_ERROR.invalidEnvironment,
      `${what} with interface ${intended.interfaceName} cannot be a workload endpoint: ${refusal}`,
    )
  }

  #openPod(request: CniRequest): Kernel {
    const pod = this.#openNamed(request)
    if (pod.namespaceId() !== this.#needs.host.namespaceId()) return pod
    pod.close()
    throw new CniError(
      CNI_ERROR.invalidNamespace,
      `CNI_NETNS is ${request.networkNamespace}, the network namespace of the node itself; expected one of the container's own`,
    )
  }

  #openNamed(request: CniRequest): Kernel {
    try {
      return this.#open(request.networkNamespace)
    } catch (thrown) {
      if (!isKernelError(thrown)) throw thrown
      throw new CniError(
        CNI_ERROR.invalidEnvironment,
        `CNI_NETNS is ${request.networkNamespace}, which is no network namespace: ${thrown.message}`,
      )
    }
  }

  #tryOpenPod(path: string): Kernel | undefined {
    if (path === '') return undefined
    try {
      return this.#open(path)
    } catch (thrown) {
      if (isKernelError(thrown)) return undefined
      throw thrown
    }
  }

  /** A namespace that can be entered: of one that is gone the file may still be there. */
  #open(path: string): Kernel {
    const pod = this.#needs.machine.openNamespace(path)
    try {
      pod.link('lo')
      return pod
    } catch (thrown) {
      pod.close()
      throw thrown
    }
  }
}

function isSameAttachment(one: Attachment, other: Attachment): boolean {
  return attachmentKey(one) === attachmentKey(other)
}

const NO_VALID_ATTACHMENTS =
  'GC has no cni.dev/valid-attachments in the network configuration; expected a list of {"containerID": …, "ifname": …}, which names every attachment that stays'

function detachPodEnd(pod: Kernel, name: string): void {
  const link = pod.link(name)
  if (link !== undefined) pod.deleteLink(link.index)
}

/** How IPAM names what a container holds: Calico's handle of a CNI workload. */
function handleOf(of: Pick<Attachment, 'network' | 'containerId'>): string {
  return `${of.network}.${of.containerId}`
}

/** The attachment that a request asks for, before anything is made. */
function intend(request: CniRequest, podMtu: number): Attachment {
  const { configuration, containerId, interfaceName, networkNamespace } = request
  const { K8S_POD_NAME: pod = '', K8S_POD_NAMESPACE: namespace = '' } = request.arguments
  // As in Calico: a workload is Kubernetes' only by both names, and else is known by its container.
  const isKubernetes = pod !== '' && namespace !== ''
  const labels = Object.fromEntries(
    (configuration.args?.cni?.labels ?? []).map(({ key, value }) => [key, value]),
  )
  return {
    network: configuration.name,
    containerId,
    networkNamespace,
    interfaceName,
    // Calico names the host end of a workload without orchestrator after its container.
    hostInterfaceName: isKubernetes
      ? hostInterfaceName(namespace, pod)
      : `cali${containerId.slice(0, 11)}`,
    orchestrator: isKubernetes ? 'k8s' : 'cni',
    namespace: isKubernetes ? namespace : 'default',
    pod: isKubernetes ? pod : containerId,
    labels,
    addresses: [],
    mtu: configuration.mtu || podMtu,
    followsNodeMtu: !configuration.mtu,
    state: 'adding',
  }
}

/** Fixed addresses by the runtime's conventions: `args.cni.ips`, or IP in CNI_ARGS. */
function wantedAddresses(request: CniRequest): readonly IpAddress[] {
  const texts = [
    ...(request.configuration.args?.cni?.ips ?? []),
    ...(request.arguments['IP']?.split(',') ?? []),
  ]
  return texts.map((text) => {
    const address = parseIpAddress(text.split('/')[0]!)
    if (address !== undefined) return address
    throw new CniError(CNI_ERROR.invalidConfiguration, `"${text}" is no IP address`)
  })
}

function resultOf(attachment: Attachment): CniResult {
  return {
    interfaces: [
      { name: attachment.hostInterfaceName },
      {
        name: attachment.interfaceName,
        ...(attachment.macAddress === undefined ? {} : { mac: attachment.macAddress }),
        mtu: attachment.mtu,
        sandbox: attachment.networkNamespace,
      },
    ],
    ips: attachment.addresses.map((address) => ({
      address: `${address}/${addressBits(familyOf(address))}`,
      interface: 1,
    })),
    routes: [],
    dns: {},
  }
}
