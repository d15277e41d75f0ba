import type { Clock } from '../../lib/clock.ts'
import { UserError } from '../../lib/errors.ts'
import { IpamError } from '../../ipam/ipam-error.ts'
import type { Ipam } from '../../ipam/ipam.ts'
import type { DocumentOf, Node } from '../../model/resource.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import type { Prefix } from '../../net/prefix.ts'
import type { Resources } from '../../store/resources.ts'
import { StoreUnavailable } from '../../store/store.ts'
import type { OwnTunnel } from './own-rows-reconciler.ts'

/** Where an address of a pod may come from. */
interface Source {
  /** By name or CIDR. */
  readonly pools?: readonly string[]
  readonly isOfPodCidr?: boolean
}

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
  async assign(
    request: Source & {
      readonly handle: string
      readonly namespace: string
      readonly pod: string
      readonly wanted: readonly IpAddress[]
    },
  ): Promise<readonly IpAddress[]> {
    const { node, ipam } = this.#needs
    const { handle, namespace, pod, wanted } = request
    const attributes = { namespace, node, pod, timestamp: this.#timestamp() }
    const common = { node, handle, attributes, use: 'Workload' } as const
    if (wanted.length === 0) {
      const assigned = await ipam.autoAssign({
        ...common,
        family: 4,
        ...(await this.#from(request)),
      })
      return assigned.map(({ address }) => address)
    }
    await this.#assertNobodysNode(wanted)
    for (const address of wanted) await ipam.assignAddress({ ...common, address })
    return wanted
  }

  /** Throws what {@link assign} would throw now for want of a datastore, a pool or an address. */
  async assertAvailable(of: Source): Promise<void> {
    const { node, ipam } = this.#needs
    const common = { node, handle: '', attributes: {}, use: 'Workload', family: 4 } as const
    await ipam.assertAvailable({ ...common, ...(await this.#from(of)) })
  }

  /** Where an address may come from: pools that were named, else the node's own range, else what selects it. */
  async #from({ pools, isOfPodCidr = false }: Source) {
    const { node, resources } = this.#needs
    const own = await resources.getShared('Node', node)
    const nodeLabels = own.metadata.labels ?? {}
    if (pools !== undefined) return { nodeLabels, pools: await this.#cidrsOf(pools) }
    if (isOfPodCidr && own.status?.podCIDRs === undefined) {
      throw new UserError(
        `Node "${node}" has no status.podCIDRs, from which host-local would assign`,
      )
    }
    return { nodeLabels, ...blocksOf(own) }
  }

  async #cidrsOf(names: readonly string[]): Promise<Prefix[]> {
    const pools = await this.#needs.resources.listShared('IPPool')
    return names.map((name) => {
      const pool = pools.find(({ metadata, spec }) => metadata.name === name || spec.cidr === name)
      if (pool !== undefined) return pool.spec.cidr
      const known = pools.map(({ metadata }) => metadata.name).join(', ') || 'none'
      throw new IpamError('no-such-pool', `there is no IPPool ${name}; those there are: ${known}`)
    })
  }

  /** An address that a node says it has is no pod's, though nobody may have told IPAM of it. */
  async #assertNobodysNode(wanted: readonly IpAddress[]): Promise<void> {
    for (const { metadata, spec } of await this.#needs.resources.listShared('Node')) {
      const { bgp, ipv4VXLANTunnelAddr } = spec
      const addresses: (string | undefined)[] = [
        bgp?.ipv4Address?.split('/')[0],
        bgp?.ipv4IPIPTunnelAddr,
        ipv4VXLANTunnelAddr,
      ]
      const taken = wanted.find((address) => addresses.includes(address))
      if (taken === undefined) continue
      throw new IpamError('taken', `address ${taken} is one of node ${metadata.name} itself`)
    }
  }

  /** All that a handle has, but some. */
  async release(handle: string, except: readonly IpAddress[] = []): Promise<void> {
    const { ipam } = this.#needs
    if (except.length === 0) {
      await ipam.releaseByHandle(handle)
      return
    }
    const gone = (await ipam.addressesOf(handle)).filter(({ address }) => !except.includes(address))
    await ipam.releaseAddresses(
      gone.map(({ address, sequenceNumber }) => ({
        address,
        handle,
        ...(sequenceNumber === undefined ? {} : { sequenceNumber }),
      })),
    )
  }

  /** Of some addresses those that a handle no longer has; none while the datastore is away. */
  async lost(handle: string, addresses: readonly IpAddress[]): Promise<readonly IpAddress[]> {
    try {
      const held = new Set((await this.#needs.ipam.addressesOf(handle)).map((row) => row.address))
      return addresses.filter((address) => !held.has(address))
    } catch (thrown) {
      if (thrown instanceof StoreUnavailable) return []
      throw thrown
    }
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
