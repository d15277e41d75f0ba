import { isKernelError, type Kernel, type KernelEvent } from '../../kernel/kernel.ts'
import { FILTER_TABLE } from '../../kernel/own-filter.ts'
import type { FilterCounter, FilterTable } from '../../kernel/packet-filter.ts'
import type { Log } from '../../lib/log.ts'
import type { ReconcileOutcome, Reconciler } from '../../lib/reconcile/reconciler.ts'
import { describeFilterChanges } from './describe-filter-changes.ts'

export interface PacketFilterNeeds {
  readonly kernel: Pick<Kernel, 'keepPacketFilter' | 'packetFilterCounters'>
  readonly log: Log
  /** {@link PacketFilterReconciler.unavailable} changed. */
  onAvailability(): void
}

/** What a kernel answers that has no packet filter, or not all that a rule needs. */
const UNABLE = ['EPROTONOSUPPORT', 'EOPNOTSUPP', 'ENOENT'] as const

/** Keeps a node's table of the packet filter as desired, whoever changes it; where none is, it stays. */
export class PacketFilterReconciler implements Reconciler<FilterTable | undefined, KernelEvent> {
  readonly name = 'packet filter'
  readonly pace = {
    /** Nodes come in crowds, and each is a member of a set. */
    debounceMilliseconds: 100,
    retry: { firstMilliseconds: 5_000, mostMilliseconds: 60_000 },
    resyncMilliseconds: 90_000,
  } as const
  readonly #needs: PacketFilterNeeds
  #unavailable: string | undefined
  #isInstalled = false

  constructor(needs: PacketFilterNeeds) {
    this.#needs = needs
  }

  reconcile(desired: FilterTable | undefined): ReconcileOutcome {
    if (desired === undefined) return 'done'
    const { kernel, log } = this.#needs
    this.#isInstalled = false
    try {
      const changes = kernel.keepPacketFilter(desired)
      if (changes.length > 0) {
        log.info('Packet filter changed', { what: describeFilterChanges(changes) })
      }
    } catch (thrown) {
      if (!isKernelError(thrown, ...UNABLE)) throw thrown
      this.#setUnavailable(thrown.message)
      return 'retry'
    }
    this.#isInstalled = true
    this.#setUnavailable(undefined)
    return 'done'
  }

  #setUnavailable(message: string | undefined): void {
    if (message === this.#unavailable) return
    this.#unavailable = message
    if (message !== undefined) {
      this.#needs.log.warn('No packet filter: outgoing NAT and spoofing protection are off', {
        error: message,
      })
    }
    this.#needs.onAvailability()
  }

  observe(event: KernelEvent): boolean {
    return event.kind === 'packetFilter'
  }

  /** Why this kernel cannot have it, or undefined. Such a kernel has no problem. */
  get unavailable(): string | undefined {
    return this.#unavailable
  }

  /** Empty where the table is not installed. Only reads. */
  counters(): ReadonlyMap<string, FilterCounter> {
    if (!this.#isInstalled) return new Map()
    try {
      return this.#needs.kernel.packetFilterCounters(FILTER_TABLE)
    } catch (thrown) {
      if (!isKernelError(thrown)) throw thrown
      return new Map()
    }
  }
}
