import type { Clock } from '../../lib/clock.ts'
import { UserError } from '../../lib/errors.ts'
import type { Ipam } from '../../ipam/ipam.ts'
import type { DocumentOf, Node } from '../../model/resource.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import type { Prefix } from '../../net/prefix.ts'
import type { Resources } from '../../store/resources.ts'
import type { OwnTunnel } from './own-rows-reconciler.ts'

export interface NodeIpamNeeds {
  readonly node: string
  readonly ipam: Ipam
  readonly resources: Resources
  readonly clock: Clock
}

/** IPAM as one node uses it: addresses of its pods, its block, the address of its tunl0. */
export class NodeIpam {
  readonly #needs: NodeIpamNeeds

  constructor(needs: NodeIpamNeeds) {
    this.#needs = needs
  }

  /** The wanted addresses, or one of the node's blocks, under a handle. Errors: UserError of IPAM. */
  async assign(request: {
    readonly handle: string
    readonly namespace: string
    readonly pod: string
    readonly wanted: readonly IpAddress[]
  }): Promise<readonly IpAddress[]> {
    const { node, ipam, resources } = this.#needs
    const { handle, namespace, pod, wanted } = request
    const attributes = { namespace, node, pod, timestamp: this.#timestamp() }
    const common = { node, handle, attributes, use: 'Workload' } as const
    if (wanted.length === 0) {
      const own = await resources.getShared('Node', node)
      const assigned = await ipam.autoAssign({
        ...common,
        family: 4,
        nodeLabels: own.metadata.labels ?? {},
        ...blocksOf(own),
      })
      return assigned.map(({ address }) => address)
    }
    for (const address of wanted) await ipam.assignAddress({ ...common, address })
    return wanted
  }

  /** Throws what {@link assign} would throw now for want of a datastore, a pool or an address. */
  async assertAvailable(): Promise<void> {
    const { node, ipam, resources } = this.#needs
    const own = await resources.getShared('Node', node)
    await ipam.assertAvailable({
      node,
      handle: '',
      attributes: {},
      use: 'Workload',
      family: 4,
      nodeLabels: own.metadata.labels ?? {},
      ...blocksOf(own),
    })
  }

  async release(handle: string): Promise<void> {
    await this.#needs.ipam.releaseByHandle(handle)
  }

  async handles(): Promise<readonly string[]> {
    const { node, ipam } = this.#needs
    const rows = await ipam.allocations()
    return rows
      .filter(({ attributes }) => attributes['node'] === node && attributes['pod'] !== undefined)
      .flatMap(({ handle }) => handle ?? [])
  }

  async claimBlock(node: string, block: Prefix): Promise<void> {
    await this.#needs.ipam.claimAffinity(node, block)
  }

  async ensureTunnelAddress(node: string, tunnel: OwnTunnel): Promise<IpAddress | undefined> {
    const { ipam, resources } = this.#needs
    const own = await resources.get('Node', node)
    const address = await ipam.ensureTunnelAddress({
      node,
      kind: tunnel.kind,
      nodeLabels: own.metadata.labels ?? {},
      podCidrs: own.status?.podCIDRs ?? [],
    })
    await resources.modify('Node', node, ({ spec }) => {
      writeTunnelAddress(spec, tunnel, address)
    })
    return address
  }

  /** As Calico writes it: 2019-01-16 06:46:19.000000000 +0000 UTC. */
  #timestamp(): string {
    const iso = new Date(this.#needs.clock.wallTime()).toISOString()
    return `${iso.slice(0, 10)} ${iso.slice(11, 23)}000000 +0000 UTC`
  }
}

/**
 * Kubernetes gave the node these ranges: its pods get addresses of no other. Errors: UserError where it
 * gave some, and none that can be read.
 */
function blocksOf(own: Node): { blocks?: readonly Prefix[] } {
  const blocks = own.status?.podCIDRs
  if (blocks?.length === 0) {
    throw new UserError(`none of status.podCIDRs of Node "${own.metadata.name}" can be read`)
  }
  return blocks === undefined ? {} : { blocks }
}

/** An address that is undefined takes what is written away. */
function writeTunnelAddress(
  spec: DocumentOf<'Node'>['spec'],
  tunnel: OwnTunnel,
  address: IpAddress | undefined,
): void {
  if (tunnel.kind === 'ipip') {
    const { ipv4IPIPTunnelAddr: _, ...bgp } = spec.bgp ?? {}
    spec.bgp = address === undefined ? bgp : { ...bgp, ipv4IPIPTunnelAddr: address }
    return
  }
  delete spec.ipv4VXLANTunnelAddr
  delete spec.vxlanTunnelMACAddr
  if (address === undefined) return
  spec.ipv4VXLANTunnelAddr = address
  spec.vxlanTunnelMACAddr = tunnel.macAddress
}
