import type { Kernel, KernelEvent, Link, Machine } from '../../kernel/kernel.ts'
import { attemptEach } from '../../lib/attempt-each.ts'
import type { Log } from '../../lib/log.ts'
import type { ReconcileOutcome, Reconciler } from '../../lib/reconcile/reconciler.ts'
import type { LocalPod } from '../desired/local-facts.ts'
import { isPodLink, type KernelView } from './kernel-view.ts'
import { keepBothEnds, keepHostEnd, type PodLinkSettings } from './pod-links.ts'

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

/** Keeps both ends of pods' links. What the kernel refuses of one pod's keeps no other from its turn. */
export class PodLinksReconciler implements Reconciler<DesiredPodLinks, KernelEvent> {
  readonly name = 'links of pods'
  readonly pace = {
    retry: { firstMilliseconds: 1_000, mostMilliseconds: 30_000 },
    resyncMilliseconds: 90_000,
  } as const
  readonly #needs: PodLinksNeeds
  /** Host ends as they are now, by what the kernel told last: of some changes it tells nobody. */
  #kept = new WeakMap<Link, Link>()
  /** Host ends of pods whose other end may have been left behind, by name. */
  readonly #unsure = new Set<string>()

  constructor(needs: PodLinksNeeds) {
    this.#needs = needs
  }

  reconcile({ pods, settings }: DesiredPodLinks): ReconcileOutcome {
    attemptEach(pods, (pod) => {
      const link = this.#needs.view.find(pod.hostInterfaceName)
      if (link === undefined) this.#unsure.delete(pod.hostInterfaceName)
      else this.#keep(link, pod, settings)
    })
    return 'done'
  }

  #keep(link: Link, pod: LocalPod, settings: PodLinkSettings): void {
    const keepOwnEnd = (): void => {
      this.#take(link, keepHostEnd(this.#needs, this.#known(link)))
    }
    const keepBoth = (): void => {
      const isUnsure = this.#unsure.has(link.name)
      this.#unsure.add(link.name)
      this.#take(link, keepBothEnds(this.#needs, this.#known(link), pod, settings, isUnsure))
      this.#unsure.delete(link.name)
    }
    attemptEach([keepOwnEnd, keepBoth], (keep) => keep())
  }

  #known(link: Link): Link {
    return this.#kept.get(link) ?? link
  }

  #take(link: Link, kept: Link): void {
    if (kept !== link) this.#kept.set(link, kept)
  }

  forget(): void {
    this.#kept = new WeakMap()
  }

  observe(event: KernelEvent): boolean {
    return event.kind === 'link' && isPodLink(event.link)
  }
}
