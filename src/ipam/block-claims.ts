import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { Prefix } from '../net/prefix.ts'
import { blockKey } from '../store/keys.ts'
import { type Block, hostAffinity, isEmpty, newBlock } from './block.ts'
import { IpamError } from './ipam-error.ts'
import { type Affinity, affinityWrite, blockWrite, type IpamStore } from './ipam-store.ts'

/**
 * Which node owns which block.
 *
 * Calico keeps each in a row of its own (the affinity of the node, the block that names the node) and,
 * since one row is all that it can change at once, goes from one to the other by states: none, pending,
 * confirmed, pendingDeletion. Here both rows change in one transaction, so that no state between can be
 * seen or left behind; the states that Calico leaves are understood and mended.
 */
export class BlockClaims {
  readonly #rows: IpamStore
  readonly #clock: Clock
  readonly #random: Random

  constructor(rows: IpamStore, clock: Clock, random: Random) {
    this.#rows = rows
    this.#clock = clock
    this.#random = random
  }

  /**
   * Makes a node the owner of a block, which is created if need be; true also if it was that before.
   * False if another node owns it. With `adopt`, a block that nobody owns but whose addresses are in
   * use is taken over; without, it counts as owned by another.
   */
  claim(node: string, cidr: Prefix, options: { readonly adopt: boolean }): Promise<boolean> {
    return this.#rows.retry(async () => {
      const [affinity, before] = await Promise.all([
        this.#rows.affinity(node, cidr),
        this.#rows.block(cidr),
      ])
      const block = before.value
      const mine = block?.affinity === hostAffinity(node)
      if (mine && affinity?.state === 'confirmed') return true
      if (block !== undefined && !mine && (block.affinity !== null || !options.adopt)) {
        return (await this.#drop(affinity, before, cidr)) ? false : undefined
      }
      // The block is written also if it was mine: whoever was about to release it must notice.
      const after = block === undefined ? this.#newBlock(node, cidr) : this.#owned(block, node)
      const claimed = await this.#rows.write([
        affinityWrite(node, cidr, affinity, 'confirmed'),
        blockWrite(cidr, before, after),
      ])
      return claimed ? true : undefined
    })
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
   * Removes a claim that the block contradicts; false if somebody was faster. The block must still be as
   * it was read, or another process of the same node may have claimed it in between.
   */
  async #drop(
    affinity: Affinity | undefined,
    { modRevision }: { readonly modRevision: number },
    cidr: Prefix,
  ): Promise<boolean> {
    if (affinity === undefined) return true
    return this.#rows.write([
      affinityWrite(affinity.node, cidr, affinity, undefined),
      { compare: { key: blockKey(cidr), modRevision }, operation: undefined },
    ])
  }

  /**
   * Ends the ownership of a block. An empty block is deleted; of another the addresses stay given out,
   * unless `mustBeEmpty`: then IpamError "not-empty". Nothing happens if the node does not own it.
   */
  async release(
    node: string,
    cidr: Prefix,
    options: { readonly mustBeEmpty: boolean; readonly sequenceNumber?: bigint },
  ): Promise<void> {
    await this.#rows.retry(async () => {
      const [affinity, before] = await Promise.all([
        this.#rows.affinity(node, cidr),
        this.#rows.block(cidr),
      ])
      const block = before.value
      if (block?.affinity !== hostAffinity(node)) {
        return (await this.#drop(affinity, before, cidr)) ? true : undefined
      }
      const { sequenceNumber = block.sequenceNumber } = options
      if (options.mustBeEmpty && (!isEmpty(block) || sequenceNumber !== block.sequenceNumber)) {
        throw new IpamError('not-empty', `block ${cidr} of node ${node} has addresses in use`)
      }
      const { affinityClaimTime: _, ...others } = block
      const after = isEmpty(block)
        ? undefined
        : { ...others, affinity: null, affinityClaimTime: undefined }
      return (await this.#rows.write([
        affinityWrite(node, cidr, affinity, undefined),
        blockWrite(cidr, before, after),
      ]))
        ? true
        : undefined
    })
  }
}
