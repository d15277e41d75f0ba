import type { Closable } from '../lib/closable.ts'
import { type Clock, sleep } from '../lib/clock.ts'
import { UserError } from '../lib/errors.ts'
import type { Random } from '../lib/random.ts'
import { familyOf, type IpAddress } from '../net/ip-address.ts'
import {
  contains,
  covers,
  parsePrefix,
  type Prefix,
  prefixFamily,
  prefixOf,
} from '../net/prefix.ts'
import type { RowHandlers } from '../store/follower.ts'
import type { Resources } from '../store/resources.ts'
import { Assigner, type Terms } from './assigner.ts'
import {
  addressOf,
  type Allocation,
  allocationsOf,
  type Block,
  blockSize,
  nodeOf,
} from './block.ts'
import type { BlockOwner, BlockOwners } from './block-owners.ts'
import { shortageOf } from './availability.ts'
import { BlockClaims } from './block-claims.ts'
import { blocksOf, isUnused } from './handle.ts'
import { IpamError } from './ipam-error.ts'
import type { Affinity, IpamStore } from './ipam-store.ts'
import { type Pool, qualifiedPools, type TunnelProtocol, tunnelPools } from './pools.ts'
import { Releaser } from './releaser.ts'
import type {
  AssignAddressRequest,
  Assignment,
  AutoAssignRequest,
  ReleaseRequest,
} from './requests.ts'
import { retry } from './steps.ts'

export interface IpamOptions {
  readonly store: IpamStore
  /** Where pools, reservations and the configuration of IPAM are. */
  readonly resources: Pick<Resources, 'find' | 'listShared' | 'modify' | 'delete'>
  readonly clock: Clock
  readonly random: Random
}

/** Most blocks of a node where neither the configuration nor the request says. */
const DEFAULT_BLOCK_LIMIT = 20

/** For those who read the pool while it was enabled to finish. */
const POOL_GRACE_MILLISECONDS = 500

/** The type of a tunnel address and what its handle begins with, in Calico's words. */
const TUNNELS = {
  ipip: { type: 'ipipTunnelAddress', handle: 'ipip-tunnel-addr' },
  vxlan: { type: 'vxlanTunnelAddress', handle: 'vxlan-tunnel-addr' },
} as const satisfies Record<TunnelProtocol, unknown>

/** The handle under which a tunnel address of a node is kept. */
export function tunnelHandle(node: string, kind: TunnelProtocol = 'ipip'): string {
  return `${TUNNELS[kind].handle}-${node}`
}

/**
 * Gives out addresses and takes them back, for all nodes of a cluster at once, with Calico's data.
 *
 *     const ipam = new Ipam({ store: new RowIpamStore(ports), resources, clock, random })
 *     const [{ address }] = await ipam.autoAssign({
 *       node, family: 4, use: 'Workload', handle: `${network}.${containerId}`,
 *       attributes: { node, namespace, pod, timestamp },
 *       blocks: podCidrs,             // only where the node has podCIDRs
 *     })
 *     await ipam.releaseByHandle(`${network}.${containerId}`)        // idempotent
 *     const tunnel = await ipam.ensureTunnelAddress({ node, podCidrs })
 *
 * A change goes by steps of one object each, in an order in which a process may die between any two: what
 * it leaves, the next one that comes by finishes or takes back. A store that can takes all steps of a change
 * in one transaction. Throws IpamError with a code, UserError on data that cannot be used,
 * StoreUnavailable when the store cannot be reached: then the change may have happened, in part too, and
 * releasing the handle undoes it.
 */
export class Ipam {
  readonly #clock: Clock
  readonly #store: IpamStore
  readonly #resources: IpamOptions['resources']
  readonly #claims: BlockClaims
  readonly #assigner: Assigner
  readonly #releaser: Releaser

  constructor({ store, resources, clock, random }: IpamOptions) {
    this.#clock = clock
    this.#store = store
    this.#resources = resources
    this.#claims = new BlockClaims(store, clock, random)
    this.#assigner = new Assigner(store, this.#claims, {
      clock,
      givenToOthers: (node) => this.#givenToOthers(node),
    })
    this.#releaser = new Releaser(store)
  }

  /** All the addresses asked for, or none: then IpamError says why. */
  async autoAssign(request: AutoAssignRequest): Promise<readonly Assignment[]> {
    const { count = 1, blocks, handle, node } = request
    const terms = await this.#terms(request)
    if (blocks !== undefined) {
      const assigned = await this.#assigner.assignFromBlocks(
        { ...request, blocks: demandBlocks(blocks) },
        terms,
      )
      if (assigned.length === count) return assigned
      await this.#giveBack(assigned, handle)
      const where = `the blocks of node ${node}: [${blocks.join(' ')}]`
      throw new IpamError('no-addresses', `No IPs available in ${where}`)
    }
    const { assigned, shortage } = await this.#assigner.assign(request, terms)
    if (shortage === undefined) return assigned
    await this.#giveBack(assigned, handle)
    const { code, message } = shortage
    const some = `Assigned ${assigned.length} out of ${count} requested IPv${request.family} addresses; `
    throw new IpamError(code, count > 1 ? some + message : message)
  }

  /**
   * Throws what {@link autoAssign} would throw now for one address: IpamError "no-pools" or "no-addresses".
   * Changes nothing.
   */
  async assertAvailable(request: AutoAssignRequest): Promise<void> {
    const { family, node } = request
    const [terms, blocks, owned] = await Promise.all([
      this.#terms(request),
      this.#store.blocks(family),
      this.#store.affinities(node, family),
    ])
    const shortage = shortageOf(request, { terms, blocks, owned })
    if (shortage !== undefined) throw new IpamError('no-addresses', shortage)
  }

  async #giveBack(assigned: readonly Assignment[], handle: string): Promise<void> {
    await this.releaseAddresses(assigned.map(({ address }) => ({ address, handle })))
  }

  async #terms(request: AutoAssignRequest): Promise<Terms> {
    const [rules, reserved, pools] = await Promise.all([
      this.#rules(),
      this.#reserved(),
      request.blocks === undefined ? this.#resources.listShared('IPPool') : [],
    ])
    const { maxBlocks = 0 } = request
    const limits = [rules.maxBlocksPerHost, maxBlocks].filter((limit) => limit > 0)
    return {
      ...rules,
      pools: request.blocks === undefined ? qualifiedPools(pools, request) : [],
      reserved,
      blockLimit: limits.length === 0 ? DEFAULT_BLOCK_LIMIT : Math.min(...limits),
    }
  }

  async #rules() {
    const found = await this.#resources.find('IPAMConfiguration', 'default')
    const {
      strictAffinity = false,
      autoAllocateBlocks = true,
      maxBlocksPerHost = 0,
    } = found?.spec ?? {}
    return { strictAffinity, autoAllocateBlocks, maxBlocksPerHost, cooldownSeconds: 0 }
  }

  /** Asked for only where a new block is claimed: a large cluster has many Nodes. */
  async #givenToOthers(node: string): Promise<Prefix[]> {
    const nodes = await this.#resources.listShared('Node')
    return nodes
      .filter(({ metadata }) => metadata.name !== node)
      .flatMap(({ status }) => status?.podCIDRs ?? [])
  }

  /** Addresses that are given to nobody new. */
  async #reserved(): Promise<Prefix[]> {
    const reservations = await this.#resources.listShared('IPReservation')
    return reservations.flatMap(({ spec }) => spec.reservedCIDRs ?? [])
  }

  /**
   * Gives out one certain address, reserved or not, and claims its block if nobody has it.
   *
   * Throws IpamError "taken", "not-in-a-pool", "strict-affinity".
   */
  async assignAddress(request: AssignAddressRequest): Promise<Assignment> {
    const { address, use, block } = request
    if (block !== undefined) demandBlocks([block])
    const rules = await this.#rules()
    const cidr = block ?? (await this.#blockOfPool(address, use))
    return this.#assigner.assignOne(request, cidr, rules)
  }

  /** The block of an enabled pool in which an address is. */
  async #blockOfPool(address: IpAddress, use: AssignAddressRequest['use']): Promise<Prefix> {
    const pools = (await this.#resources.listShared('IPPool')).filter(
      ({ spec }) => spec.disabled !== true && spec.allowedUses.includes(use),
    )
    for (const { spec } of pools) {
      if (contains(spec.cidr, address)) return prefixOf(address, spec.blockSize)
    }
    throw new IpamError(
      'not-in-a-pool',
      `The provided IP address ${address} is not in a configured pool`,
    )
  }

  /**
   * Takes addresses back; gives those that nobody had. An address of which the request names handle or
   * sequence number is released only from that owner: else IpamError "bad-handle" or
   * "bad-sequence-number", and no address of its block is released.
   */
  async releaseAddresses(requests: readonly ReleaseRequest[]): Promise<IpAddress[]> {
    if (requests.length === 0) return []
    const groups = new Map<Prefix, ReleaseRequest[]>()
    const free: IpAddress[] = []
    const present = await this.#presentBlocks(requests)
    for (const request of requests) {
      const cidr = present.find((block) => contains(block, request.address))
      if (cidr === undefined) free.push(request.address)
      else groups.set(cidr, [...(groups.get(cidr) ?? []), request])
    }
    for (const [cidr, some] of groups) free.push(...(await this.#releaser.fromBlock(cidr, some)))
    return free
  }

  async #presentBlocks(requests: readonly ReleaseRequest[]): Promise<Prefix[]> {
    const families = new Set(requests.map(({ address }) => familyOf(address)))
    const lists = await Promise.all([...families].map((family) => this.#store.blocks(family)))
    return lists.flat().map(({ cidr }) => cidr)
  }

  /** Takes back all that a handle has; gives the addresses, none if there is no such handle. */
  releaseByHandle(handle: string): Promise<IpAddress[]> {
    return this.#releaser.byHandle(handle)
  }

  /** The addresses that a handle has. */
  async addressesOf(handle: string): Promise<Allocation[]> {
    const { value } = await this.#store.handle(handle)
    const blocks = await Promise.all(blocksOf(value).map((cidr) => this.#store.block(cidr)))
    return blocks
      .flatMap(({ value: block }) => (block === undefined ? [] : allocationsOf(block)))
      .filter((allocation) => allocation.handle === handle)
  }

  /** Who has an address; undefined if nobody. */
  async inspect(address: IpAddress): Promise<Allocation | undefined> {
    const allocations = await this.allocations()
    return allocations.find((allocation) => allocation.address === address)
  }

  /** The handles under which workloads of a node have addresses, in no certain order; tunnels are left out. */
  async workloadHandles(node: string): Promise<string[]> {
    const found = (await this.allocations()).flatMap(({ handle, attributes }) =>
      handle !== undefined && attributes['node'] === node && attributes['type'] === undefined
        ? [handle]
        : [],
    )
    return [...new Set(found)]
  }

  /** Every address given out, in order of block. */
  async allocations(): Promise<Allocation[]> {
    return (await this.blocks()).flatMap(allocationsOf)
  }

  /** Every block that can be read, IPv4 first. */
  async blocks(): Promise<Block[]> {
    const lists = await Promise.all([this.#store.blocks(4), this.#store.blocks(6)])
    return lists.flat().flatMap(({ block }) => block ?? [])
  }

  /** The claims of a node; only confirmed ones may be used or announced. */
  affinities(node: string): Promise<readonly Affinity[]> {
    return this.#store.affinities(node)
  }

  /**
   * Makes a node the owner of a block, which is created if need be. A block that nobody owns is taken over
   * with the addresses given out of it.
   *
   * Throws IpamError "claimed-by-another", UserError if the block is too large.
   */
  async claimAffinity(node: string, cidr: Prefix): Promise<void> {
    demandBlocks([cidr])
    if (await this.#claims.claim(node, cidr, { adopt: true })) return
    const message = `block ${cidr} cannot be claimed for node ${node}: another node owns it`
    throw new IpamError('claimed-by-another', message)
  }

  /** Ends the ownership of a block; its addresses stay given out, unless `mustBeEmpty`: then "not-empty". */
  releaseAffinity(node: string, cidr: Prefix, options = { mustBeEmpty: false }): Promise<void> {
    return this.#claims.release(node, cidr, options)
  }

  /** Takes back all that a node that is gone had: addresses in use there, tunnel address, blocks. */
  async releaseNode(node: string): Promise<void> {
    const used = (await this.allocations()).filter(({ attributes }) => attributes['node'] === node)
    await this.releaseAddresses(
      used.map(({ address, handle, sequenceNumber }) => ({
        address,
        ...(handle !== undefined && { handle }),
        ...(sequenceNumber !== undefined && { sequenceNumber }),
      })),
    )
    for (const handle of new Set(used.flatMap((allocation) => allocation.handle ?? []))) {
      await this.#releaser.settle(handle)
    }
    for (const kind of ['ipip', 'vxlan'] as const) {
      await this.releaseByHandle(tunnelHandle(node, kind))
    }
    for (const { cidr } of await this.#store.affinities(node))
      await this.releaseAffinity(node, cidr)
  }

  /**
   * Deletes a pool as Calico does: no new addresses from it, a moment for those who are about to give one
   * out, then the empty blocks in it, then the pool. Addresses in use stay given out.
   *
   * Throws ResourceDoesNotExist.
   */
  async deletePool(name: string): Promise<void> {
    const pool = await this.#resources.modify('IPPool', name, ({ spec }) => {
      spec.disabled = true
    })
    await sleep(this.#clock, POOL_GRACE_MILLISECONDS)
    const { cidr } = pool.spec
    for (const block of await this.blocks()) {
      const node = nodeOf(block)
      if (covers(cidr, block.cidr) && node !== undefined) {
        await this.releaseAffinity(node, block.cidr)
      }
    }
    await this.#resources.delete('IPPool', name)
  }

  /**
   * The address of the node's tunl0, or of its vxlan.calico: the one that it has, if it is still right,
   * else a new one. Undefined, and a former one taken back, if no enabled pool uses the encapsulation.
   *
   * With `podCidrs`, the second address of the first IPv4 one, as Calico takes it there, kept in the
   * block as any other; the block is claimed. For VXLAN another of the block if that one is taken.
   */
  async ensureTunnelAddress(options: TunnelOptions): Promise<IpAddress | undefined> {
    const { node, kind = 'ipip', nodeLabels = {} } = options
    const pools = tunnelPools(await this.#resources.listShared('IPPool'), nodeLabels, kind)
    const { address } = await retry(async () => {
      const kept = await this.#keepTunnelAddress(options, pools)
      if (pools.length === 0) return { address: undefined }
      if (kept !== undefined) return { address: kept }
      try {
        return { address: await this.#newTunnelAddress(options, pools) }
      } catch (thrown) {
        if (!(thrown instanceof IpamError) || thrown.code !== 'taken') throw thrown
        if (!(await this.#mendHandle(tunnelHandle(node, kind)))) throw thrown
        return undefined
      }
    })
    return address
  }

  /** Whether it was the handle that stood in the way; it counts afterwards what it has. */
  async #mendHandle(handle: string): Promise<boolean> {
    const { value } = await this.#store.handle(handle)
    if (isUnused(value)) return false
    await this.#releaser.settle(handle)
    return true
  }

  /** Takes back every tunnel address of the node but the one that is right. */
  async #keepTunnelAddress(
    { node, kind = 'ipip', podCidrs }: TunnelOptions,
    pools: readonly Pool[],
  ): Promise<IpAddress | undefined> {
    const handle = tunnelHandle(node, kind)
    const wanted = addressOfPodCidr(podCidrs)
    const fits = (address: IpAddress): boolean => {
      if (wanted === undefined) return isIn(pools, address)
      return kind === 'ipip' ? address === wanted.address : contains(wanted.block, address)
    }
    const right = ({ address, attributes }: Allocation): boolean =>
      attributes['type'] === TUNNELS[kind].type && attributes['node'] === node && fits(address)
    const present = await this.addressesOf(handle)
    const [kept] = pools.length === 0 ? [] : present.filter(right)
    const wrong = present.filter((allocation) => allocation !== kept)
    await this.releaseAddresses(
      wrong.map(({ address, sequenceNumber }) => ({
        address,
        handle,
        ...(sequenceNumber !== undefined && { sequenceNumber }),
      })),
    )
    return kept?.address
  }

  async #newTunnelAddress(
    { node, kind = 'ipip', nodeLabels = {}, podCidrs }: TunnelOptions,
    pools: readonly Pool[],
  ): Promise<IpAddress> {
    const attributes = { node, type: TUNNELS[kind].type }
    const owner = {
      node,
      handle: tunnelHandle(node, kind),
      attributes,
      use: 'Tunnel',
      exclusive: true,
    } as const
    const wanted = addressOfPodCidr(podCidrs)
    if (wanted !== undefined) {
      await this.claimAffinity(node, wanted.block)
      return await this.#secondOrOther({ ...owner, ...wanted }, kind)
    }
    const request = {
      ...owner,
      family: 4,
      pools: pools.map(({ cidr }) => cidr),
      nodeLabels,
    } as const
    return (await this.autoAssign(request))[0]!.address
  }

  /** The address asked for; for VXLAN any of the block where that is taken, perhaps by tunl0. */
  async #secondOrOther(
    request: AssignAddressRequest & { readonly block: Prefix },
    kind: TunnelProtocol,
  ): Promise<IpAddress> {
    try {
      return (await this.assignAddress(request)).address
    } catch (thrown) {
      if (kind === 'ipip' || !(thrown instanceof IpamError) || thrown.code !== 'taken') throw thrown
      const { address: _, block, ...rest } = request
      const assigned = await this.autoAssign({ ...rest, family: 4, blocks: [block] })
      return assigned[0]!.address
    }
  }

  /**
   * Tells which node has which block of IPv4, and which addresses other nodes use: all, and then every
   * change, through outages of the store, until closed.
   */
  followBlockOwners(handlers: RowHandlers<BlockOwners>): Closable {
    return this.#store.followOwners(4, handlers)
  }

  /** Tells which node has a block, until closed. */
  followBlockOwner(block: Prefix, handlers: RowHandlers<BlockOwner>): Closable {
    return this.#store.followOwner(block, handlers)
  }
}

interface TunnelOptions {
  readonly node: string
  /** "ipip" when absent. */
  readonly kind?: TunnelProtocol
  readonly nodeLabels?: Readonly<Record<string, string>>
  readonly podCidrs?: readonly Prefix[]
}

/** Calico's choice where nodes have podCIDRs: the second address of the first of IPv4. */
function addressOfPodCidr(
  podCidrs: readonly Prefix[] | undefined,
): { readonly address: IpAddress; readonly block: Prefix } | undefined {
  const block = podCidrs?.find((cidr) => prefixFamily(cidr) === 4)
  return block && { address: addressOf({ cidr: block }, 1), block }
}

function isIn(pools: readonly Pool[], address: IpAddress): boolean {
  return pools.some(({ cidr }) => contains(cidr, address))
}

/** Throws UserError that names the one that is no block of addresses. */
function demandBlocks(blocks: readonly Prefix[]): readonly Prefix[] {
  for (const cidr of blocks) {
    if (parsePrefix(cidr) !== cidr) {
      throw new UserError(
        `${cidr} is not an address block: expected a prefix like 10.0.0.0/24 with zero host bits`,
      )
    }
    blockSize(cidr)
  }
  return blocks
}
