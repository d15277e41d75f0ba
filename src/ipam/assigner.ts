import type { Clock } from '../lib/clock.ts'
import { OneAtATime } from '../lib/one-at-a-time.ts'
import type { Family, IpAddress } from '../net/ip-address.ts'
import { contains, covers, overlaps, type Prefix, prefixFamily } from '../net/prefix.ts'
import { addressOf, type Block, blockSize, hostAffinity, isEmpty, nodeOf } from './block.ts'
import { assignAddress, type Assigned, assignNext, freeReleased } from './block-changes.ts'
import type { BlockClaims } from './block-claims.ts'
import { blockRing } from './block-ring.ts'
import { counted, handleId, isUnused } from './handle.ts'
import { IpamError } from './ipam-error.ts'
import type { Affinity, IpamStore, ListedBlock } from './ipam-store.ts'
import type { Pool } from './pools.ts'
import type { AssignAddressRequest, Assignment, AutoAssignRequest } from './requests.ts'
import { blockStep, handleStep, retry, takeSteps } from './steps.ts'

/** The rules under which a request is served, as the store said when it began. */
export interface Terms {
  readonly pools: readonly Pool[]
  readonly reserved: readonly Prefix[]
  readonly strictAffinity: boolean
  readonly autoAllocateBlocks: boolean
  /** Most blocks that the node may own. */
  readonly blockLimit: number
  readonly cooldownSeconds: number
}

/** Why no further block was claimed. */
interface Refusal {
  readonly code: 'block-limit' | 'no-addresses'
  readonly message: string
}

/** A request that found no address in the blocks that it tried. */
interface Search {
  readonly node: string
  readonly family: Family
  readonly tried: ReadonlySet<Prefix>
  readonly terms: Terms
}

type Owner = Pick<AutoAssignRequest, 'node' | 'handle' | 'attributes' | 'exclusive'>

/** Blocks that the cluster gave nodes other than `node` (their podCIDRs), whether they have claimed them yet or not. */
export type GivenToOthers = (node: string) => Promise<readonly Prefix[]>

/** How long a node may hold an empty block before others may take it. */
const IDLE_MILLISECONDS = 60_000

/** Gives out addresses: from the node's blocks, from new ones, and at last from those of others. */
export class Assigner {
  readonly #store: IpamStore
  readonly #claims: BlockClaims
  readonly #clock: Clock
  readonly #givenToOthers: GivenToOthers
  /** By node and family: two pods that start at once on a fresh node share the block that the first claims. */
  readonly #searches = new OneAtATime()

  constructor(
    store: IpamStore,
    claims: BlockClaims,
    { clock, givenToOthers }: { readonly clock: Clock; readonly givenToOthers: GivenToOthers },
  ) {
    this.#store = store
    this.#claims = claims
    this.#clock = clock
    this.#givenToOthers = givenToOthers
  }

  /** As many as could be had, and why not more. */
  async assign(
    request: AutoAssignRequest,
    terms: Terms,
  ): Promise<{ assigned: readonly Assignment[]; shortage: Refusal | undefined }> {
    const { node, family, count = 1 } = request
    const assigned: Assignment[] = []
    const tried = new Set<Prefix>()
    const take = async (cidr: Prefix, borrow: boolean): Promise<void> => {
      tried.add(cidr)
      assigned.push(
        ...(await this.#takeFrom(cidr, request, count - assigned.length, terms, borrow)),
      )
    }
    for (;;) {
      const owned = await this.#store.affinities(node, family)
      for (const affinity of ownedIn(terms.pools, owned)) {
        if (assigned.length === count) return { assigned, shortage: undefined }
        if (!tried.has(affinity.cidr) && (await this.#isUsable(affinity)))
          await take(affinity.cidr, false)
        tried.add(affinity.cidr)
      }
      if (assigned.length === count) return { assigned, shortage: undefined }
      const claimed = await this.#searches.run(`${node} ${family}`, () =>
        this.#claimNext({ node, family, tried, terms }),
      )
      if (typeof claimed === 'string') continue
      if (!terms.strictAffinity) {
        for (const cidr of await this.#othersBlocks(node, family, terms)) {
          if (assigned.length === count) break
          if (!tried.has(cidr)) await take(cidr, true)
        }
      }
      return { assigned, shortage: assigned.length < count ? claimed : undefined }
    }
  }

  /** From certain blocks of the node, as a node's podCIDRs are. */
  async assignFromBlocks(
    request: AutoAssignRequest & { readonly blocks: readonly Prefix[] },
    terms: Terms,
  ): Promise<readonly Assignment[]> {
    const { count = 1, family } = request
    const blocks = request.blocks.filter((cidr) => prefixFamily(cidr) === family)
    const assigned: Assignment[] = []
    for (const cidr of blocks) {
      if (assigned.length === count) break
      await this.#demandClaim(request.node, cidr)
      const kept = [0, 1, blockSize(cidr) - 1].map((ordinal) => addressOf({ cidr }, ordinal))
      const withKept = { ...terms, kept }
      assigned.push(
        ...(await this.#takeFrom(cidr, request, count - assigned.length, withKept, false)),
      )
    }
    return assigned
  }

  async #demandClaim(node: string, cidr: Prefix): Promise<void> {
    if (await this.#claims.claim(node, cidr, { adopt: true })) return
    const owner = await this.#store.block(cidr)
    throw new IpamError(
      'claimed-by-another',
      `block ${cidr} cannot be claimed for node ${node}: it belongs to ${(owner.value && nodeOf(owner.value)) ?? 'another'}`,
    )
  }

  /** Mends a claim that was left half done; false if the block is another's. */
  async #isUsable({ node, cidr, state }: Affinity): Promise<boolean> {
    return state === 'confirmed' || this.#claims.claim(node, cidr, { adopt: false })
  }

  #takeFrom(
    cidr: Prefix,
    owner: Owner,
    count: number,
    terms: Terms & { readonly kept?: readonly IpAddress[] },
    borrow: boolean,
  ): Promise<readonly Assignment[]> {
    const allowed = (address: IpAddress): boolean =>
      !terms.reserved.some((range) => contains(range, address)) &&
      terms.kept?.includes(address) !== true
    return this.#change(cidr, owner, terms.cooldownSeconds, async (block) => {
      if (block?.affinity !== hostAffinity(owner.node) && !borrow) {
        // The claim is stale, or its block is gone: claim it again, or drop the claim.
        const again = await this.#claims.claim(owner.node, cidr, { adopt: false })
        return again ? 'again' : undefined
      }
      return block && assignNext(block, count, owner, allowed)
    })
  }

  /** Gives out one certain address of a block that exists or can be claimed. Throws IpamError. */
  async assignOne(
    request: AssignAddressRequest,
    cidr: Prefix,
    terms: Pick<Terms, 'strictAffinity' | 'cooldownSeconds'>,
  ): Promise<Assignment> {
    const { address, node } = request
    const [assignment] = await this.#change(cidr, request, terms.cooldownSeconds, async (block) => {
      if (block === undefined) {
        await this.#claims.claim(node, cidr, { adopt: false })
        return 'again'
      }
      if (terms.strictAffinity && block.affinity !== hostAffinity(node)) {
        throw new IpamError(
          'strict-affinity',
          `address ${address} is in block ${cidr} of ${nodeOf(block) ?? 'nobody'}, and strictAffinity keeps node ${node} from it`,
        )
      }
      return assignAddress(block, address, request)
    })
    return assignment!
  }

  /**
   * Counts in the handle what `decide` gives out of a block, and then writes the block: so the handle finds
   * every address that is given out, whenever this process dies. If the block was changed since it was read,
   * the handle is taken back, unless others have changed it since; then it may count too much until it is
   * released.
   */
  #change(
    cidr: Prefix,
    owner: Owner,
    cooldownSeconds: number,
    decide: (block: Block | undefined) => Promise<Assigned | 'again' | undefined>,
  ): Promise<readonly Assignment[]> {
    const id = handleId(owner.handle)
    return retry(async () => {
      const [before, handle] = await Promise.all([this.#store.block(cidr), this.#store.handle(id)])
      if (owner.exclusive === true && !isUnused(handle.value)) {
        throw new IpamError('taken', `handle ${id} has an address already`)
      }
      const block =
        before.value && freeReleased(before.value, this.#clock.wallTime(), cooldownSeconds)
      const decided = await decide(block)
      if (decided === 'again') return undefined
      const addresses = decided?.addresses ?? []
      if (decided === undefined || addresses.length === 0) return []
      const taken = await takeSteps(this.#store, [
        handleStep(id, handle, counted(handle.value, cidr, addresses.length)),
        blockStep(cidr, before, decided.block),
      ])
      if (taken.length === 2) return addresses.map((address) => ({ address, block: cidr }))
      if (taken.length === 1) {
        const countedAt = { value: undefined, revision: taken[0] }
        await takeSteps(this.#store, [handleStep(id, countedAt, handle.value)])
      }
      return undefined
    })
  }

  /**
   * Claims one more block for a node, or says why not. One that the node has, and that was not tried for
   * this request, is enough: another request may have claimed it while this one waited for its turn.
   */
  async #claimNext({ node, family, tried, terms }: Search): Promise<Prefix | Refusal> {
    const [owned, blocks] = await Promise.all([
      this.#store.affinities(node, family),
      this.#store.blocks(family),
    ])
    const fresh = ownedIn(terms.pools, owned).find(({ cidr }) => !tried.has(cidr))
    if (fresh !== undefined) return fresh.cidr
    const lost = await this.#claimLost(node, blocks, owned, terms)
    if (lost !== undefined) return lost
    if (owned.length >= terms.blockLimit) {
      const message = `cannot allocate new block due to per host block limit: node ${node} owns ${owned.length} of at most ${terms.blockLimit}`
      return { code: 'block-limit', message }
    }
    if (!terms.autoAllocateBlocks) {
      const message = `the blocks of node ${node} have no free address, and autoAllocateBlocks is off`
      return { code: 'no-addresses', message }
    }
    const given = await this.#givenToOthers(node)
    const free = (cidr: Prefix): boolean => !given.some((range) => overlaps(range, cidr))
    const claimed =
      (await this.#claimNew(node, blocks, terms, free)) ??
      (await this.#reclaim(
        node,
        blocks.filter(({ cidr }) => free(cidr)),
        terms,
      ))
    const message = `No IPs available in pools: [${terms.pools.map((pool) => pool.cidr).join(' ')}]`
    return claimed ?? { code: 'no-addresses', message }
  }

  /** A block that says that it is the node's, and that no affinity of the node tells of. */
  async #claimLost(
    node: string,
    blocks: readonly ListedBlock[],
    owned: readonly Affinity[],
    terms: Terms,
  ): Promise<Prefix | undefined> {
    const known = new Set(owned.map(({ cidr }) => cidr))
    for (const { cidr } of blocks.filter((block) => block.belongsTo(node))) {
      if (known.has(cidr) || !terms.pools.some((pool) => covers(pool.cidr, cidr))) continue
      if (await this.#claims.claim(node, cidr, { adopt: false })) return cidr
    }
    return undefined
  }

  async #claimNew(
    node: string,
    blocks: readonly ListedBlock[],
    terms: Terms,
    free: (cidr: Prefix) => boolean,
  ): Promise<Prefix | undefined> {
    const present = new Set(blocks.map(({ cidr }) => cidr))
    for (const { cidr, blockSize } of terms.pools) {
      for (const block of blockRing(cidr, blockSize, node)) {
        if (present.has(block) || terms.reserved.some((range) => covers(range, block))) continue
        if (!free(block)) continue
        if (await this.#claims.claim(node, block, { adopt: false })) return block
      }
    }
    return undefined
  }

  /** Takes over an empty block that another node has held for a while. */
  async #reclaim(
    node: string,
    blocks: readonly ListedBlock[],
    terms: Terms,
  ): Promise<Prefix | undefined> {
    for (const { cidr, block } of blocks) {
      const holder = block && nodeOf(block)
      if (block === undefined || holder === undefined || holder === node || !isEmpty(block))
        continue
      if (!terms.pools.some((pool) => covers(pool.cidr, cidr))) continue
      const since = Date.parse(block.affinityClaimTime ?? '')
      if (!(since + IDLE_MILLISECONDS < this.#clock.wallTime())) continue
      const { sequenceNumber } = block
      try {
        await this.#claims.release(holder, cidr, { mustBeEmpty: true, sequenceNumber })
      } catch (thrown) {
        if (thrown instanceof IpamError && thrown.code === 'not-empty') continue
        throw thrown
      }
      if (await this.#claims.claim(node, cidr, { adopt: false })) return cidr
    }
    return undefined
  }

  /** Blocks of others with free addresses, in the order of the node's ring. */
  async #othersBlocks(node: string, family: Family, terms: Terms): Promise<Prefix[]> {
    const free = new Set(
      (await this.#store.blocks(family))
        .filter(({ block }) => block !== undefined && block.affinity !== hostAffinity(node))
        .filter(({ block }) => block!.unallocated.length > 0)
        .map(({ cidr }) => cidr),
    )
    // Not walked block by block: a pool of IPv6 has more of them than there is time.
    return terms.pools.flatMap((pool) => {
      const inPool = [...free].filter((cidr) => covers(pool.cidr, cidr))
      const start = firstOfRing(pool, node)
      const from = inPool.findIndex((cidr) => cidr >= start)
      return from <= 0 ? inPool : [...inPool.slice(from), ...inPool.slice(0, from)]
    })
  }
}

/** The claims of a node that are in pools from which the request may be served. */
function ownedIn(pools: readonly Pool[], owned: readonly Affinity[]): readonly Affinity[] {
  return owned.filter(({ cidr }) => pools.some((pool) => covers(pool.cidr, cidr)))
}

function firstOfRing(pool: Pool, node: string): Prefix {
  for (const cidr of blockRing(pool.cidr, pool.blockSize, node)) return cidr
  return pool.cidr
}
