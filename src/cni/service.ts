import { Backoff } from '../lib/backoff.ts'
import { type Clock, every, sleep, type Timer } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { isKernelError, type Kernel, type Machine } from '../kernel/kernel.ts'
import type { IpAddress } from '../net/ip-address.ts'
import { addResult } from './add-result.ts'
import { type Attachment, attachmentKey, type AttachmentStore } from './attachment.ts'
import { checkPod } from './check-pod.ts'
import { hostEndName } from './host-end-name.ts'
import {
  intendedAttachment,
  requestedAddresses,
  type Subject,
  subjectOf,
} from './intended-attachment.ts'
import { attachPod, detachPod, hostEndOf } from './networking.ts'
import { shownValue } from './shown-value.ts'
import { toldRequest } from './told-request.ts'
import {
  CNI_ERROR,
  CniError,
  type CniErrorCode,
  type CniRequest,
  type CniResult,
  type NetworkConfiguration,
} from '../api/cni-protocol.ts'
import { asCniError } from './failure.ts'

/** Addresses, as far as attaching a pod needs them; the agent makes it of IPAM. */
export interface AddressSource {
  /** Assigns the wanted addresses, or one of the node's own choice, under a handle. */
  assign(request: AddressRequest): Promise<readonly IpAddress[]>
  /** Gives back all addresses of a handle but some; none is not an error. */
  release(handle: string, except: readonly IpAddress[]): Promise<void>
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

/** Between looks for pods that are gone. */
const SWEEP_MILLISECONDS = 60_000
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
  #sweeping: Timer | undefined

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
        return this.#status(request)
    }
  }

  /**
   * Undoes in the background what a crash left half made, and from then on what pods had that are gone
   * without a DEL, as a runtime leaves them that is killed. To be called once, at start.
   */
  recover(): void {
    const { attachments, clock } = this.#needs
    for (const attachment of attachments.list()) {
      if (attachment.state === 'adding') void this.#undoLater(attachment)
    }
    this.#undoStale()
    this.#sweeping = every(clock, SWEEP_MILLISECONDS, () => this.#undoStale())
  }

  #undoStale(): void {
    const { attachments, log } = this.#needs
    for (const attachment of attachments.list()) {
      if (attachment.state !== 'ready' || !this.#isStale(attachment)) continue
      const { namespace, pod, networkNamespace } = attachment
      const fields = { pod: `${namespace}/${pod}`, networkNamespace }
      log.info('A pod is gone; what it had is given back', fields)
      const left: Attachment = { ...attachment, state: 'adding' }
      attachments.put(left)
      void this.#undoLater(left)
    }
  }

  stop(): void {
    this.#isStopped = true
    this.#sweeping?.cancel()
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
    this.#assertNode(request.configuration)
    const subject = intendedAttachment(request, this.#needs.podMtu())
    const wanted = this.#wantedAddresses(request)
    const pod = this.#openPod(request)
    try {
      await this.#undoLeftovers(subject)
      const intended: Attachment = {
        ...subject,
        hostInterfaceName: hostEndName(
          subject,
          attachments.list(),
          (name) => host.link(name) !== undefined,
        ),
        boot: this.#needs.boot,
        namespaceId: pod.namespaceId(),
      }
      this.#assertFree(intended)
      this.#assertNameable(intended)
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
          wanted,
          ...poolsOf(request.configuration),
        })
        attachment = { ...attachment, addresses: assigned }
        attachments.put(attachment)
        // Before there is a link: a route by it is then known as the pod's from its first moment.
        onChange()
        const podEnd = attachPod(host, pod, attachment)
        attachment = {
          ...attachment,
          ...(podEnd.macAddress === undefined ? {} : { macAddress: podEnd.macAddress }),
        }
        await endpoints.publish(attachment, request.configuration.policy?.type ?? '')
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
      return addResult(attachment, request.configuration)
    } finally {
      pod.close()
    }
  }

  async #delete(request: CniRequest): Promise<null> {
    const { attachments, log } = this.#needs
    const subject = subjectOf(request)
    const known = attachments.list().find((row) => isSameAttachment(row, subject))
    // DEL of a network that was refused an interface does not take that of another network away.
    if (known !== undefined && known.network !== subject.network) return null
    // Unknown here is no error: the record may have been lost, so all that can be derived is removed.
    const gone = known ?? { ...subject, hostInterfaceName: this.#hostEndIn(request) }
    await this.#undoOrLater(gone)
    const { namespace, pod, addresses } = gone
    if (known !== undefined) log.info('Detached', { pod: `${namespace}/${pod}`, addresses })
    return null
  }

  /** Of an attachment without a record: what the pod's end leads to, "" if that is nobody's or another's. */
  #hostEndIn({ networkNamespace, interfaceName }: CniRequest): string {
    const { host, attachments } = this.#needs
    const pod = this.#tryOpenPod(networkNamespace)
    try {
      const name = pod && hostEndOf(host, pod, interfaceName)?.name
      const isAnothers = attachments.list().some((row) => row.hostInterfaceName === name)
      return name === undefined || isAnothers ? '' : name
    } finally {
      pod?.close()
    }
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

  /** What an ADD of the same attachment left that was cut off, or whose pod is gone, goes before the next begins. */
  async #undoLeftovers(subject: Subject): Promise<void> {
    const known = this.#needs.attachments.list().find((row) => isSameAttachment(row, subject))
    if (known === undefined) return
    if (known.state === 'adding' || this.#isStale(known)) await this.#undo(known)
  }

  /** Whether the machine was started anew since, or the namespace that it was made for is gone. */
  #isStale({ boot, hostInterfaceName, networkNamespace, namespaceId }: Attachment): boolean {
    if (boot !== undefined && boot !== this.#needs.boot) return true
    // With the namespace goes the link; the other way round somebody may have broken a pod that lives.
    if (this.#needs.host.link(hostInterfaceName) !== undefined) return false
    const pod = this.#tryOpenPod(networkNamespace)
    if (pod === undefined) return true
    const isAnother = namespaceId !== undefined && pod.namespaceId() !== namespaceId
    pod.close()
    return isAnother
  }

  async #undo(attachment: Attachment): Promise<void> {
    const { attachments, addresses, endpoints, host, onChange } = this.#needs
    const { hostInterfaceName } = attachment
    if (hostInterfaceName !== '' && this.#ownsHostEnd(attachment)) {
      detachPod(host, hostInterfaceName)
    }
    await endpoints.withdraw(attachment)
    await addresses.release(handleOf(attachment), this.#addressesOfSiblings(attachment))
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

  /** The handle is the container's: what its other interfaces have stays. */
  #addressesOfSiblings(attachment: Attachment): readonly IpAddress[] {
    return this.#needs.attachments
      .list()
      .filter((row) => handleOf(row) === handleOf(attachment) && !isSameAttachment(row, attachment))
      .flatMap((row) => row.addresses)
  }

  async #check(request: CniRequest): Promise<null> {
    const known = this.#needs.attachments
      .list()
      .find((row) => isSameAttachment(row, request) && row.state === 'ready')
    if (known === undefined) {
      throw new CniError(
        CNI_ERROR.unknownContainer,
        `Container ${request.containerId} has no interface ${request.interfaceName} from this node`,
      )
    }
    const { host, podMtu } = this.#needs
    const previous = request.configuration.prevResult ?? addResult(known, request.configuration)
    const pod = this.#openPod(request)
    try {
      const found = checkPod({ host, pod, attachment: known, previous, nodeMtu: podMtu() })
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
    const named = new Set(
      list.map(({ containerID }) => handleOf({ network: name, containerId: containerID })),
    )
    await this.#releaseStale(name, named)
    return null
  }

  /** Gives back what no attachment has, as far as it can be. Errors: the first one met, after all is tried. */
  async #releaseStale(network: string, named: ReadonlySet<string>): Promise<void> {
    const { attachments, addresses, log } = this.#needs
    const failures: unknown[] = []
    for (const handle of await addresses.handles()) {
      // An ADD may have begun meanwhile: it is remembered before it has an address.
      const isLive = attachments.list().some((row) => handleOf(row) === handle)
      if (!handle.startsWith(`${network}.`) || named.has(handle) || isLive) continue
      await addresses.release(handle, []).catch((thrown: unknown) => {
        failures.push(thrown)
        log.error('Addresses could not be given back', { handle, error: messageOf(thrown) })
      })
    }
    if (failures.length > 0) throw failures[0]
  }

  /** Errors: {@link CniError} notAvailable if ADD would fail now, limitedConnectivity if running pods suffer too. */
  async #status({ configuration }: CniRequest): Promise<null> {
    const { addresses, attachments, lacking } = this.#needs
    try {
      this.#assertReady(CNI_ERROR.notAvailable)
      this.#assertNode(configuration)
      attachments.assertWritable()
      await addresses.assertAvailable(poolsOf(configuration))
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

  #assertFree(intended: Attachment): void {
    const known = this.#needs.attachments.list().find((row) => isSameAttachment(row, intended))
    if (known === undefined) return
    const { containerId, interfaceName, addresses } = known
    throw new CniError(
      CNI_ERROR.conflict,
      `Container ${containerId} already has ${interfaceName} with ${addresses.join(', ')}: a second ADD needs a DEL first`,
    )
  }

  /** The datastore of the agent has the addresses of its own node only. */
  #assertNode({ nodename, hostname, kubernetes }: NetworkConfiguration): void {
    const { node } = this.#needs
    const said = { nodename, hostname, 'kubernetes.node_name': kubernetes?.node_name }
    for (const [field, name = ''] of Object.entries(said)) {
      // Calico reads the first of these that is there.
      if (name === '' || name === node) continue
      if (field === 'hostname' && (nodename ?? '') !== '') continue
      throw new CniError(
        CNI_ERROR.invalidConfiguration,
        `${field} is ${shownValue(name)}; expected "${node}", the Node of the agent that serves here, or nothing`,
      )
    }
  }

  /** Errors: {@link CniError} for one that the node itself has. */
  #wantedAddresses(request: CniRequest): readonly IpAddress[] {
    const wanted = requestedAddresses(request)
    if (wanted.length === 0) return wanted
    const { host, node } = this.#needs
    const own = new Set(host.addresses().map(({ address }) => address))
    const taken = wanted.find((address) => own.has(address))
    if (taken === undefined) return wanted
    throw new CniError(CNI_ERROR.noAddress, `The address ${taken} is one of node ${node} itself`)
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
        'If the runtime did make it, agent and runtime see different mounts: start the agent where it sees those under /run/netns (mount propagation, as of a container or a unit with PrivateMounts).',
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

type Keyed = Parameters<typeof attachmentKey>[0]

function isSameAttachment(one: Keyed, other: Keyed): boolean {
  return attachmentKey(one) === attachmentKey(other)
}

function poolsOf({ ipam }: NetworkConfiguration): Pick<AddressRequest, 'pools' | 'isOfPodCidr'> {
  const { type, ipv4_pools: pools = [] } = ipam ?? {}
  return {
    ...(pools.length === 0 ? {} : { pools }),
    ...(type === 'host-local' ? { isOfPodCidr: true } : {}),
  }
}

const NO_VALID_ATTACHMENTS =
  'GC has no cni.dev/valid-attachments in the network configuration; expected a list of {"containerID": …, "ifname": …}, which names every attachment that stays'

/** How IPAM names what a container holds: Calico's handle of a CNI workload. */
function handleOf(of: Pick<Attachment, 'network' | 'containerId'>): string {
  return `${of.network}.${of.containerId}`
}
