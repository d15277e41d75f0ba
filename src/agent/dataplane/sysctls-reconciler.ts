import type { Kernel, KernelEvent } from '../../kernel/kernel.ts'
import type { ReconcileOutcome, Reconciler } from '../../lib/reconcile/reconciler.ts'
import { HostSysctls, type SavedSysctls } from './host-sysctls.ts'
import type { KernelView } from './kernel-view.ts'
import { looseReversePaths, strictLinks } from './reverse-paths.ts'

/** Settings of a node's own links, and of the node. */
export interface DesiredSysctls {
  /** Links by which packets of other nodes' pods come in, by name; they may not be there yet. */
  readonly looseLinks: readonly string[]
}

export interface SysctlsNeeds {
  readonly kernel: Pick<Kernel, 'readSysctl' | 'writeSysctl'>
  readonly view: KernelView
  readonly saved: SavedSysctls
  /** The loose links by which the host, left alone, filters strictly. */
  onStrictLinks(links: readonly string[]): void
}

const IP_FORWARD = ['ipv4.ip_forward', '1'] as const

/** Keeps settings of the host that pods' packets need, and gives back those that they need no longer. */
export class SysctlsReconciler implements Reconciler<DesiredSysctls, KernelEvent> {
  readonly name = 'settings of the host'
  readonly pace = {
    retry: { firstMilliseconds: 1_000, mostMilliseconds: 30_000 },
    resyncMilliseconds: 90_000,
  } as const
  readonly #needs: SysctlsNeeds
  readonly #sysctls: HostSysctls
  #looseLinks: readonly string[] = []

  constructor(needs: SysctlsNeeds) {
    this.#needs = needs
    this.#sysctls = new HostSysctls(needs.kernel, needs.saved)
  }

  reconcile({ looseLinks }: DesiredSysctls): ReconcileOutcome {
    this.#looseLinks = looseLinks
    try {
      this.#sysctls.reconcile(new Map([IP_FORWARD, ...looseReversePaths(looseLinks)]))
    } finally {
      this.#needs.onStrictLinks(strictLinks(this.#sysctls, looseLinks))
    }
    return 'done'
  }

  observe(event: KernelEvent): boolean {
    if (event.kind === 'link') {
      // One that has come has what the host gives new links.
      return event.change === 'set' && this.#looseLinks.includes(event.link.name)
    }
    if (event.kind !== 'settings') return false
    return event.linkIndex === undefined || !this.#needs.view.leadsNowhere(event.linkIndex)
  }
}
