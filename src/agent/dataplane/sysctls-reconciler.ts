import type { Kernel, KernelEvent } from '../../kernel/kernel.ts'
import type { ReconcileOutcome, Reconciler } from '../../lib/reconcile/reconciler.ts'
import { HostSysctls, type SavedSysctls } from './host-sysctls.ts'
import type { KernelView } from './kernel-view.ts'
import { ipv4ConfPath } from './ipv4-conf-path.ts'
import { looseReversePaths, strictLinks } from './reverse-paths.ts'

/** Settings of a node's own links, and of the node. */
export interface DesiredSysctls {
  /** Links by which packets of other nodes' pods come in, by name; they may not be there yet. */
  readonly forwardingLinks: readonly string[]
  /** Those of them that take such packets whatever link the answer leaves by. */
  readonly looseLinks: readonly string[]
}

export interface SysctlsNeeds {
  readonly kernel: Pick<Kernel, 'readSysctl' | 'writeSysctl'>
  readonly view: KernelView
  readonly saved: SavedSysctls
  /** The loose links by which the host, left alone, filters strictly. */
  onStrictLinks(links: readonly string[]): void
}

/** Written first: it sets every link's own. */
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
  #links: readonly string[] = []

  constructor(needs: SysctlsNeeds) {
    this.#needs = needs
    this.#sysctls = new HostSysctls(needs.kernel, needs.saved)
  }

  reconcile({ forwardingLinks, looseLinks }: DesiredSysctls): ReconcileOutcome {
    this.#links = [...forwardingLinks, ...looseLinks]
    try {
      this.#sysctls.reconcile(
        new Map([IP_FORWARD, ...forwarding(forwardingLinks), ...looseReversePaths(looseLinks)]),
      )
    } finally {
      this.#needs.onStrictLinks(strictLinks(this.#sysctls, looseLinks))
    }
    return 'done'
  }

  observe(event: KernelEvent): boolean {
    if (event.kind === 'link') {
      // One that has come has what the host gives new links.
      return event.change === 'set' && this.#links.includes(event.link.name)
    }
    if (event.kind !== 'settings') return false
    return event.linkIndex === undefined || !this.#needs.view.leadsNowhere(event.linkIndex)
  }
}

/** A link may be kept from forwarding although the node does it (net.ipv4.conf.<link>.forwarding). */
function forwarding(links: readonly string[]): (readonly [path: string, value: string])[] {
  return links.map((name) => [ipv4ConfPath(name, 'forwarding'), '1'])
}
