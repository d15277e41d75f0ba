import { attemptEach } from '../../lib/attempt-each.ts'
import { isKernelError, type Kernel, type KernelEvent } from '../../kernel/kernel.ts'
import type { Log } from '../../lib/log.ts'
import type { ReconcileOutcome, Reconciler } from '../../lib/reconcile/reconciler.ts'
import { setHostEndSysctls } from '../../routes/host-end.ts'
import type { LocalPod } from '../desired/local-facts.ts'
import type { KernelView } from './kernel-view.ts'

export interface HostEndsNeeds {
  readonly kernel: Pick<Kernel, 'readSysctl' | 'writeSysctl'>
  readonly view: KernelView
  readonly log: Log
}

/**
 * Keeps the settings of pods' host ends: without them a pod is answered no ARP, or its packets go no
 * further. Whoever makes a pod's link makes them, so that only what somebody may have changed is read.
 */
export class HostEndsReconciler implements Reconciler<readonly LocalPod[], KernelEvent> {
  readonly name = 'settings of pods’ links'
  readonly pace = {
    retry: { firstMilliseconds: 1_000, mostMilliseconds: 30_000 },
    /** Of some of these settings the kernel tells nobody. */
    resyncMilliseconds: 8_000,
  } as const
  readonly #needs: HostEndsNeeds
  /** Host ends whose settings may have changed, by name; or all may. */
  readonly #unsure = new Set<string>()
  #isAllUnsure = true

  constructor(needs: HostEndsNeeds) {
    this.#needs = needs
  }

  reconcile(pods: readonly LocalPod[]): ReconcileOutcome {
    const names = this.#isAllUnsure
      ? pods.map(({ hostInterfaceName }) => hostInterfaceName)
      : [...this.#unsure]
    this.#isAllUnsure = false
    this.#unsure.clear()
    attemptEach(names, (name) => {
      if (this.#needs.view.named(name) !== undefined) this.#keep(name)
    })
    return 'done'
  }

  #keep(name: string): void {
    const { kernel, log } = this.#needs
    try {
      for (const { path, found, wanted } of setHostEndSysctls(kernel, name)) {
        log.warn('Restored a setting of a pod’s link that was changed', {
          sysctl: `net.${path}`,
          found,
          wanted,
        })
      }
    } catch (thrown) {
      // One that goes away meanwhile needs nothing.
      const errors: unknown[] = thrown instanceof AggregateError ? thrown.errors : [thrown]
      if (!errors.some((error) => isKernelError(error, 'ENOENT'))) throw thrown
    }
  }

  observe(event: KernelEvent): boolean {
    if (event.kind !== 'settings') return false
    const { linkIndex } = event
    if (linkIndex === undefined) this.#isAllUnsure = true
    const link = linkIndex === undefined ? undefined : this.#needs.view.at(linkIndex)
    if (link !== undefined && this.#needs.view.leadsNowhere(link.index)) this.#unsure.add(link.name)
    return this.#isAllUnsure || this.#unsure.size > 0
  }

  forget(): void {
    this.#isAllUnsure = true
  }
}
