import type { TunnelStatus } from '../../api/agent-status.ts'
import type { Kernel, KernelEvent, Link } from '../../kernel/kernel.ts'
import type { Log } from '../../lib/log.ts'
import type { ReconcileOutcome, Reconciler } from '../../lib/reconcile/reconciler.ts'
import { VXLAN_LINK } from '../../routes/ownership.ts'
import type { KernelView } from '../dataplane/kernel-view.ts'
import { ensureVxlanDevice, removeVxlanDevice } from './vxlan-device.ts'
import { VxlanPeers } from './vxlan-peers.ts'
import type { TunnelEnd, VxlanDevice } from './vxlan-settings.ts'
import { withoutUplink } from './without-uplink.ts'

/** A node's vxlan.calico. */
export interface DesiredVxlan {
  /** As it should be; undefined where it should not be. */
  readonly device: VxlanDevice | undefined
  /** The link beneath: the one with the node's own address, by index. */
  readonly uplink: number | undefined
  /** Where the tunnel ends at other nodes. */
  readonly ends: readonly TunnelEnd[]
}

export interface VxlanNeeds {
  readonly kernel: Kernel
  readonly view: KernelView
  readonly log: Log
  /** vxlan.calico is at this index now; undefined: there is none that is in use. */
  onLink(index: number | undefined): void
}

/** Keeps vxlan.calico and what the kernel must know to reach other nodes through it. */
export class VxlanReconciler implements Reconciler<DesiredVxlan, KernelEvent> {
  readonly name = 'vxlan.calico'
  readonly pace = {
    retry: { firstMilliseconds: 1_000, mostMilliseconds: 30_000 },
    resyncMilliseconds: 90_000,
  } as const
  readonly #needs: VxlanNeeds
  readonly #peers: VxlanPeers
  #uplink: number | undefined
  #link: Link | undefined
  /** What of it cannot be, one sentence each. */
  #refused: readonly string[] = []
  /** It is to go once no route leads there. */
  #isOver = false

  constructor(needs: VxlanNeeds) {
    this.#needs = needs
    this.#peers = new VxlanPeers(needs.kernel)
  }

  reconcile({ device, uplink, ends }: DesiredVxlan): ReconcileOutcome {
    const { kernel, view, log, onLink } = this.#needs
    const isWanted = device !== undefined && uplink !== undefined
    this.#uplink = uplink
    this.#link = undefined
    this.#refused = []
    // Nothing is asked of the kernel on a node where there is no VXLAN and was none.
    this.#isOver = !isWanted && view.named(VXLAN_LINK) !== undefined
    if (isWanted) {
      const { link, refused } = ensureVxlanDevice(kernel, device, uplink, log)
      this.#link = link
      this.#refused = refused
    } else if (device !== undefined) this.#refused = [withoutUplink(device.localAddress)]
    this.#peers.setDesired(this.#link?.index, ends)
    this.#peers.write()
    onLink(this.#link?.index)
    return this.#refused.length === 0 ? 'done' : 'retry'
  }

  observe(event: KernelEvent): boolean {
    switch (event.kind) {
      case 'neighbor':
      case 'forwarding':
        return this.#peers.observe(event)
      case 'link':
        // By its index too: somebody may have given it another name.
        return (
          event.link.name === VXLAN_LINK ||
          event.link.index === this.#link?.index ||
          event.link.index === this.#uplink
        )
      case 'address':
        return event.address.linkIndex === this.#link?.index
      case 'overrun':
      case 'packetFilter':
      case 'route':
      case 'rule':
      case 'settings':
      case 'trafficControl':
        return false
    }
  }

  forget(): void {
    this.#peers.forget()
  }

  sweep(): void {
    this.#peers.sweep()
    if (this.#isOver) removeVxlanDevice(this.#needs.kernel)
    this.#isOver = false
  }

  problems(): readonly string[] {
    return this.#refused
  }

  /** Undefined where this node takes no packets in VXLAN. Only reads. */
  status(): TunnelStatus | undefined {
    if (this.#link === undefined) return undefined
    return {
      link: this.#link.name,
      kind: 'vxlan',
      reason: 'a pool has packets go in VXLAN (vxlanMode)',
      mtu: this.#link.mtu,
    }
  }
}
