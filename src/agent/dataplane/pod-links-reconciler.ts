import type { Kernel, KernelEvent, Link, Machine } from '../../kernel/kernel.ts'
import type { Log } from '../../lib/log.ts'
import type { ReconcileOutcome, Reconciler } from '../../lib/reconcile/reconciler.ts'
import type { LocalPod } from '../desired/local-facts.ts'
import { isPodLink, type KernelView } from './kernel-view.ts'
import { keepPodLink, type PodLinkSettings } from './pod-links.ts'

/** Both ends of the links of a node's pods. */
export interface DesiredPodLinks {
  readonly pods: readonly LocalPod[]
  readonly settings: PodLinkSettings
}

export interface PodLinksNeeds {
  readonly kernel: Kernel
  readonly view: KernelView
  /** Where pods' namespaces are opened. */
  readonly machine: Pick<Machine, 'openNamespace'>
  readonly log: Log
}

/** Keeps both ends of pods' links. */
export class PodLinksReconciler implements Reconciler<DesiredPodLinks, KernelEvent> {
  readonly name = 'links of pods'
  readonly pace = {
    retry: { firstMilliseconds: 1_000, mostMilliseconds: 30_000 },
    resyncMilliseconds: 90_000,
  } as const
  readonly #needs: PodLinksNeeds
  /** Host ends as they are now, by what the kernel told last: of some changes it tells nobody. */
  #kept = new WeakMap<Link, Link>()

  constructor(needs: PodLinksNeeds) {
    this.#needs = needs
  }

  reconcile({ pods, settings }: DesiredPodLinks): ReconcileOutcome {
    const { view } = this.#needs
    for (const pod of pods) {
      const link = view.find(pod.hostInterfaceName)
      if (link === undefined) continue
      const before = this.#kept.get(link) ?? link
      const kept = keepPodLink(this.#needs, before, pod, settings)
      if (kept !== before) this.#kept.set(link, kept)
    }
    return 'done'
  }

  forget(): void {
    this.#kept = new WeakMap()
  }

  observe(event: KernelEvent): boolean {
    return event.kind === 'link' && isPodLink(event.link)
  }
}
