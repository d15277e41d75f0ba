import { DeltaTracker } from '../../lib/delta-tracker.ts'
import {
  type ForwardingEntry,
  isKernelError,
  type Kernel,
  type KernelEvent,
  type Neighbor,
} from '../../kernel/kernel.ts'
import type { TunnelEnd } from './vxlan-settings.ts'

/**
 * What the kernel must know to reach other nodes through vxlan.calico: which MAC address a tunnel
 * address has (a neighbor) and which node that is behind (a forwarding entry). All such rows of the link
 * are the agent's.
 */
export class VxlanPeers {
  readonly #kernel: Kernel
  readonly #forwarding = new DeltaTracker<ForwardingEntry>(
    (a, b) => a.remoteAddress === b.remoteAddress,
  )
  readonly #neighbors = new DeltaTracker<Neighbor>(
    (a, b) => a.macAddress === b.macAddress && a.state === b.state,
  )
  #linkIndex: number | undefined
  #ends: readonly TunnelEnd[] = []
  #mustRead = true

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** What should be there from now on; nothing where there is no link. */
  setDesired(linkIndex: number | undefined, ends: readonly TunnelEnd[]): void {
    if (linkIndex === this.#linkIndex && ends === this.#ends) return
    if (linkIndex !== this.#linkIndex) this.#mustRead = true
    this.#linkIndex = linkIndex
    this.#ends = ends
    const forwarding = new Map<string, ForwardingEntry>()
    const neighbors = new Map<string, Neighbor>()
    for (const { address, tunnelAddress, macAddress } of linkIndex === undefined ? [] : ends) {
      if (tunnelAddress === undefined) continue
      const own = { linkIndex: linkIndex!, macAddress }
      forwarding.set(macAddress, { ...own, remoteAddress: address })
      neighbors.set(tunnelAddress, { ...own, address: tunnelAddress, state: 'permanent' })
    }
    this.#forwarding.replaceDesired(forwarding)
    this.#neighbors.replaceDesired(neighbors)
  }

  /** The rows are read anew at the next {@link write}. */
  forget(): void {
    this.#mustRead = true
  }

  /**
   * Takes note of what the kernel told; our own changes come back here and change nothing. Answers
   * whether there is something to mend now.
   */
  observe(event: Extract<KernelEvent, { kind: 'forwarding' | 'neighbor' }>): boolean {
    const { linkIndex } = event.kind === 'forwarding' ? event.entry : event.neighbor
    if (linkIndex !== this.#linkIndex) return false
    const isThere = event.change === 'set'
    if (event.kind === 'forwarding') {
      const { entry } = event
      this.#forwarding.setObserved(entry.macAddress, isThere ? entry : undefined)
    } else if (!event.neighbor.address.includes(':')) {
      const { neighbor } = event
      this.#neighbors.setObserved(neighbor.address, isThere ? neighbor : undefined)
    }
    return !this.#inSync
  }

  get #inSync(): boolean {
    const pending = this.#neighbors.pendingUpdates.size + this.#strangers().length
    return this.#forwarding.inSync && pending === 0
  }

  /** Adds and mends. Errors: the kernel's. */
  write(): void {
    if (this.#mustRead) this.#read()
    for (const [key, entry] of this.#forwarding.pendingUpdates) {
      this.#kernel.setForwardingEntry(entry)
      this.#forwarding.setObserved(key, entry)
    }
    for (const [key, neighbor] of this.#neighbors.pendingUpdates) {
      this.#kernel.setNeighbor(neighbor)
      this.#neighbors.setObserved(key, neighbor)
    }
  }

  /** Removes what should not be there; after the routes that needed it. Errors: the kernel's. */
  sweep(): void {
    for (const neighbor of this.#strangers()) {
      absent(() => this.#kernel.deleteNeighbor(neighbor))
      this.#neighbors.setObserved(neighbor.address, undefined)
    }
    for (const [key, entry] of this.#forwarding.pendingDeletions) {
      absent(() => this.#kernel.deleteForwardingEntry(entry))
      this.#forwarding.setObserved(key, undefined)
    }
  }

  /** Entries that somebody set; what the kernel asked for by itself ends by itself. */
  #strangers(): readonly Neighbor[] {
    return [...this.#neighbors.pendingDeletions.values()].filter(
      ({ state }) => state === 'permanent',
    )
  }

  #read(): void {
    this.#mustRead = false
    const index = this.#linkIndex
    const entries = index === undefined ? [] : this.#kernel.forwardingEntries(index)
    const neighbors =
      index === undefined
        ? []
        : this.#kernel
            .neighbors()
            .filter(({ linkIndex, address }) => linkIndex === index && !address.includes(':'))
    this.#forwarding.replaceObserved(new Map(entries.map((entry) => [entry.macAddress, entry])))
    this.#neighbors.replaceObserved(new Map(neighbors.map((row) => [row.address, row])))
  }
}

/** It may have gone by itself meanwhile. */
function absent(remove: () => void): void {
  try {
    remove()
  } catch (thrown) {
    if (!isKernelError(thrown, 'ENOENT', 'ENODEV')) throw thrown
  }
}
