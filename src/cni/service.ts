import {
  CNI_ERROR,
  CniError,
  type CniErrorCode,
  type CniRequest,
  type CniResult,
  type NetworkConfiguration,
} from '../api/cni-protocol.ts'
import { messageOf } from '../lib/errors.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { addResult } from './add-result.ts'
import { assertAttachable, assertNode, wantedAddresses } from './admission.ts'
import { type Attachment, handleOf, isSameAttachment } from './attachment.ts'
import { checkPod } from './check-pod.ts'
import type { AddressRequest, CniServiceNeeds } from './cni-ports.ts'
import { collectGarbage } from './collect-garbage.ts'
import { asCniError } from './failure.ts'
import { hostEndName } from './host-end-name.ts'
import { intendedAttachment, type Subject, subjectOf } from './intended-attachment.ts'
import { attachPod, hostEndOf } from './networking.ts'
import { PodNamespaces } from './pod-namespaces.ts'
import { PodRemover } from './pod-remover.ts'
import { toldRequest } from './told-request.ts'
import { OneAtATime } from '../lib/one-at-a-time.ts'

/**
 * The agent's side of CNI: attaches and detaches pods. Every command may be repeated, come in any
 * order and be cut off anywhere; requests for one container run one after another.
 */
export class CniService {
  readonly #needs: CniServiceNeeds
  /** By container. */
  readonly #turns = new OneAtATime()
  readonly #namespaces: PodNamespaces
  readonly #remover: PodRemover

  constructor(needs: CniServiceNeeds) {
    this.#needs = needs
    this.#namespaces = new PodNamespaces(needs.host, needs.machine)
    this.#remover = new PodRemover(needs, this.#namespaces, this.#turns)
  }

  /** The answer to one request: a {@link CniResult} for ADD, else null. Errors: {@link CniError}. */
  handle(request: CniRequest): Promise<CniResult | null> {
    const { log } = this.#needs
    return log.topics.cni
      ? toldRequest(log, request, () => this.#answer(request))
      : this.#answer(request)
  }

  /**
   * Undoes in the background what a crash left half made, and from then on what pods had that are gone
   * without a DEL, as a runtime leaves them that is killed. To be called once, at start.
   */
  recover(): void {
    this.#remover.recover()
  }

  stop(): void {
    this.#remover.stop()
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
        return this.#turns.run(request.containerId, () => this.#add(request))
      case 'DEL':
        await this.#turns.run(request.containerId, () => this.#delete(request))
        return null
      case 'CHECK':
        await this.#turns.run(request.containerId, () => this.#check(request))
        return null
      case 'GC':
        await collectGarbage(request, this.#needs, this.#remover, this.#turns)
        return null
      case 'STATUS':
        await this.#status(request)
        return null
    }
  }

  async #add(request: CniRequest): Promise<CniResult> {
    const { node, podMtu } = this.#needs
    this.#assertReady(CNI_ERROR.tryAgainLater)
    assertNode(request.configuration, node)
    const subject = intendedAttachment(request, podMtu())
    const wanted = wantedAddresses(request, this.#needs)
    const pod = this.#namespaces.open(request.networkNamespace)
    try {
      await this.#remover.undoLeftovers(subject)
      const intended = this.#named(subject, pod)
      assertAttachable(intended, pod, this.#needs)
      return addResult(await this.#attach(intended, pod, wanted, request), request.configuration)
    } finally {
      pod.close()
    }
  }

  #named(subject: Subject, pod: Kernel): Attachment {
    const { attachments, boot, host } = this.#needs
    const hasLink = (name: string): boolean => host.link(name) !== undefined
    const hostInterfaceName = hostEndName(subject, attachments.list(), hasLink)
    return { ...subject, hostInterfaceName, boot, namespaceId: pod.namespaceId() }
  }

  /** Whole, or not at all: what cannot be undone at once is undone in the background. */
  async #attach(
    intended: Attachment,
    pod: Kernel,
    wanted: AddressRequest['wanted'],
    { configuration }: CniRequest,
  ): Promise<Attachment> {
    const { log, onChange, attachments } = this.#needs
    attachments.put(intended)
    try {
      const attachment = await this.#make(intended, pod, wanted, configuration)
      onChange()
      log.info('Attached', fieldsOf(attachment))
      return attachment
    } catch (thrown) {
      await this.#remover.undo(intended).catch((second: unknown) => {
        const fields = { containerId: intended.containerId, error: messageOf(second) }
        log.error('Failed to undo a failed ADD; retrying', fields)
        void this.#remover.undoLater(intended)
      })
      throw thrown
    }
  }

  async #make(
    intended: Attachment,
    pod: Kernel,
    wanted: AddressRequest['wanted'],
    configuration: NetworkConfiguration,
  ): Promise<Attachment> {
    const { attachments, addresses, endpoints, host, onChange } = this.#needs
    const assigned = await addresses.assign({
      handle: handleOf(intended),
      namespace: intended.namespace,
      pod: intended.pod,
      wanted,
      ...poolsOf(configuration),
    })
    const addressed = { ...intended, addresses: assigned }
    attachments.put(addressed)
    // Before there is a link: a route by it is then known as the pod's from its first moment.
    onChange()
    const { macAddress } = attachPod(host, pod, addressed)
    const attached = { ...addressed, ...(macAddress === undefined ? {} : { macAddress }) }
    await endpoints.publish(attached, configuration.policy?.type ?? '')
    const ready: Attachment = { ...attached, state: 'ready' }
    attachments.put(ready)
    return ready
  }

  async #delete(request: CniRequest): Promise<void> {
    const { attachments, log } = this.#needs
    const subject = subjectOf(request)
    const known = attachments.list().find((row) => isSameAttachment(row, subject))
    // DEL of a network that was refused an interface does not take that of another network away.
    if (known !== undefined && known.network !== subject.network) return
    // Unknown here is no error: the record may have been lost, so all that can be derived is removed.
    const gone = known ?? { ...subject, hostInterfaceName: this.#hostEndIn(request) }
    await this.#remover.undoOrLater(gone)
    if (known !== undefined) log.info('Detached', fieldsOf(known))
  }

  /** Of an attachment without a record: what the pod's end leads to, "" if that is nobody's or another's. */
  #hostEndIn({ networkNamespace, interfaceName }: CniRequest): string {
    const { host, attachments } = this.#needs
    const pod = this.#namespaces.tryOpen(networkNamespace)
    try {
      const name = pod && hostEndOf(host, pod, interfaceName)?.name
      const isAnothers = attachments.list().some((row) => row.hostInterfaceName === name)
      return name === undefined || isAnothers ? '' : name
    } finally {
      pod?.close()
    }
  }

  async #check(request: CniRequest): Promise<void> {
    const known = this.#needs.attachments
      .list()
      .find((row) => isSameAttachment(row, request) && row.state === 'ready')
    if (known === undefined) {
      throw new CniError(
        CNI_ERROR.unknownContainer,
        `Container ${request.containerId} has no interface ${request.interfaceName} from this node`,
      )
    }
    const { addresses, host, podMtu } = this.#needs
    const previous = request.configuration.prevResult ?? addResult(known, request.configuration)
    const pod = this.#namespaces.open(request.networkNamespace)
    try {
      const lost = await addresses.lost(handleOf(known), known.addresses)
      const found = [
        ...checkPod({ host, pod, attachment: known, previous, nodeMtu: podMtu() }),
        ...lost.map((address) => `IPAM no longer has ${address} for this container`),
      ]
      if (found.length > 0) {
        throw new CniError(
          CNI_ERROR.conflict,
          `Not as ADD left it: ${found.join('; ')}`,
          'Mend what is named, or start the container anew: DEL and ADD make its network again.',
        )
      }
    } finally {
      pod.close()
    }
  }

  /** Errors: {@link CniError} notAvailable if ADD would fail now, limitedConnectivity if running pods suffer too. */
  async #status({ configuration }: CniRequest): Promise<void> {
    const { addresses, attachments, lacking, node } = this.#needs
    try {
      this.#assertReady(CNI_ERROR.notAvailable)
      assertNode(configuration, node)
      attachments.assertWritable()
      await addresses.assertAvailable(poolsOf(configuration))
    } catch (thrown) {
      const { message, cniCode } = asCniError(thrown)
      const isCutOff = attachments.list().length > 0 && lacking().length > 0
      if (cniCode === CNI_ERROR.internal) throw thrown
      if (!isCutOff) throw new CniError(CNI_ERROR.notAvailable, message)
      throw new CniError(CNI_ERROR.limitedConnectivity, `${message}; ${lacking().join('; ')}`)
    }
  }

  #assertReady(code: CniErrorCode): void {
    const reason = this.#needs.notReady()
    if (reason !== undefined) throw new CniError(code, `The node agent is not ready: ${reason}`)
  }
}

function poolsOf({ ipam }: NetworkConfiguration): Pick<AddressRequest, 'pools' | 'isOfPodCidr'> {
  const { type, ipv4_pools: pools = [] } = ipam ?? {}
  return {
    ...(pools.length === 0 ? {} : { pools }),
    ...(type === 'host-local' ? { isOfPodCidr: true } : {}),
  }
}

function fieldsOf({ namespace, pod, addresses }: Attachment) {
  return { pod: `${namespace}/${pod}`, addresses }
}
