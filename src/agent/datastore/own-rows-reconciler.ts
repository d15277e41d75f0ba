import type { ReconcileOutcome, Reconciler } from '../../lib/reconcile/reconciler.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import type { MacAddress } from '../../net/mac-address.ts'
import type { Prefix } from '../../net/prefix.ts'

/** A node's end of a tunnel, as the datastore tells of it. */
export type OwnTunnel =
  | { readonly kind: 'ipip' }
  | { readonly kind: 'vxlan'; readonly macAddress: MacAddress }

/** Addresses, as far as the node itself needs them. */
export interface NodeAddresses {
  /** Claims the block that the cluster gave this node (its podCIDR); done already is no error. */
  claimBlock(node: string, block: Prefix): Promise<void>
  /**
   * The address of tunl0 or vxlan.calico, assigned if there is none yet, and written to the Node; taken
   * back, and undefined, where no pool has such a tunnel.
   */
  ensureTunnelAddress(node: string, tunnel: OwnTunnel): Promise<IpAddress | undefined>
}

/** What a node writes to the datastore about itself: its blocks, the addresses of its ends of tunnels. */
export interface OwnRows {
  /** Blocks that the cluster gave this node and that are not its own yet. */
  readonly claims: readonly Prefix[]
  /** Ends whose address is to be assigned, or given back where no pool has such a tunnel. */
  readonly tunnels: readonly OwnTunnel[]
  /** Whether tunl0 needs no address, and has none to give back. */
  readonly isWithoutIpip: boolean
  /** What else the addresses follow from: when it changes they are looked at again. */
  readonly inputs: object
}

export interface OwnRowsNeeds {
  /** Name of the Node resource. */
  readonly node: string
  readonly addresses: NodeAddresses
  /** The address of tunl0; undefined: it has none. */
  onIpipAddress(address: IpAddress | undefined): void
}

/** Keeps what a node writes about itself; undefined is desired while the datastore must not be written. */
export class OwnRowsReconciler implements Reconciler<OwnRows | undefined> {
  readonly name = 'the node’s own rows'
  readonly pace = {
    retry: { firstMilliseconds: 2_000, mostMilliseconds: 30_000 },
    /** In case somebody gave back an address that is in use. */
    resyncMilliseconds: 600_000,
  } as const
  readonly #needs: OwnRowsNeeds
  #desired: OwnRows | undefined
  /** What is written, as far as is known. */
  #written: OwnRows | undefined
  #isWriting = false

  constructor(needs: OwnRowsNeeds) {
    this.#needs = needs
  }

  async reconcile(desired: OwnRows | undefined): Promise<ReconcileOutcome> {
    this.#desired = desired
    if (desired === undefined) return 'done'
    this.#isWriting = true
    try {
      await this.#write(desired)
      this.#written = desired
    } finally {
      this.#isWriting = false
    }
    return 'done'
  }

  /** The datastore may take its time. What it refuses is said by whoever calls {@link reconcile}. */
  problems(): readonly string[] {
    const isBehind = this.#isWriting && this.#desired !== this.#written
    return isBehind ? ['the node’s own addresses and blocks are being written'] : []
  }

  /** Errors: the first of what the datastore refused; the rest is written all the same. */
  async #write(desired: OwnRows): Promise<void> {
    const { addresses, node, onIpipAddress } = this.#needs
    const errors: unknown[] = []
    const attempt = async (write: () => Promise<void>): Promise<void> => {
      try {
        await write()
      } catch (thrown) {
        errors.push(thrown)
      }
    }
    for (const block of desired.claims) await attempt(() => addresses.claimBlock(node, block))
    for (const tunnel of desired.tunnels) {
      await attempt(async () => {
        const address = await addresses.ensureTunnelAddress(node, tunnel)
        if (tunnel.kind === 'ipip') onIpipAddress(address)
      })
    }
    if (desired.isWithoutIpip) onIpipAddress(undefined)
    if (errors.length > 0) throw errors[0]
  }
}
