import { Backoff } from '../lib/backoff.ts'
import { every, sleep, type Timer } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { IpAddress } from '../net/ip-address.ts'
import { type Attachment, attachmentKey, handleOf, isSameAttachment } from './attachment.ts'
import type { CniServiceNeeds } from './cni-ports.ts'
import type { Subject } from './intended-attachment.ts'
import { detachPod } from './networking.ts'
import type { PodNamespaces } from './pod-namespaces.ts'
import type { OneAtATime } from '../lib/one-at-a-time.ts'

/** Between looks for pods that are gone. */
const SWEEP_MILLISECONDS = 60_000
/** Between tries to take away what is left of a pod. */
const UNDO_MILLISECONDS = { firstMilliseconds: 500, mostMilliseconds: 60_000 }

/** Takes away what ADD made of a pod: at once, or in the background until it has succeeded. */
export class PodRemover {
  readonly #needs: CniServiceNeeds
  readonly #namespaces: PodNamespaces
  readonly #turns: OneAtATime
  /** Attachments that are being undone in the background, by key. */
  readonly #undoing = new Set<string>()
  #isStopped = false
  #sweeping: Timer | undefined

  constructor(needs: CniServiceNeeds, namespaces: PodNamespaces, turns: OneAtATime) {
    this.#needs = needs
    this.#namespaces = namespaces
    this.#turns = turns
  }

  /**
   * Undoes in the background what a crash left half made, and from then on what pods had that are gone
   * without a DEL, as a runtime leaves them that is killed. To be called once, at start.
   */
  recover(): void {
    const { attachments, clock } = this.#needs
    for (const attachment of attachments.list()) {
      if (attachment.state === 'adding') void this.undoLater(attachment)
    }
    this.#undoStale()
    this.#sweeping = every(clock, SWEEP_MILLISECONDS, () => this.#undoStale())
  }

  #undoStale(): void {
    const { attachments, log } = this.#needs
    for (const attachment of attachments.list()) {
      if (attachment.state !== 'ready' || !this.#isSurelyStale(attachment)) continue
      const { namespace, pod, networkNamespace } = attachment
      const fields = { pod: `${namespace}/${pod}`, networkNamespace }
      log.info('Pod is gone; releasing its addresses and endpoint', fields)
      this.#leaveToLater(attachment)
    }
  }

  /** Remembered as what is to be undone, and undone when it can be. */
  #leaveToLater(attachment: Attachment): void {
    const left: Attachment = { ...attachment, state: 'adding' }
    try {
      this.#needs.attachments.put(left)
    } catch (thrown) {
      const fields = { containerId: left.containerId, error: messageOf(thrown) }
      this.#needs.log.error('Failed to record what is left of a pod', fields)
      return
    }
    void this.undoLater(left)
  }

  stop(): void {
    this.#isStopped = true
    this.#sweeping?.cancel()
  }

  /** Retries without end, less and less often; a DEL in the meantime does the same at once. */
  async undoLater(attachment: Attachment): Promise<void> {
    const { attachments, clock, random, log } = this.#needs
    const key = attachmentKey(attachment)
    if (this.#undoing.has(key)) return
    this.#undoing.add(key)
    const backoff = new Backoff({ ...UNDO_MILLISECONDS, random })
    const isUndone = async (): Promise<boolean> => {
      const left = attachments.list().find((row) => attachmentKey(row) === key)
      if (this.#isStopped || left?.state !== 'adding') return true
      try {
        await this.undo(left)
        return true
      } catch (thrown) {
        const fields = { containerId: left.containerId, error: messageOf(thrown) }
        log.warn('Failed to remove what is left of a pod; retrying', fields)
        return false
      }
    }
    while (!(await this.#turns.run(attachment.containerId, isUndone))) {
      await sleep(clock, backoff.next())
    }
    this.#undoing.delete(key)
  }

  /**
   * For DEL and GC, which go on whatever they meet: what cannot be undone now, such as what stands in a
   * datastore that is away, is remembered and left to the background.
   */
  async undoOrLater(attachment: Attachment): Promise<void> {
    try {
      await this.undo(attachment)
    } catch (thrown) {
      const fields = { containerId: attachment.containerId, error: messageOf(thrown) }
      this.#needs.log.warn('Failed to remove a pod completely; retrying', fields)
      this.#leaveToLater(attachment)
    }
  }

  /** What an ADD of the same attachment left that was cut off, or whose pod is gone, goes before the next begins. */
  async undoLeftovers(subject: Subject): Promise<void> {
    const known = this.#needs.attachments.list().find((row) => isSameAttachment(row, subject))
    if (known === undefined) return
    if (known.state === 'adding' || this.#isStale(known)) await this.undo(known)
  }

  #isSurelyStale(attachment: Attachment): boolean {
    try {
      return this.#isStale(attachment)
    } catch (thrown) {
      const fields = { containerId: attachment.containerId, error: messageOf(thrown) }
      this.#needs.log.warn('Failed to check whether a pod exists', fields)
      return false
    }
  }

  /** Whether the machine was started anew since, or the namespace that it was made for is gone. */
  #isStale({ boot, hostInterfaceName, networkNamespace, namespaceId }: Attachment): boolean {
    if (boot !== undefined && boot !== this.#needs.boot) return true
    // With the namespace goes the link; the other way round somebody may have broken a pod that lives.
    if (this.#needs.host.link(hostInterfaceName) !== undefined) return false
    const pod = this.#namespaces.tryOpen(networkNamespace)
    if (pod === undefined) return true
    const isAnother = namespaceId !== undefined && pod.namespaceId() !== namespaceId
    pod.close()
    return isAnother
  }

  async undo(attachment: Attachment): Promise<void> {
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
}
