import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { Prefix } from '../net/prefix.ts'
import { type Block, hostAffinity, isEmpty, newBlock } from './block.ts'
import { IpamError } from './ipam-error.ts'
import type { Affinity, IpamStore, ObjectStep, Stored } from './ipam-store.ts'
import { affinityStep, blockStep, retry, takeSteps } from './steps.ts'

/**
 * Which node owns which block: two objects, the affinity of the node and the block that names the node, that
 * go from one owner to the other by steps of one object each, as in Calico.
 *
 *     claim:    affinity pending          block created, or taken     affinity confirmed
 *     release:  affinity pendingDeletion  block deleted, or nobody's  affinity deleted
 *
 * The block decides; a claim that is not confirmed is not used. Whoever claims writes the affinity first, so
 * that nobody who read it before can remove it under him, and the block too, so that nobody who was about to
 * release it can. A process that dies between two steps leaves
 *
 *     pending, no block of the node's     the node claims on, or drops it; to others it is nothing
 *     pending, a block of the node's      the node confirms it
 *     pendingDeletion, a block of it      the node claims it anew, or whoever releases goes on
 *     pendingDeletion, no block of it     the node claims it anew, or drops it
 *     no affinity, a block of the node's  the node finds it when it needs one
 *
 * and others may borrow from the block, or release it when it is empty, in each of these states.
 */
export class BlockClaims {
  readonly #store: IpamStore
  readonly #clock: Clock
  readonly #random: Random

  constructor(store: IpamStore, clock: Clock, random: Random) {
    this.#store = store
    this.#clock = clock
    this.#random = random
  }

  /**
   * Makes a node the owner of a block, which is created if need be; true also if it was that before.
   * False if another node owns it. With `adopt`, a block that nobody owns but whose addresses are in
   * use is taken over; without, it counts as owned by another.
   */
  claim(node: string, cidr: Prefix, options: { readonly adopt: boolean }): Promise<boolean> {
    return retry(async () => {
      const [affinity, before] = await this.#read(node, cidr)
      const block = before.value
      const mine = block?.affinity === hostAffinity(node)
      if (mine && affinity?.state === 'confirmed') return true
      if (block !== undefined && !mine && (block.affinity !== null || !options.adopt)) {
        return (await this.#drop(affinity, before)) ? false : undefined
      }
      const after = block === undefined ? this.#newBlock(node, cidr) : this.#owned(block, node)
      const steps: readonly ObjectStep[] = [
        ...(mine && affinity?.state === 'pending'
          ? []
          : [affinityStep({ node, cidr }, affinity, 'pending')]),
        // Written also if it was the node's: whoever was about to release it must notice.
        blockStep(cidr, before, after),
        affinityStep({ node, cidr }, affinity, 'confirmed'),
      ]
      return (await takeSteps(this.#store, steps)).length === steps.length ? true : undefined
    })
  }

  #read(
    node: string,
    cidr: Prefix,
  ): Promise<[affinity: Affinity | undefined, block: Stored<Block | undefined>]> {
    return Promise.all([this.#store.affinity(node, cidr), this.#store.block(cidr)])
  }

  #newBlock(node: string, cidr: Prefix): Block {
    // Nanoseconds since 1970, the lower six digits by chance: a block made anew is never like the old one.
    const sequenceNumber =
      BigInt(this.#clock.wallTime()) * 1_000_000n + BigInt(this.#random.below(1_000_000))
    return newBlock({ cidr, node, claimTime: this.#now(), sequenceNumber })
  }

  #owned(block: Block, node: string): Block {
    if (block.affinity === hostAffinity(node)) return block
    return { ...block, affinity: hostAffinity(node), affinityClaimTime: this.#now() }
  }

  #now(): string {
    return new Date(this.#clock.wallTime()).toISOString().replace(/\.\d+Z$/, 'Z')
  }

  /**
   * Removes a claim that the block contradicts; false if somebody was faster. The block is looked at once
   * more, now that the affinity is known: another process of the same node may have claimed it in between,
   * and one that does so from now on writes the affinity first.
   */
  async #drop(affinity: Affinity | undefined, before: Stored<Block | undefined>): Promise<boolean> {
    if (affinity === undefined) return true
    const { revision } = await this.#store.block(affinity.cidr)
    if (revision !== before.revision) return false
    const step = affinityStep(affinity, affinity, undefined)
    return (await takeSteps(this.#store, [step])).length === 1
  }

  /**
   * Ends the ownership of a block. An empty block is deleted; of another the addresses stay given out,
   * unless `mustBeEmpty`: then IpamError "not-empty". With `sequenceNumber`, only that very state of it.
   * Nothing happens if the node does not own it.
   */
  async release(
    node: string,
    cidr: Prefix,
    options: { readonly mustBeEmpty: boolean; readonly sequenceNumber?: bigint },
  ): Promise<void> {
    await retry(async () => {
      const [affinity, before] = await this.#read(node, cidr)
      const block = before.value
      if (block?.affinity !== hostAffinity(node)) {
        return (await this.#drop(affinity, before)) ? true : undefined
      }
      const { sequenceNumber = block.sequenceNumber } = options
      if (options.mustBeEmpty && (!isEmpty(block) || sequenceNumber !== block.sequenceNumber)) {
        // An earlier try, or somebody else, may have been about to release it: the node keeps it.
        if (affinity?.state === 'pendingDeletion') await this.claim(node, cidr, { adopt: false })
        throw new IpamError('not-empty', `block ${cidr} of node ${node} has addresses in use`)
      }
      // Known to be absent only now that the block is: whoever claims it writes the affinity first.
      if (affinity === undefined && (await this.#store.affinity(node, cidr)) !== undefined) {
        return undefined
      }
      const freed = blockStep(cidr, before, isEmpty(block) ? undefined : nobodys(block))
      const steps: readonly ObjectStep[] =
        affinity === undefined
          ? [freed]
          : [
              affinityStep(affinity, affinity, 'pendingDeletion'),
              freed,
              affinityStep(affinity, affinity, undefined),
            ]
      const taken = await takeSteps(this.#store, steps)
      // Once the block is free it is done: whoever has changed the affinity since claims it anew.
      return taken.length > steps.indexOf(freed) ? true : undefined
    })
  }
}

function nobodys(block: Block): Block {
  return { ...block, affinity: null, affinityClaimTime: undefined }
}
