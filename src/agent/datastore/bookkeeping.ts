import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import type { MacAddress } from '../../net/mac-address.ts'
import type { Prefix } from '../../net/prefix.ts'
import type { ClusterView } from '../cluster/cluster-view.ts'
import type { PoolModes } from '../cluster/pool-modes.ts'
import { tunnelsAnything } from '../tunnel/tunnel-settings.ts'
import { usesVxlan, vtepMac } from '../tunnel/vxlan-settings.ts'

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

export interface BookkeepingNeeds {
  /** Name of the Node resource. */
  readonly node: string
  readonly view: ClusterView
  readonly modes: PoolModes
  readonly addresses: NodeAddresses
  readonly log: Log
  /** Own blocks that are confirmed. */
  blocks(): readonly Prefix[]
  /** Whether this node takes packets in VXLAN now. */
  hasVxlanLink(): boolean
  /** Whether what the node is to write can be known now. */
  isReady(): boolean
  /** {@link Bookkeeping.tunnelAddress} is another one. */
  onTunnelAddress(): void
  /** Everything is written. */
  onSuccess(): void
  /** The datastore refused something; to be asked again. */
  onFailure(): void
}

/** What a node writes to the datastore about itself: its blocks, the addresses of its ends of tunnels. */
export class Bookkeeping {
  readonly #needs: BookkeepingNeeds
  #tunnelAddress: IpAddress | undefined
  /** What the node's own VXLAN address was last seen to follow from. */
  #vxlanBooked: string | undefined
  #work: Promise<void> = Promise.resolve()
  #isAsked = false
  /** Why the last pass failed. */
  #failure: string | undefined

  constructor(needs: BookkeepingNeeds) {
    this.#needs = needs
  }

  /** The address of tunl0; undefined while it has none, or needs none. */
  get tunnelAddress(): IpAddress | undefined {
    return this.#tunnelAddress
  }

  /** Takes the address that the Node has from before. */
  recall(): void {
    const { view, node } = this.#needs
    this.#tunnelAddress = view.get('Node', node)?.spec.bgp?.ipv4IPIPTunnelAddr
  }

  /** Asks for a pass: one runs at a time, and any number of askers share the next. */
  ask(): void {
    if (this.#isAsked) return
    this.#isAsked = true
    this.#work = this.#work.then(async () => {
      const { isReady, log, onSuccess, onFailure } = this.#needs
      this.#isAsked = false
      try {
        if (!isReady()) return
        await this.#pass()
        this.#failure = undefined
        onSuccess()
      } catch (thrown) {
        const error = messageOf(thrown)
        if (error !== this.#failure) {
          log.warn('Unable to write the node’s own rows; it is tried again', { error })
        }
        this.#failure = error
        onFailure()
      }
    })
  }

  async #pass(): Promise<void> {
    const { addresses, node, view, blocks } = this.#needs
    for (const block of view.get('Node', node)?.status?.podCIDRs ?? []) {
      if (blocks().includes(block)) continue
      await addresses.claimBlock(node, block)
    }
    await this.#bookVxlan()
    await this.#bookIpip()
  }

  async #bookIpip(): Promise<void> {
    const { addresses, node, view, modes, onTunnelAddress } = this.#needs
    const isUsed = tunnelsAnything(view, node)
    // Until the last node has heard that nothing is tunnelled any more, answers come to the address.
    if (!isUsed && modes.hadIpip) return
    const isToGoBack =
      modes.current.every(({ ipipMode }) => ipipMode === 'Never') &&
      view.get('Node', node)?.spec.bgp?.ipv4IPIPTunnelAddr !== undefined
    const address =
      isUsed || isToGoBack ? await addresses.ensureTunnelAddress(node, { kind: 'ipip' }) : undefined
    if (address === this.#tunnelAddress) return
    this.#tunnelAddress = address
    onTunnelAddress()
  }

  /** Looks at the datastore only when something that the address follows from is another one. */
  async #bookVxlan(): Promise<void> {
    const { addresses, node, view, modes } = this.#needs
    const own = view.get('Node', node)
    const isUsed = usesVxlan(view, node)
    // Until the last node has heard that there is none any more, packets come to the address.
    if (!isUsed && modes.hadVxlan) return
    // Others send as soon as they read of the address: vxlan.calico has to be there before.
    if (isUsed && !this.#needs.hasVxlanLink()) return
    if (!isUsed && own?.spec.ipv4VXLANTunnelAddr === undefined) return
    const { ipv4VXLANTunnelAddr, vxlanTunnelMACAddr } = own?.spec ?? {}
    const { labels } = own?.metadata ?? {}
    const pools = view.list('IPPool').map(({ spec }) => spec)
    const podCidrs = own?.status?.podCIDRs
    const facts = [isUsed, ipv4VXLANTunnelAddr, vxlanTunnelMACAddr, labels, pools, podCidrs]
    const text = JSON.stringify(facts)
    if (text === this.#vxlanBooked) return
    await addresses.ensureTunnelAddress(node, { kind: 'vxlan', macAddress: vtepMac(node, own) })
    this.#vxlanBooked = text
  }
}
